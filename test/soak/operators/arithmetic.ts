/** @file Operators of two or more inputs and comparisons, as they are drawn: constants of every shape that stretches, the value itself twice, another branch. */
import type { Builder, Drawn, Emit, Value } from "../builder.ts";
import { product } from "../builder.ts";

const binary =
  (op: string, result?: "bool"): Emit =>
  (g, x) => {
    const kind = result ?? x.kind;
    const choice = g.r.uniform();
    if (choice < 0.3) {
      const other = g.partner(x);
      return g.add(op, g.chance(0.5) ? [x, other] : [other, x], {}, x.shape, kind);
    }
    const { value, attributes } = stretched(g, x, op);
    // Before opset 7 only the second operand stretches.
    const first = choice < 0.5 && (g.opset >= 7 || Object.keys(attributes).length === 0);
    return g.add(op, first ? [value, x] : [x, value], attributes, x.shape, kind);
  };

/** A constant that stretches to the shape of x. */
export function stretched(g: Builder, x: Value, op = ""): { readonly value: Value; readonly attributes: Attrs } {
  const rank = x.shape.length;
  if (g.opset < 7 && old.includes(op)) {
    if (g.chance(0.3)) return { value: constantLike(g, x, x.shape, op), attributes: {} };
    const from = g.integer(0, Math.max(0, rank - 1));
    const to = g.integer(from, rank);
    const shape = x.shape.slice(from, to);
    const axis = g.free && from === 0 && to > 0 ? undefined : from;
    const fits = axis === undefined ? [] : shape;
    return { value: constantLike(g, x, fits, op), attributes: { broadcast: 1, ...(fits.length > 0 ? { axis } : {}) } };
  }
  const drop = g.integer(0, rank);
  const shape = x.shape.slice(drop).map((d) => (g.chance(0.3) ? 1 : d));
  return { value: constantLike(g, x, shape, op), attributes: {} };
}

type Attrs = Readonly<Record<string, number | undefined>>;

const old = ["Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Equal", "Less", "Greater"];

function constantLike(g: Builder, x: Value, shape: readonly number[], op: string): Value {
  const n = product(shape);
  if (x.kind === "float") {
    const clear = (v: number) => (op === "Div" && Math.abs(v) < 1e-9 ? 0.75 : v);
    return g.constant("float", shape, g.floats(n).map(clear));
  }
  if (x.kind === "bool") return g.constant("bool", shape, bits(g, n));
  const whole = () => (op === "Div" ? g.pick([1, 2, 3, -2, 7]) : g.pick([0, 1, -1, 2, 3, -5, 100]));
  return g.constant(x.kind, shape, Array.from({ length: n }, whole));
}

/** Powers: of bases that may be negative only by whole exponents. */
const power: Emit = (g, x) => {
  const whole = g.chance(0.6);
  if (whole) {
    const exponent = g.constant("float", g.pick([[], [1]]), [g.pick([2, 3, 1, 0, 2, -1, -2])]);
    return g.add("Pow", [x, exponent], g.opset < 7 ? { broadcast: 1 } : {}, x.shape);
  }
  const base = g.add("Abs", [x], {}, x.shape);
  const safe = g.add("Add", [base, g.constant("float", [1], [g.pick([0.5, 1, 2])])], broad(g), x.shape);
  const exponent = g.constant("float", g.pick([[], [1]]), [g.pick([0.5, 1.5, -0.5, 2.25])]);
  return g.add("Pow", [safe, exponent], g.opset < 7 ? { broadcast: 1 } : {}, x.shape);
};

const broad = (g: Builder) => (g.opset < 7 ? { broadcast: 1 } : {});

/** A divisor: a constant, or a branch kept away from 0. */
const divide: Emit = (g, x) => {
  if (g.chance(0.6)) return binary("Div")(g, x);
  const other = g.add("Abs", [g.partner(x)], {}, x.shape);
  const safe = g.add("Add", [other, g.constant("float", [1], [g.pick([0.5, 1, 3])])], broad(g), x.shape);
  return g.add("Div", [x, safe], {}, x.shape);
};

const several =
  (op: string): Emit =>
  (g, x) => {
    const n = g.integer(1, 3);
    const stretch = g.opset >= 8;
    const rest = Array.from({ length: n - 1 }, () =>
      g.chance(0.5) ? g.partner(x) : stretch ? stretched(g, x).value : g.weights(x.shape),
    );
    return g.add(op, g.chance(0.7) ? [x, ...rest] : [...rest, x], {}, x.shape);
  };

/** x - f(x) + f(x) and the like: what cancels. */
const cancelling: Emit = (g, x) => {
  const y = g.add(g.pick(["Relu", "Tanh", "Neg", "Sigmoid"]), [x], {}, x.shape);
  const difference = g.add("Sub", g.chance(0.5) ? [x, y] : [y, x], {}, x.shape);
  return g.add(g.pick(["Add", "Sub"]), [difference, y], {}, x.shape);
};

