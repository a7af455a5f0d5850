/**
 * @file How far a runtime may be from the exact values of a graph, number by number: every node adds its own rounding to what its inputs may be off, and
 * carries both on. Values in float64 by the reference; bounds by monotonicity, by products of absolute values, or by sampling between the ends (twice what that shows).
 */
import { type Node, topological } from "../../src/graph/graph.ts";
import { isComputed, isConstant, isInput } from "../../src/graph/leaf.ts";
import { originOf } from "../../src/graph/origin.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { isFloat, toFloat64 } from "../../src/tensor/tensor.ts";

/** What a machine's floating point is. */
export interface Arithmetic {
  /** Half the distance of 1 to the next number. */
  readonly unit: number;
  /** What an elementary function may be off, relative to 1 + |f|: docs/proved.md. */
  readonly elementary: number;
  /** Numbers above may become infinite. */
  readonly largest: number;
  /** Numbers below may become 0. */
  readonly smallest: number;
}

export const float32: Arithmetic = { unit: 2 ** -24, elementary: 2 ** -20, largest: 2 ** 124, smallest: 2 ** -118 };
export const float64: Arithmetic = { unit: 2 ** -53, elementary: 2 ** -44, largest: 2 ** 1000, smallest: 2 ** -1000 };

export interface Enclosed {
  readonly value: Float64Array;
  /** Infinity where nothing is known: at a jump, a pole, an overflow. */
  readonly error: Float64Array;
  /** Is something known of every number that it was computed from? Where not, a runtime may have none. */
  readonly sound: boolean;
}

type Known = Pick<Enclosed, "value" | "error">;

/** Values and errors of the outputs at an input. */
export function enclose(
  outputs: readonly Node[],
  feeds: ReadonlyMap<Node, Float64Array>,
  machine: Arithmetic,
): Enclosed[] {
  const known = new Map<Node, Enclosed>();
  for (const node of topological(outputs)) {
    const own = step(node, known, feeds, machine);
    const sound = own.error.every((e) => e < Number.POSITIVE_INFINITY);
    known.set(node, { ...own, sound: sound && node.inputs.every((x) => known.get(x)?.sound) });
  }
  return outputs.map((node) => known.get(node) as Enclosed);
}

// --- internal ---

function step(
  node: Node,
  known: ReadonlyMap<Node, Known>,
  feeds: ReadonlyMap<Node, Float64Array>,
  machine: Arithmetic,
): Known {
  const fed = feeds.get(node);
  if (isInput(node)) {
    const value = fed ?? new Float64Array(sizeOf(node.shape));
    return { value, error: new Float64Array(value.length) };
  }
  if (isConstant(node)) {
    const value = toFloat64(node.attrs);
    // Computed when the model was read: a runtime computes it once more, with roundings of its own.
    const part = isComputed(node) ? 64 * machine.unit : 0;
    // Where numbers of about that size cancelled, one of them is small.
    const around = 0.25 * value.reduce((top, v) => (Number.isFinite(v) ? Math.max(top, Math.abs(v)) : top), 0);
    return { value, error: value.map((v) => part * Math.max(around, Math.abs(v))) };
  }
  const inputs = running(
    node,
    node.inputs.map((x) => known.get(x) as Known),
    known,
    machine,
  );
  const run = (...values: readonly Float64Array[]) => node.op.evaluate(node, [...values]);
  const value = run(...inputs.map((x) => x.value));
  const rule = rules[node.op.name] ?? sampled;
  const carried = rule.carried(node, inputs, run, value);
  const own = isFloat(node.dtype) ? rule.own(node, inputs, run, value, machine) : null;
  const interpolated = own ? interpolation(node, value, machine) : 0;
  const error = value.map((v, i) => {
    const total = carried[i] + (own ? own[i] : 0) + interpolated + (own ? machine.smallest : 0);
    return Math.abs(v) + total < machine.largest ? total : Number.POSITIVE_INFINITY;
  });
  return { value, error };
}

/**
 * What a runtime does otherwise than the graph, in a way that rounds more. ONNX Runtime keeps LRN's sum of squares from channel to channel: it adds what comes and takes off
 * what goes, and the roundings of all stay in it. A variance is the mean of squares less the square of the mean there: it may even come out negative.
 */
