/** @file Constants that a model computes, as they are drawn: all forms of Constant, ranges, shapes, integers near the ends of their types. What comes out is put to a value by a sum or a product. */
import type { Builder, Drawn, Emit, Value } from "../builder.ts";

/** Put a scalar or vector of one number to x. */
function joined(g: Builder, x: Value, c: Value): Value {
  if (g.opset < 7) return g.add(g.pick(["Add", "Mul"]), [x, c], { broadcast: 1 }, x.shape);
  return g.add(g.pick(["Add", "Mul", "Sub"]), [x, c], {}, x.shape);
}

const float = (g: Builder, c: Value): Value => g.add("Cast", [c], { to: 1 }, c.shape);

const constant: Emit = (g, x) => {
  if (g.opset < 12) return joined(g, x, g.add("Constant", [], oneNumber(g), [1]));
  const form = g.integer(0, 3);
  if (form === 0) return joined(g, x, g.add("Constant", [], { value_float: { float: g.number() } }, []));
  if (form === 1) return joined(g, x, g.add("Constant", [], { value_floats: { floats: [g.number()] } }, [1]));
  if (form === 2) return joined(g, x, float(g, g.add("Constant", [], { value_int: g.integer(-9, 9) }, [], "int64")));
  return joined(g, x, float(g, g.add("Constant", [], { value_ints: [g.integer(-9, 9)] }, [1], "int64")));
};

const oneNumber = (g: Builder) => ({
  value: { dtype: "float32" as const, shape: [1], data: Float32Array.of(g.number()) },
});

const constantOfShape: Emit = (g, x) => {
  const rank = x.shape.length;
  const shape = g.chance(0.5)
    ? g.add("Shape", [x], {}, [rank], "int64")
    : g.ints(x.shape.map((d) => (g.chance(0.3) ? 1 : d)));
  return joined(g, x, g.add("ConstantOfShape", [shape], g.chance(0.7) ? oneNumber(g) : {}, x.shape));
};

const range: Emit = (g, x) => {
  const n = x.shape[x.shape.length - 1];
  const whole = g.chance(0.5);
  const [from, step] = whole
    ? [g.integer(-3, 3), g.pick([1, 2, -1])]
    : [g.pick([0, 0.5, -1]), g.pick([0.5, 1, -0.25, 0.1])];
  const to = whole ? from + n * step : from + (n - 0.5) * step;
  const kind = whole ? "int64" : "float";
  const made = g.add(
    "Range",
    [from, to, step].map((v) => g.constant(kind, [], [v])),
    {},
    [n],
    kind,
  );
  return joined(g, x, whole ? float(g, made) : made);
};

const shape: Emit = (g, x) => {
  const rank = x.shape.length;
  const part =
    g.opset >= 15 && g.chance(0.6) ? { start: g.integer(-rank, rank - 1), end: g.pick([undefined, rank, -1]) } : {};
  const all = g.add("Shape", [x], part, [rank], "int64");
  const one = g.add("ReduceSum", [float(g, all)], { keepdims: 0 }, []);
  return joined(g, x, one);
};

const size: Emit = (g, x) => joined(g, x, float(g, g.add("Size", [x], {}, [], "int64")));

/** Sums and products of integers where doubles, or 32 bits, are not enough. */
const integers: Emit = (g, x) => {
  const long = g.chance(0.6);
  const kind = long ? "int64" : "int32";
  const op = g.pick(["Add", "Sub", "Mul"]);
  const [a, b] = long
    ? op === "Mul"
      ? [BigInt(g.integer(1, 9)) * 1000000007n, BigInt(g.integer(1, 999)) * 1000003n]
      : [
          2n ** BigInt(g.integer(40, 61)) + BigInt(g.integer(0, 3)),
          2n ** BigInt(g.integer(40, 61)) - BigInt(g.integer(0, 3)),
        ]
    : op === "Mul"
      ? [BigInt(g.integer(1, 40000)), BigInt(g.integer(1, 40000))]
      : [BigInt(2 ** 30 + g.integer(0, 2 ** 29)), BigInt(g.integer(0, 2 ** 29))];
  const made = g.add(op, [g.constant(kind, [1], [a]), g.constant(kind, [1], [b])], {}, [1], kind);
  // Brought back to what weights are like, so that a wrong digit shows.
  const rest = g.chance(0.7)
    ? g.add(
        "Sub",
        [made, g.constant(kind, [1], [op === "Mul" ? a * b - 3n : op === "Add" ? a + b - 2n : a - b - 1n])],
        {},
        [1],
        kind,
      )
    : made;
  return joined(g, x, float(g, rest));
};

