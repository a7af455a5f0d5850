/** @file Operators of sequences as they are drawn: recurrent layers with every attribute, attention with masks, heads and a past, rotary positions; and what came with opset 23. */
import type { Value as Attribute } from "../../model.ts";
import type { Builder, Drawn, Emit, Value } from "../builder.ts";
import { product } from "../builder.ts";

const mod: Emit = (g, x) => {
  const n = g.pick([1, 1, x.shape.at(-1) ?? 1]);
  if (x.kind === "float") {
    const divisor = g.constant(
      "float",
      [n],
      Array.from({ length: n }, () => g.pick([1, 2, -3, 0.5, 100, 1000])),
    );
    return g.add("Mod", [x, divisor], { fmod: 1 }, x.shape);
  }
  const divisor = g.constant(
    x.kind,
    [n],
    Array.from({ length: n }, () => g.pick([1, 2, 3, -3, 7])),
  );
  return g.add("Mod", [x, divisor], { fmod: g.pick([0, 1, undefined]) }, x.shape, x.kind);
};

const rms: Emit = (g, x) => {
  const rank = x.shape.length;
  const axis = g.integer(1, rank - 1);
  const attributes = {
    ...(axis !== rank - 1 || g.chance(0.5) ? { axis: g.axis(axis, rank) } : {}),
    ...(g.chance(0.5) ? { epsilon: { float: g.pick([1e-5, 0.1, 1]) } } : {}),
  };
  return g.add("RMSNormalization", [x, g.weights(x.shape.slice(axis))], attributes, x.shape);
};

const swish: Emit = (g, x) =>
  g.add("Swish", [x], g.chance(0.3) ? {} : { alpha: { float: g.pick([1, 0.5, 1.702, -1, 3]) } }, x.shape);

/** x as [batch, length, width] or [batch, heads, length, size], whatever it is. */
function shaped(g: Builder, x: Value, shape: readonly number[]): Value {
  const flat = g.add("Reshape", [x, g.ints([x.shape[0], product(x.shape.slice(1))])], {}, [
    x.shape[0],
    product(x.shape.slice(1)),
  ]);
  const width = product(shape.slice(1));
  const wide = g.add("MatMul", [flat, g.weights([flat.shape[1], width])], {}, [x.shape[0], width]);
  return g.add("Reshape", [wide, g.ints([...shape])], {}, shape);
}

const rotary: Emit = (g, x) => {
  if (g.free) return null;
  const [batch, length, heads] = [x.shape[0], g.integer(1, 3), g.integer(1, 2)];
  const [half, rest] = [g.integer(1, 2), g.pick([0, 0, 1])];
  const size = 2 * half + rest;
  const three = g.chance(0.5);
  const v = shaped(g, x, three ? [batch, length, heads * size] : [batch, heads, length, size]);
  const places = g.chance(0.5);
  const positions = places
    ? g.constant(
        "int64",
        [batch, length],
        Array.from({ length: batch * length }, () => g.integer(0, 3)),
      )
    : null;
  const table = places ? [4, half] : [batch, length, half];
  const attributes = {
    ...(three || g.chance(0.3) ? { num_heads: heads } : {}),
    ...(rest > 0 ? { rotary_embedding_dim: 2 * half } : {}),
    ...(g.chance(0.5) ? { interleaved: g.integer(0, 1) } : {}),
  };
  return g.add("RotaryEmbedding", [v, g.weights(table), g.weights(table), positions], attributes, v.shape);
};