function running(
  node: Node,
  inputs: readonly Known[],
  known: ReadonlyMap<Node, Known>,
  { unit }: Arithmetic,
): readonly Known[] {
  const operator = originOf(node)?.operator;
  const [{ value, error }, ...rest] = inputs;
  const more = (left: number) => [{ value, error: error.map((e) => e + left) }, ...rest];
  if (node.op.name === "Pow" && operator === "LRN") {
    return more(16 * unit * value.reduce((sum, v) => sum + Math.abs(v), 0));
  }
  if (node.op.name === "Sqrt" && operator?.endsWith("Normalization")) {
    const centred = topological([node]).findLast((n) => n.op.name === "Sub");
    const x = centred && known.get(centred.inputs[0]);
    return x ? more(16 * unit * x.value.reduce((most, v) => Math.max(most, v * v), 0)) : inputs;
  }
  return inputs;
}

/** Where a resize copies, ONNX Runtime may sum shares of the same number. */
const interpolation = (node: Node, value: Float64Array, { unit }: Arithmetic): number =>
  ["Resize", "Upsample"].includes(originOf(node)?.operator ?? "")
    ? 16 * unit * value.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
    : 0;

type Run = (...values: readonly Float64Array[]) => Float64Array;

interface Rule {
  /** What the errors of the inputs become. */
  carried(node: Node, inputs: readonly Known[], run: Run, value: Float64Array): Float64Array;
  /** What the node's own rounding adds. */
  own(node: Node, inputs: readonly Known[], run: Run, value: Float64Array, machine: Arithmetic): Float64Array;
}

const plus = ({ value, error }: Known, sign: number) => value.map((v, i) => v + sign * error[i]);
const size = ({ value, error }: Known) => value.map((v, i) => Math.abs(v) + error[i]);
const zeros: Rule["own"] = (_, __, ___, value) => new Float64Array(value.length);
const relative =
  (units: number): Rule["own"] =>
  (_, __, ___, value, { unit }) =>
    value.map((v) => units * unit * Math.abs(v));
const elementary: Rule["own"] = (_, __, ___, value, machine) =>
  value.map((v) => machine.elementary * (1 + Math.abs(v)));

/** Numbers that one result reads at most. */
const reads = (node: Node) => node.inputs.reduce((n, x) => Math.max(n, sizeOf(x.shape)), 0) + 8;

/** Monotone in every input: the ends say all. */
const monotone = (own: Rule["own"]): Rule => ({
  carried(_, inputs, run, value) {
    const [low, high] = [run(...inputs.map((x) => plus(x, -1))), run(...inputs.map((x) => plus(x, 1)))];
    return value.map((v, i) => orInfinity(Math.max(Math.abs(high[i] - v), Math.abs(v - low[i]))));
  },
  own,
});

/** A move of numbers; those that say where to are exact, or nothing is known. */
const moved = (values: number): Rule => ({
  carried(_, inputs, run, value) {
    const lost = inputs.slice(values).some((x) => x.error.some((e) => e > 0));
    if (lost) return value.map(() => Number.POSITIVE_INFINITY);
    return run(...inputs.map((x, i) => (i < values ? x.error : x.value))).map((v) => orInfinity(Math.abs(v)));
  },
  own: zeros,
});

/** Sums of products of a number of each input. */
const bilinear: Rule = {
  carried(_, inputs, run) {
    const [a, b] = inputs;
    const [first, second] = [run(a.error, size(b)), run(a.value.map(Math.abs), b.error)];
    return first.map((v, i) => orInfinity(v + second[i]));
  },
  own(node, inputs, run, _, { unit }) {
    const most = run(...inputs.map(size));
    const n = node.op.name === "Mul" ? 4 : reads(node);
    return most.map((v) => orInfinity(n * unit * v));
  },
};

/** Sums and means. */
const summed: Rule = {
  carried: (_, [x], run) => run(x.error).map(orInfinity),
  own: (node, [x], run, _, { unit }) => run(size(x)).map((v) => orInfinity(reads(node) * unit * v)),
};

/** Sums of two. */
const linear: Rule = {
  carried: (_, [a, b], __, value) => value.map((___, i) => orInfinity(a.error[i] + b.error[i])),
  own: (_, [a, b], __, value, { unit }) => value.map((___, i) => 4 * unit * (size1(a, i) + size1(b, i))),
};

const size1 = ({ value, error }: Known, i: number) => Math.abs(value[i]) + error[i];

const quotient: Rule = {
  carried: (_, [a, b], __, value) =>
    value.map((v, i) => {
      const least = Math.abs(b.value[i]) - b.error[i];
      if (a.error[i] === 0 && b.error[i] === 0) return orInfinity(0 * v);
      return least > 0 ? orInfinity((a.error[i] + Math.abs(v) * b.error[i]) / least) : Number.POSITIVE_INFINITY;
    }),
  own: relative(4),
};

