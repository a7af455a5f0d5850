/** @file Pools, normalisations, softmax and reductions, as they are drawn: ceil modes, dilated windows, axes of every kind, the batch's too. */
import type { Builder, Drawn, Emit, Value } from "../builder.ts";
import { window } from "./linear.ts";

const pool =
  (op: string): Emit =>
  (g, x) => {
    const [n, channels, ...space] = x.shape;
    const kernel = space.map((d) => g.integer(1, Math.min(3, d)));
    const max = op === "MaxPool";
    const ceil = g.opset >= 10 && g.chance(0.3);
    const dilations = g.opset >= (max ? 10 : 19) && g.chance(0.5);
    const w = window(g, space, kernel, { dilations, ceil, same: true });
    if (!w) return null;
    const count = !max && g.opset >= 7 && g.chance(0.4) ? { count_include_pad: 1 } : {};
    return g.add(op, [x], { kernel_shape: kernel, ...w.attributes, ...count }, [n, channels, ...w.space]);
  };

const global =
  (op: string): Emit =>
  (g, x) =>
    g.add(op, [x], {}, [x.shape[0], x.shape[1], ...x.shape.slice(2).map(() => 1)]);

const lpPool: Emit = (g, x) => {
  const [n, channels, ...space] = x.shape;
  const kernel = space.map((d) => g.integer(1, Math.min(3, d)));
  const w = window(g, space, kernel, { dilations: g.opset >= 18 && g.chance(0.3), ceil: false, same: false });
  if (!w) return null;
  return g.add("LpPool", [x], { kernel_shape: kernel, ...w.attributes, p: g.pick([1, 2, 2, undefined]) }, [
    n,
    channels,
    ...w.space,
  ]);
};

const globalLpPool: Emit = (g, x) =>
  g.add("GlobalLpPool", [x], { p: g.pick([1, 2, undefined]) }, [
    x.shape[0],
    x.shape[1],
    ...x.shape.slice(2).map(() => 1),
  ]);

const epsilon = (g: Builder) => (g.chance(0.5) ? { epsilon: { float: g.pick([1e-5, 0.1, 1]) } } : {});

const batchNorm: Emit = (g, x) => {
  const channels = x.shape[1];
  const variance = g.constant(
    "float",
    [channels],
    Array.from({ length: channels }, () => g.pick([1, 0.01, 2.5, 0, 9])),
  );
  const rest = [g.weights([channels]), g.weights([channels]), g.weights([channels]), variance];
  const old = g.opset < 7 ? { is_test: 1 } : {};
  return g.add("BatchNormalization", [x, ...rest], { ...epsilon(g), ...old }, x.shape);
};

const instanceNorm: Emit = (g, x) =>
  g.add("InstanceNormalization", [x, g.weights([x.shape[1]]), g.weights([x.shape[1]])], epsilon(g), x.shape);

const layerNorm: Emit = (g, x) => {
  const rank = x.shape.length;
  const axis = g.integer(g.free ? 1 : 0, rank - 1);
  const inner = x.shape.slice(axis);
  const shift = g.chance(0.5) ? g.weights(inner) : null;
  const attributes = { ...epsilon(g), axis: g.chance(0.5) ? axis : axis - rank };
  return g.add("LayerNormalization", [x, g.weights(inner), shift], attributes, x.shape);
};

const groupNorm: Emit = (g, x) => {
  const channels = x.shape[1];
  const groups = channels % 2 === 0 && g.chance(0.6) ? 2 : g.pick([1, channels]);
  const each = g.opset >= 21 ? channels : groups;
  const attributes = { num_groups: groups, ...epsilon(g) };
  return g.add("GroupNormalization", [x, g.weights([each]), g.weights([each])], attributes, x.shape);
};

const meanVariance: Emit = (g, x) => {
  const axes = g.opset >= 9 && (x.shape.length !== 4 || g.chance(0.5)) ? some(g, x.shape.length) : undefined;
  if (axes === undefined && x.shape.length !== 4) return null;
  return g.add("MeanVarianceNormalization", [x], { axes }, x.shape);
};

const lpNorm: Emit = (g, x) => {
  const attributes = {
    axis: g.chance(0.7) ? g.axis(g.integer(0, x.shape.length - 1), x.shape.length, 6) : undefined,
    p: g.pick([1, 2, undefined]),
  };
  return g.add("LpNormalization", [x], attributes, x.shape);
};

const lrn: Emit = (g, x) =>
  g.add(
    "LRN",
    [x],
    {
      size: g.pick([1, 3, 5]),
      alpha: { float: g.pick([1e-4, 0.5, 1]) },
      bias: { float: g.pick([1, 2]) },
      beta: { float: g.pick([0.75, 0.5, 1]) },
    },
    x.shape,
  );

const softmax =
  (op: string): Emit =>
  (g, x) => {
    const axis = g.chance(0.7) ? g.axis(g.integer(0, x.shape.length - 1), x.shape.length) : undefined;
    return g.add(op, [x], { axis }, x.shape);
  };