const attention: Emit = (g, x) => {
  if (g.free) return null;
  const batch = x.shape[0];
  const fewer = g.integer(1, 2);
  const heads = fewer * g.pick([1, 1, 2]);
  const [size, wide] = [g.integer(1, 3), g.integer(1, 3)];
  const length = g.integer(1, 3);
  const causal = g.chance(0.3);
  const keys = causal ? length : g.integer(1, 3);
  const three = g.chance(0.5);
  const part = (n: number, rows: number, width: number) =>
    shaped(g, g.chance(0.8) ? x : g.partner(x), three ? [batch, rows, n * width] : [batch, n, rows, width]);
  const [q, k, v] = [part(heads, length, size), part(fewer, keys, size), part(fewer, keys, wide)];
  const past = !causal && g.chance(0.2) ? g.integer(1, 2) : 0;
  const all = keys + past;
  const kept = (width: number) => (past > 0 ? g.weights([batch, fewer, past, width]) : null);
  const bits = () => Array.from({ length: length * all }, (_, i) => (i % all === 0 ? 1 : g.integer(0, 1)));
  const mask =
    causal || g.chance(0.6)
      ? null
      : g.chance(0.5)
        ? g.constant("bool", [length, all], bits())
        : g.weights([length, all]);
  const attributes = {
    ...(three ? { q_num_heads: heads, kv_num_heads: fewer } : {}),
    ...(causal ? { is_causal: 1 } : {}),
    ...(g.chance(0.4) ? { scale: { float: g.pick([1, 0.25, 2]) } } : {}),
    ...(g.chance(0.2) ? { softcap: { float: g.pick([1, 5]) } } : {}),
  };
  const shape = three ? [batch, length, heads * wide] : [batch, heads, length, wide];
  const inputs = [q, k, v, mask, kept(size), kept(wide)];
  if (past === 0) return g.add("Attention", inputs, attributes, shape);
  const [y] = g.addMany("Attention", inputs, attributes, [shape, [batch, fewer, all, size], [batch, fewer, all, wide]]);
  return y;
};

const tensorScatter: Emit = (g, x) => {
  if (g.free) return null;
  const rank = x.shape.length;
  const axis = g.integer(1, rank - 1);
  const size = x.shape[axis] + g.integer(0, 2);
  const circular = g.chance(0.4);
  const start = () => g.integer(0, circular ? size - 1 : size - x.shape[axis]);
  const shape = x.shape.map((d, i) => (i === axis ? size : d));
  const starts = g.chance(0.7) ? g.constant("int64", [x.shape[0]], Array.from({ length: x.shape[0] }, start)) : null;
  const attributes = { axis: g.chance(0.5) ? axis : axis - rank, ...(circular ? { mode: "circular" } : {}) };
  return g.add("TensorScatter", [g.weights(shape), x, starts], attributes, shape);
};

interface Cell {
  readonly op: string;
  readonly gates: number;
  readonly functions: number;
}

const names = ["Relu", "Tanh", "Sigmoid", "LeakyRelu", "HardSigmoid", "Elu", "Softsign"];

/** Every direction, with and without shifts, lengths, first states, a clip, peepholes and activations by name; any of the outputs. */
const recurrent =
  ({ op, gates, functions }: Cell): Emit =>
  (g, x) => {
    if (g.free) return null;
    const [length, batch, width] = x.shape;
    const hidden = g.integer(1, 3);
    const direction = g.pick(["forward", "reverse", "bidirectional", undefined]);
    const ways = direction === "bidirectional" ? 2 : 1;
    const maybe = (p: number, make: () => Value) => (g.chance(p) ? make() : null);
    const lengths = maybe(0.3, () =>
      g.constant(
        "int32",
        [batch],
        Array.from({ length: batch }, () => g.integer(1, length)),
      ),
    );
    const state = () => g.weights([ways, batch, hidden]);
    const lstm = op === "LSTM";
    const inputs = [
      x,
      g.weights([ways, gates * hidden, width]),
      g.weights([ways, gates * hidden, hidden]),
      maybe(0.7, () => g.weights([ways, 2 * gates * hidden])),
      lengths,
      maybe(0.4, state),
      ...(lstm ? [maybe(0.4, state), maybe(0.2, () => g.weights([ways, 3 * hidden]))] : []),
    ];
    const own: Record<string, Attribute | undefined> = { hidden_size: hidden, direction };
    if (g.chance(0.2)) own.clip = { float: g.pick([0.5, 2]) };
    if (op === "GRU") own.linear_before_reset = g.pick([0, 1, undefined]);
    if (lstm && g.chance(0.15)) own.input_forget = 1;
    if (g.chance(0.3)) {
      own.activations = { strings: Array.from({ length: functions * ways }, () => g.pick(names)) };
    }
    const shapes = [[length, ways, batch, hidden], [ways, batch, hidden], ...(lstm ? [[ways, batch, hidden]] : [])];
    return g.pick(g.addMany(op, inputs, own, shapes));
  };