const power: Rule = {
  carried: (_, [a, b], __, value) =>
    value.map((v, i) => {
      const ends = [-1, -0.5, 0, 0.5, 1].flatMap((s) =>
        [-1, 0, 1].map((t) => (a.value[i] + s * a.error[i]) ** (b.value[i] + t * b.error[i])),
      );
      const spans = a.value[i] - a.error[i] <= 0 && a.value[i] + a.error[i] >= 0 && a.error[i] > 0;
      if (spans && !(b.value[i] >= 0)) return Number.POSITIVE_INFINITY;
      return orInfinity(2 * ends.reduce((most, e) => Math.max(most, Math.abs(e - v)), 0));
    }),
  own: (_, [a, b], __, value, { unit }) =>
    value.map((v, i) => {
      const log = Math.abs(b.value[i] * Math.log(Math.abs(a.value[i]) || 1));
      return 16 * unit * Math.abs(v) * (1 + log);
    }),
};

/** A comparison, or what is made of ones: 0 or 1, and unknown where what it reads may be on either side. */
const compared: Rule = {
  carried: (_, inputs, __, value) =>
    value.map((___, i) => {
      const off = inputs.reduce((sum, x) => sum + x.error[i], 0);
      if (off === 0) return 0;
      const gap = inputs.length === 2 ? Math.abs(inputs[0].value[i] - inputs[1].value[i]) : 0;
      return gap > off ? 0 : 1;
    }),
  own: zeros,
};

const choice: Rule = {
  carried: (_, [c, a, b], __, value) =>
    value.map((___, i) => {
      if (c.error[i] === 0) return c.value[i] !== 0 ? a.error[i] : b.error[i];
      return orInfinity(Math.abs(a.value[i] - b.value[i]) + a.error[i] + b.error[i]);
    }),
  own: zeros,
};

const cast: Rule = {
  carried: (node, [x], run, value) => {
    if (isFloat(node.dtype)) return x.error;
    if (node.dtype === "bool")
      return value.map((_, i) => (x.error[i] > 0 && Math.abs(x.value[i]) <= x.error[i] ? 1 : 0));
    const [low, high] = [run(plus(x, -1)), run(plus(x, 1))];
    // What is outside of the type is anybody's guess.
    const limit = node.dtype === "int32" ? 2 ** 31 : 2 ** 63;
    return value.map((v, i) =>
      Math.abs(v) < limit ? orInfinity(Math.max(high[i] - v, v - low[i])) : Number.POSITIVE_INFINITY,
    );
  },
  own: (node, inputs, run, value, machine) =>
    (isFloat(node.inputs[0].dtype) ? zeros : relative(2))(node, inputs, run, value, machine),
};

/** Softmax and its like: what all logits may be off together. */
const soft = (out: (v: number, off: number) => number, own: Rule["own"]): Rule => ({
  carried(_, [x], __, value) {
    const off = x.error.reduce((most, e) => Math.max(most, e), 0);
    return value.map((v) => orInfinity(out(v, off)));
  },
  own,
});

/** Logits are subtracted from the largest first, which rounds by their size. */
const logits =
  (scale: (v: number) => number): Rule["own"] =>
  (_, [x], __, value, machine) => {
    const top = size(x).reduce((most, v) => Math.max(most, v), 0);
    return value.map((v) => scale(v) * (machine.elementary + 8 * machine.unit * top));
  };

/** Two numbers that are so near that either may be the largest leave the place unknown. */
const places: Rule = {
  carried(node, [x], __, value) {
    const { shape } = node.inputs[0];
    const { axis } = node.attrs as { readonly axis: number };
    const inner = sizeOf(shape.slice(axis + 1));
    return value.map((_, lane) => {
      const from = Math.floor(lane / inner) * shape[axis] * inner + (lane % inner);
      const at = Array.from({ length: shape[axis] }, (__, k) => from + k * inner);
      const least = at
        .map((i) => x.value[i] - x.error[i])
        .reduce((top, v) => Math.max(top, v), Number.NEGATIVE_INFINITY);
      // Of a number that may be anything nothing follows.
      if (at.length > 1 && at.some((i) => !(x.error[i] < Number.POSITIVE_INFINITY))) return Number.POSITIVE_INFINITY;
      const near = at.filter((i) => x.value[i] + x.error[i] >= least);
      return near.length === 1 || near.every((i) => x.error[i] === 0) ? 0 : Number.POSITIVE_INFINITY;
    });
  },
  own: zeros,
};

