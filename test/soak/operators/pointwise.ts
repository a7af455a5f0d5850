/** @file Operators on every element of one input, with the attributes that are legal and not those that are usual. */
import type { Builder, Drawn, Emit } from "../builder.ts";

const plain =
  (op: string): Emit =>
  (g, x) =>
    g.add(op, [x], {}, x.shape, x.kind);

/** Each attribute is there or left out. */
const tuned =
  (op: string, attributes: Readonly<Record<string, (g: Builder) => number>>): Emit =>
  (g, x) =>
    g.add(
      op,
      [x],
      Object.fromEntries(
        Object.entries(attributes).map(([name, draw]) => [name, g.chance(0.25) ? undefined : { float: draw(g) }]),
      ),
      x.shape,
    );

const slope = (g: Builder) => g.pick([0.01, 0.2, -0.3, 1.5, -2, 1, 0, g.number()]);
const positive = (g: Builder) => g.pick([0.5, 1, 2, 0.1, 5]);

/** log, sqrt and 1/x of what may be anything, or of what is kept away from the pole. */
const rooted =
  (op: string): Emit =>
  (g, x) => {
    if (g.chance(0.2)) return g.add(op, [x], {}, x.shape);
    const above = g.add("Abs", [x], {}, x.shape);
    const shift = g.constant("float", [1], [g.pick([0.1, 1, 2])]);
    const safe = g.add("Add", [above, shift], g.opset < 7 ? { broadcast: 1 } : {}, x.shape);
    return g.add(op, [safe], {}, x.shape);
  };

const clip: Emit = (g, x) => {
  const [a, b] = [g.number(), g.number()];
  const [low, high] = g.opset < 11 || g.chance(0.9) ? [Math.min(a, b), Math.max(a, b)] : [a, b];
  const [left, right] = [g.chance(0.75), g.chance(0.75)];
  if (g.opset < 11) {
    const attributes = { ...(left && { min: { float: low } }), ...(right && { max: { float: high } }) };
    return g.add("Clip", [x], attributes, x.shape);
  }
  const bound = (v: number) => g.constant("float", [], [v]);
  const y = g.add("Clip", [x, left ? bound(low) : null, right ? bound(high) : null], {}, x.shape);
  // Where they cross the upper one wins everywhere.
  return left && right && low > high ? { ...y, varies: false } : y;
};

const prelu: Emit = (g, x) => {
  const rank = x.shape.length;
  if (g.opset < 7) {
    if (rank < 2) return null;
    const n = g.chance(0.5) ? 1 : x.shape[1];
    return g.add("PRelu", [x, g.weights([n])], {}, x.shape);
  }
  const drop = g.integer(0, rank);
  // The batch of a free input is no axis of a weight.
  const shape = x.shape.slice(drop).map((d) => (g.chance(0.3) ? 1 : d));
  return g.add("PRelu", [x, g.weights(shape)], {}, x.shape);
};

const gelu: Emit = (g, x) => {
  if (g.opset >= 20 && g.chance(0.6)) {
    return g.add("Gelu", [x], { approximate: g.pick(["none", "tanh", undefined]) }, x.shape);
  }
  return g.add("Gelu", [x], {}, x.shape, "float", "com.microsoft");
};

const dropout: Emit = (g, x) => {
  if (g.opset < 7) return g.add("Dropout", [x], { is_test: 1, ratio: { float: 0.5 } }, x.shape);
  if (g.opset < 12) return g.add("Dropout", [x], g.chance(0.5) ? { ratio: { float: 0.3 } } : {}, x.shape);
  const ratio = g.chance(0.5) ? g.constant("float", [], [0.4]) : null;
  return g.add("Dropout", [x, ratio], {}, x.shape);
};

/** To another type and, seldom, not back. */
const cast: Emit = (g, x) => {
  const to = g.pick(["float", "half", "bfloat", "double", "int32", "int64", "bool"] as const);
  const code = { float: 1, half: 10, bfloat: 16, double: 11, int32: 6, int64: 7, bool: 9 }[to];
  if (to === "float") return g.add("Cast", [x], { to: 1 }, x.shape);
  if (to === "int32" || to === "int64" || to === "bool") return g.add("Cast", [x], { to: code }, x.shape, to);
  if (to === "bfloat" && g.opset < 13) return null;
  const there = g.add("Cast", [x], { to: code }, x.shape);
  return g.add("Cast", [there], { to: 1 }, x.shape);
};

const castLike: Emit = (g, x) => g.add("CastLike", [x, g.weights([1])], {}, x.shape);

const float = ["float"] as const;

export const pointwise: Readonly<Record<string, Drawn>> = {
  Neg: { kinds: float, emit: plain("Neg") },
  Abs: { kinds: ["float", "float", "int64", "int32"], emit: plain("Abs") },
  Ceil: { kinds: float, emit: plain("Ceil") },
  Floor: { kinds: float, emit: plain("Floor") },
  Sign: { kinds: float, since: 9, emit: plain("Sign") },
  Cos: { kinds: float, since: 7, emit: plain("Cos") },
  Sin: { kinds: float, since: 7, emit: plain("Sin") },
  Erf: { kinds: float, since: 9, emit: plain("Erf") },
  Exp: { kinds: float, emit: plain("Exp") },
  Log: { kinds: float, emit: rooted("Log") },
  Sqrt: { kinds: float, emit: rooted("Sqrt") },
  Reciprocal: { kinds: float, emit: rooted("Reciprocal") },
  Relu: { kinds: float, emit: plain("Relu") },
  Sigmoid: { kinds: float, emit: plain("Sigmoid") },
  Tanh: { kinds: float, emit: plain("Tanh") },
  Softplus: { kinds: float, emit: plain("Softplus") },
  Softsign: { kinds: float, emit: plain("Softsign") },
  HardSwish: { kinds: float, since: 14, emit: plain("HardSwish") },
  Mish: { kinds: float, since: 18, emit: plain("Mish") },
  Identity: { emit: plain("Identity") },
  LeakyRelu: { kinds: float, emit: tuned("LeakyRelu", { alpha: slope }) },
  Elu: { kinds: float, emit: tuned("Elu", { alpha: slope }) },
  Celu: { kinds: float, since: 12, emit: tuned("Celu", { alpha: (g) => g.pick([1, 2, 0.3, -1, -0.5]) }) },
  Selu: { kinds: float, emit: tuned("Selu", { alpha: slope, gamma: (g) => g.pick([1, 0.5, 2]) }) },
  HardSigmoid: { kinds: float, emit: tuned("HardSigmoid", { alpha: slope, beta: (g) => g.number() }) },
  ThresholdedRelu: {
    kinds: float,
    since: 10,
    emit: tuned("ThresholdedRelu", { alpha: (g) => g.pick([0, 1, -1, 0.5]) }),
  },
  "LeakyRelu steep": { kinds: float, emit: tuned("LeakyRelu", { alpha: positive }) },
  Clip: { kinds: float, emit: clip },
  PRelu: { kinds: float, emit: prelu },
  Gelu: { kinds: float, emit: gelu },
  Dropout: { kinds: float, emit: dropout },
  Cast: { emit: cast },
  CastLike: { since: 15, emit: castLike },
};