/** A constant that passes through a smaller type. */
const rounded: Emit = (g, x) => {
  const to = g.pick(g.opset >= 13 ? [10, 16, 11, 6, 7, 9] : [10, 11, 6, 7, 9]);
  const c = g.constant("float", [1], [g.number() * g.pick([1, 100, 1.0001])]);
  const there = g.add("Cast", [c], { to }, [1], to === 6 ? "int32" : to === 7 ? "int64" : to === 9 ? "bool" : "float");
  return joined(g, x, float(g, there));
};

/** Weights that are computed: from others, or of a transposed or sliced tensor. */
const weights: Emit = (g, x) => {
  const n = x.shape[x.shape.length - 1];
  const w = g.weights([n, 2]);
  const bent = g.add(g.pick(["Tanh", "Neg", "Abs", "Relu", "Exp"]), [w], {}, [n, 2]);
  const turned = g.chance(0.5) ? g.add("Transpose", [g.add("Transpose", [bent], {}, [2, n])], {}, [n, 2]) : bent;
  return g.add("MatMul", [x, turned], {}, [...x.shape.slice(0, -1), 2]);
};

/** Weights that are stored as half floats: 1, 2, 3, -1.5, 1/3 and the least number above 0. */
const halves: Emit = (g, x) => {
  const n = x.shape[x.shape.length - 1];
  const bits = Uint16Array.from({ length: 2 * n }, () => g.pick([0x3c00, 0x4000, 0x4200, 0xbe00, 0x3555, 0x0001]));
  const w = g.raw(10, [n, 2], new Uint8Array(bits.buffer));
  return g.add("MatMul", [x, float(g, w)], {}, [...x.shape.slice(0, -1), 2]);
};

/**
 * Weights of 8 bits with a scale and a zero, for all or by column. Reshaped first: a product that reads them as they are ONNX Runtime's optimiser makes one of whole numbers, with an
 * input that is rounded to 8 bits too, which no graph says.
 */
const quantised: Emit = (g, x) => {
  const n = x.shape[x.shape.length - 1];
  const type = g.pick([2, 3]);
  const bytes = (length: number) => Uint8Array.from({ length }, () => g.integer(0, 255));
  const columns = g.opset >= 13 && g.chance(0.5);
  const scale = columns
    ? g.constant("float", [2], [0.01, g.pick([0.5, 0.003])])
    : g.constant("float", [], [g.pick([0.02, 1])]);
  const zero = g.chance(0.6) ? g.raw(type, columns ? [2] : [], bytes(columns ? 2 : 1)) : null;
  const inputs = [g.raw(type, [n, 2], bytes(2 * n)), scale, zero];
  const wide = g.add("DequantizeLinear", inputs, columns ? { axis: g.pick([1, -1]) } : {}, [n, 2]);
  const w = g.add("Reshape", [wide, g.ints([n, 2])], {}, [n, 2]);
  return g.add("MatMul", [x, w], {}, [...x.shape.slice(0, -1), 2]);
};

const kinds = ["float"] as const;

export const constants: Readonly<Record<string, Drawn>> = {
  Constant: { kinds, emit: constant },
  ConstantOfShape: { kinds, since: 9, emit: constantOfShape },
  Range: { kinds, since: 11, ranks: [1, 5], emit: range },
  Shape: { kinds, ranks: [1, 5], emit: shape },
  Size: { kinds, emit: size },
  "Add integers": { kinds, since: 7, emit: integers },
  "Cast constant": { kinds, emit: rounded },
  "MatMul half": { kinds, ranks: [2, 5], emit: halves },
  DequantizeLinear: { kinds, since: 10, ranks: [2, 5], emit: quantised },
  "MatMul computed": { kinds, ranks: [2, 5], emit: weights },
};