/** Some of a sort along any axis but the batch. */
const topK: Emit = (g, x) => {
  const rank = x.shape.length;
  const axis = g.free ? g.integer(1, rank - 1) : g.integer(0, rank - 1);
  const n = x.shape[axis];
  const k = g.chance(0.6) ? n : g.integer(1, n);
  const shape = x.shape.map((d, i) => (i === axis ? k : d));
  const named = axis === rank - 1 && g.chance(0.3) ? undefined : g.axis(axis, rank);
  const largest = g.opset >= 11 ? g.pick([0, 1, undefined]) : undefined;
  const [inputs, more] = g.opset < 10 ? [[x], { k }] : [[x, g.ints([k])], {}];
  return g.addMany("TopK", inputs, { axis: named, largest, ...more }, [shape, shape], { kinds: ["float", "int64"] })[0];
};

/** A softmax of what is left by a mask of infinite numbers. */
const masked: Emit = (g, x) => {
  const n = x.shape[x.shape.length - 1];
  const kept = g.integer(0, n - 1);
  const bits = Array.from({ length: n }, (_, i) => (i === kept ? 1 : g.integer(0, 1)));
  const none = g.constant("float", g.pick([[], [1]]), [Number.NEGATIVE_INFINITY]);
  const left = g.add("Where", [g.constant("bool", [n], bits), x, none], {}, x.shape);
  return g.add("Softmax", [left], { axis: x.shape.length - 1 }, x.shape);
};

/** A limit that is none for some numbers. */
const limited: Emit = (g, x) => {
  const op = g.pick(["Max", "Min"]);
  const none = op === "Max" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const values = Array.from({ length: x.shape[x.shape.length - 1] }, () => (g.chance(0.5) ? none : g.number()));
  return g.add(op, [x, g.constant("float", [values.length], values)], {}, x.shape);
};

const float = ["float"] as const;

export const sequence: Readonly<Record<string, Drawn>> = {
  Mod: { since: 10, kinds: ["float", "int64", "int32"], emit: mod },
  RMSNormalization: { since: 23, ranks: [2, 5], kinds: float, emit: rms },
  Swish: { since: 24, kinds: float, emit: swish },
  RotaryEmbedding: { since: 23, ranks: [2, 4], kinds: float, emit: rotary },
  Attention: { since: 23, ranks: [2, 4], kinds: float, emit: attention },
  TopK: { since: 7, ranks: [2, 4], kinds: float, emit: topK },
  "Where mask": { since: 13, ranks: [1, 4], kinds: float, emit: masked },
  "Max infinite": { since: 13, ranks: [1, 4], kinds: float, emit: limited },
  TensorScatter: { since: 24, ranks: [2, 5], kinds: float, emit: tensorScatter },
  RNN: { since: 7, ranks: [3, 3], kinds: float, emit: recurrent({ op: "RNN", gates: 1, functions: 1 }) },
  GRU: { since: 7, ranks: [3, 3], kinds: float, emit: recurrent({ op: "GRU", gates: 3, functions: 2 }) },
  LSTM: { since: 7, ranks: [3, 3], kinds: float, emit: recurrent({ op: "LSTM", gates: 4, functions: 3 }) },
};