/** Adds a number and takes it, or one near it, away again. */
const shifted: Emit = (g, x) => {
  const c = g.extreme && g.chance(0.4) ? 2 ** g.integer(20, 60) : g.number();
  const up = g.add("Add", [x, g.constant("float", [1], [c])], broad(g), x.shape);
  const bent = g.chance(0.5) ? g.add("Relu", [up], {}, x.shape) : up;
  return g.add("Sub", [bent, g.constant("float", [1], [g.chance(0.7) ? c : c * (1 + 2 ** -20)])], broad(g), x.shape);
};

/** Products of a value with a function of itself: gates, squares. */
const gate: Emit = (g, x) => {
  const inner = g.chance(0.5) ? x : g.add("Mul", [x, g.constant("float", [1], [g.number()])], broad(g), x.shape);
  const y = g.add(g.pick(["Sigmoid", "Tanh", "Relu", "HardSigmoid"]), [inner], {}, x.shape);
  return g.add("Mul", g.chance(0.5) ? [x, y] : [y, x], {}, x.shape);
};

/** A gelu written out, with constants that are right or nearly so. */
const writtenGelu: Emit = (g, x) => {
  const half = g.pick([0.5, 0.5, -0.5, 1]);
  const scale = g.pick([Math.SQRT2, Math.SQRT2, 1.4, -Math.SQRT2]);
  const one = g.pick([1, 1, 0, 2]);
  const number = (v: number) => g.constant("float", g.pick([[], [1]]), [v]);
  const inner = g.add("Erf", [g.add("Div", [x, number(scale)], broad(g), x.shape)], {}, x.shape);
  const sum = g.add("Add", [inner, number(one)], broad(g), x.shape);
  const times = g.add("Mul", g.chance(0.5) ? [x, sum] : [sum, x], {}, x.shape);
  return g.add("Mul", [times, number(half)], broad(g), x.shape);
};

const compare =
  (op: string): Emit =>
  (g, x) =>
    binary(op, "bool")(g, x);

const logic =
  (op: string): Emit =>
  (g, x) => {
    const other = g.chance(0.5) ? g.partner(x) : stretched(g, x, op).value;
    if (g.opset < 7 && other.shape.join() !== x.shape.join()) return null;
    return g.add(op, [x, other], {}, x.shape, "bool");
  };

const where: Emit = (g, x) => {
  const varies = g.chance(0.5);
  const dims = x.shape.map((d) => (g.chance(0.3) ? 1 : d));
  const condition = varies
    ? g.add(g.pick(["Greater", "Less"]), [x, g.constant("float", [1], [g.pick([0, 0.5, -1])])], {}, x.shape, "bool")
    : g.constant("bool", dims, bits(g, product(dims)));
  const other = g.chance(0.5) ? stretched(g, x).value : g.partner(x);
  return g.add("Where", g.chance(0.5) ? [condition, x, other] : [condition, other, x], {}, x.shape);
};

const bits = (g: Builder, n: number) => Array.from({ length: n }, () => g.integer(0, 1));

const float = ["float"] as const;
const numeric = ["float", "float", "int64", "int32"] as const;

export const arithmetic: Readonly<Record<string, Drawn>> = {
  Add: { kinds: numeric, emit: binary("Add") },
  Sub: { kinds: numeric, emit: binary("Sub") },
  Mul: { kinds: numeric, emit: binary("Mul") },
  Div: { kinds: float, emit: divide },
  Pow: { kinds: float, emit: power },
  Sum: { kinds: float, emit: several("Sum") },
  Mean: { kinds: float, emit: several("Mean") },
  Max: { kinds: float, emit: several("Max") },
  Min: { kinds: float, emit: several("Min") },
  "Sub cancelling": { kinds: float, emit: cancelling },
  "Add shifted": { kinds: float, emit: shifted },
  "Mul gate": { kinds: float, emit: gate },
  "Erf gelu": { kinds: float, since: 9, emit: writtenGelu },
  Equal: { since: 11, kinds: ["float", "int64", "int32"], emit: compare("Equal") },
  Less: { since: 7, kinds: float, emit: compare("Less") },
  LessOrEqual: { since: 12, kinds: float, emit: compare("LessOrEqual") },
  Greater: { since: 7, kinds: float, emit: compare("Greater") },
  GreaterOrEqual: { since: 12, kinds: float, emit: compare("GreaterOrEqual") },
  And: { kinds: ["bool"], emit: logic("And") },
  Or: { kinds: ["bool"], emit: logic("Or") },
  Xor: { kinds: ["bool"], emit: logic("Xor") },
  Not: { kinds: ["bool"], emit: (g, x) => g.add("Not", [x], {}, x.shape, "bool") },
  Where: { since: 9, kinds: float, emit: where },
};