const inverse: Rule = {
  carried(node, [x], __, value) {
    const n = node.shape[node.shape.length - 1];
    const most = value.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    const off = x.error.reduce((m, v) => Math.max(m, v), 0);
    const total = 2 * n * n * most * most * off;
    return value.map(() => (total < most / 4 ? total : Number.POSITIVE_INFINITY));
  },
  own(node, [x], __, value, { unit }) {
    const n = node.shape[node.shape.length - 1];
    const [most, top] = [value, x.value].map((list) => list.reduce((m, v) => Math.max(m, Math.abs(v)), 0));
    return value.map(() => 16 * n ** 3 * unit * most * (1 + most * top));
  },
};

/** A function of one number that is not monotone, or anything else: twice what is seen between the ends. */
const sampled: Rule = {
  carried(_, inputs, run, value) {
    const out = new Float64Array(value.length);
    for (let t = -4; t <= 4; t++) {
      if (t === 0) continue;
      const there = run(...inputs.map((x) => plus(x, t / 4)));
      for (let i = 0; i < out.length; i++) out[i] = Math.max(out[i], orInfinity(2 * Math.abs(there[i] - value[i])));
    }
    return out;
  },
  own: elementary,
};

const exact = monotone(zeros);
const copied = moved(1);

const rules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(
    ["Reshape", "Transpose", "Slice", "ScatterSlice", "Expand", "Neg", "StopGradient", "Gather"].map((n) => [
      n,
      copied,
    ]),
  ),
  Concat: moved(Number.POSITIVE_INFINITY),
  ...Object.fromEntries(
    ["Relu", "Max", "Min", "Clip", "ReduceMax", "ReduceMin", "MaxPool", "Floor", "Sign"].map((n) => [n, exact]),
  ),
  ...Object.fromEntries(["Sigmoid", "Tanh", "Erf", "Softplus"].map((n) => [n, monotone(elementary)])),
  // Between the ends they may turn many times.
  ...Object.fromEntries(
    ["Sin", "Cos"].map((n) => [
      n,
      { carried: (_, [x]) => x.error.map((e) => Math.min(2, e)), own: elementary } satisfies Rule,
    ]),
  ),
  Exp: monotone(relative(16)),
  Log: monotone(elementary),
  Sqrt: monotone(relative(2)),
  LeakyRelu: { ...sampled, own: relative(2) },
  // alpha (e^x - 1), as the runtime computes it: the difference cancels near 0.
  Elu: {
    ...sampled,
    own: (node, _, __, value, { elementary: e }) => {
      const { alpha } = node.attrs as { readonly alpha: number };
      return value.map((v) => e * (1 + Math.abs(alpha) + Math.abs(v)));
    },
  },
  Abs: { ...sampled, own: zeros },
  HardSigmoid: {
    ...sampled,
    own: (_, [x], __, value, { unit }) => value.map((___, i) => 4 * unit * (1 + size1(x, i) * 4)),
  },
  Reciprocal: {
    carried: (_, [x], __, value) =>
      value.map((v, i) =>
        Math.abs(x.value[i]) > x.error[i]
          ? (Math.abs(v) * x.error[i]) / (Math.abs(x.value[i]) - x.error[i])
          : Number.POSITIVE_INFINITY,
      ),
    own: relative(4),
  },
  Sub: linear,
  Add: linear,
  Mul: bilinear,
  MatMul: bilinear,
  Conv: bilinear,
  ConvTranspose: bilinear,
  ReduceSum: summed,
  ReduceMean: summed,
  AveragePool: summed,
  Div: quotient,
  Pow: power,
  Where: choice,
  Cast: cast,
  ...Object.fromEntries(
    ["Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Not"].map((n) => [n, compared]),
  ),
  Softmax: soft(
    (v, off) => v * Math.expm1(2 * off),
    logits((v) => v),
  ),
  LogSoftmax: soft(
    (_, off) => 2 * off,
    logits((v) => 1 + Math.abs(v)),
  ),
  ReduceLogSumExp: soft(
    (_, off) => off,
    logits((v) => 1 + Math.abs(v)),
  ),
  ArgMax: places,
  Inverse: inverse,
};

const orInfinity = (v: number): number => (Number.isFinite(v) ? v : Number.POSITIVE_INFINITY);