/** At least one axis of `rank`, in any order. */
function some(g: Builder, rank: number): number[] {
  const order = [...g.r.permutation(rank)];
  return order.slice(0, g.integer(1, rank));
}

const reduce =
  (op: string, since = 18): Emit =>
  (g, x) => {
    const rank = x.shape.length;
    const all = g.chance(0.15);
    const chosen = all ? [] : some(g, rank);
    const keep = g.chance(0.6);
    const written = chosen.map((a) => g.axis(a, rank));
    const noop = all && g.opset >= since && g.chance(0.3);
    const reduced = all && !noop ? x.shape.map((_, i) => i) : chosen;
    const shape = x.shape.flatMap((d, i) => (reduced.includes(i) ? (keep ? [1] : []) : [d]));
    const base = {
      ...(keep && g.chance(0.5) ? {} : { keepdims: keep ? 1 : 0 }),
      ...(noop ? { noop_with_empty_axes: 1 } : {}),
    };
    const inner = guarded(g, x, op);
    if (g.opset >= since) {
      const axes = all ? (g.chance(0.5) ? null : g.ints([])) : g.ints(written);
      return g.add(op, [inner, axes], base, shape);
    }
    return g.add(op, [inner], { ...base, ...(all ? {} : { axes: written }) }, shape);
  };

/** What a logarithm is taken of is positive, mostly. */
function guarded(g: Builder, x: Value, op: string): Value {
  if (op !== "ReduceLogSum" || g.chance(0.1)) return x;
  return g.add("Softplus", [x], {}, x.shape);
}

const arg =
  (op: string): Emit =>
  (g, x) => {
    const rank = x.shape.length;
    const axis = g.integer(0, rank - 1);
    const keepdims = g.integer(0, 1);
    const shape = x.shape.flatMap((d, i) => (i === axis ? (keepdims ? [1] : []) : [d]));
    return g.add(op, [x], { axis: g.axis(axis, rank), keepdims }, shape, "int64");
  };

const float = ["float"] as const;

/** Of a constant, whose numbers may be equal but for rounding, a normalisation makes anything. */
const ofVarying =
  (emit: Emit): Emit =>
  (g, x) =>
    x.varies ? emit(g, x) : null;

export const windows: Readonly<Record<string, Drawn>> = {
  MaxPool: { kinds: float, ranks: [3, 5], emit: pool("MaxPool") },
  AveragePool: { kinds: float, ranks: [3, 5], emit: pool("AveragePool") },
  GlobalAveragePool: { kinds: float, ranks: [3, 5], emit: global("GlobalAveragePool") },
  GlobalMaxPool: { kinds: float, ranks: [3, 5], emit: global("GlobalMaxPool") },
  LpPool: { kinds: float, ranks: [3, 5], emit: lpPool },
  GlobalLpPool: { kinds: float, ranks: [3, 5], emit: globalLpPool },
  BatchNormalization: { kinds: float, ranks: [2, 5], emit: batchNorm },
  InstanceNormalization: { kinds: float, ranks: [3, 5], emit: ofVarying(instanceNorm) },
  LayerNormalization: { kinds: float, since: 17, ranks: [2, 4], emit: ofVarying(layerNorm) },
  GroupNormalization: { kinds: float, since: 18, ranks: [3, 4], emit: ofVarying(groupNorm) },
  MeanVarianceNormalization: { kinds: float, since: 9, ranks: [2, 4], emit: ofVarying(meanVariance) },
  LpNormalization: { kinds: float, ranks: [1, 4], emit: ofVarying(lpNorm) },
  LRN: { kinds: float, ranks: [4, 4], emit: lrn },
  Softmax: { kinds: float, ranks: [2, 4], emit: softmax("Softmax") },
  LogSoftmax: { kinds: float, ranks: [2, 4], emit: softmax("LogSoftmax") },
  ReduceSum: { kinds: float, ranks: [1, 5], emit: reduce("ReduceSum", 13) },
  ReduceMean: { kinds: float, ranks: [1, 5], emit: reduce("ReduceMean") },
  ReduceMax: { kinds: float, ranks: [1, 5], emit: reduce("ReduceMax") },
  ReduceMin: { kinds: float, ranks: [1, 5], emit: reduce("ReduceMin") },
  ReduceProd: { kinds: float, ranks: [1, 5], emit: reduce("ReduceProd") },
  ReduceL1: { kinds: float, ranks: [1, 5], emit: reduce("ReduceL1") },
  ReduceL2: { kinds: float, ranks: [1, 5], emit: reduce("ReduceL2") },
  ReduceSumSquare: { kinds: float, ranks: [1, 5], emit: reduce("ReduceSumSquare") },
  ReduceLogSum: { kinds: float, ranks: [1, 5], emit: reduce("ReduceLogSum") },
  ReduceLogSumExp: { kinds: float, ranks: [1, 5], emit: reduce("ReduceLogSumExp") },
  ArgMax: { kinds: float, ranks: [1, 4], emit: arg("ArgMax") },
  ArgMin: { kinds: float, ranks: [1, 4], emit: arg("ArgMin") },
};
