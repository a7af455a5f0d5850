/** @file Operators that move numbers and choose them, as they are drawn: repeated indices, negative steps, pads that cut, resizes of every mode. */
import type { Builder, Drawn, Emit } from "../builder.ts";
import { product } from "../builder.ts";

/** What was an attribute and became an input at opset `since`. */
function listed(g: Builder, name: string, since: number, values: readonly number[]) {
  return g.opset >= since
    ? { input: [g.ints(values)], attributes: {} }
    : { input: [], attributes: { [name]: [...values] } };
}

/** Axes that may be touched: the batch's too, seldom where it is free. */
const axisOf = (g: Builder, rank: number): number =>
  rank > 1 && g.free && g.chance(0.9) ? g.integer(1, rank - 1) : g.integer(0, rank - 1);

const reshape: Emit = (g, x) => {
  const [n, ...rest] = x.shape;
  const size = product(rest);
  const keep = g.free || g.chance(0.6);
  const total = keep ? size : n * size;
  const divisors = [1, 2, 3, 4, 5, 6].filter((d) => total % d === 0);
  const a = g.pick(divisors);
  const tail = g.pick([[total], [a, total / a], [total / a, a], [1, total], [a, 1, total / a]]);
  const written = tail.map((d, i) => (i === tail.length - 1 && g.chance(0.4) ? -1 : d));
  const inferred = written.includes(-1);
  const head = keep ? [g.free ? (inferred || g.chance(0.5) ? 0 : -1) : g.chance(0.5) ? 0 : n] : [];
  return g.add("Reshape", [x, g.ints([...head, ...written])], {}, keep ? [n, ...tail] : tail);
};

/** A target that is computed: Shape, Gather, Unsqueeze, Concat. */
const arithmeticReshape: Emit = (g, x) => {
  const shape = g.add("Shape", [x], {}, [x.shape.length], "int64");
  const first = g.add("Gather", [shape, g.constant("int64", [], [0])], { axis: 0 }, [], "int64");
  const axes = listed(g, "axes", 13, [0]);
  const vector = g.add("Unsqueeze", [first, ...axes.input], axes.attributes, [1], "int64");
  const rest = product(x.shape.slice(1));
  const target = g.add("Concat", [vector, g.ints([g.chance(0.5) ? -1 : rest])], { axis: 0 }, [2], "int64");
  return g.add("Reshape", [x, target], {}, [x.shape[0], rest]);
};

const flatten: Emit = (g, x) => {
  const rank = x.shape.length;
  const axis = g.chance(0.6) ? 1 : g.integer(0, rank);
  const shape = [product(x.shape.slice(0, axis)), product(x.shape.slice(axis))];
  return g.add(
    "Flatten",
    [x],
    { axis: axis === 1 && g.chance(0.5) ? undefined : axis === rank ? axis : g.axis(axis, rank) },
    shape,
  );
};

const squeeze: Emit = (g, x) => {
  const ones = x.shape.flatMap((d, i) => (d === 1 && !(g.free && i === 0) ? [i] : []));
  if (ones.length === 0) return null;
  const some = ones.slice(0, g.integer(1, ones.length));
  const axes = listed(
    g,
    "axes",
    13,
    some.map((a) => g.axis(a, x.shape.length)),
  );
  return g.add(
    "Squeeze",
    [x, ...axes.input],
    axes.attributes,
    x.shape.filter((_, i) => !some.includes(i)),
  );
};

const unsqueeze: Emit = (g, x) => {
  const rank = x.shape.length;
  if (rank > 4) return null;
  const at = g.integer(g.free ? 1 : 0, rank);
  const axes = listed(g, "axes", 13, [g.axis(at, rank + 1)]);
  return g.add("Unsqueeze", [x, ...axes.input], axes.attributes, [...x.shape.slice(0, at), 1, ...x.shape.slice(at)]);
};

const transpose: Emit = (g, x) => {
  const rank = x.shape.length;
  if (!g.free && g.chance(0.2)) return g.add("Transpose", [x], {}, [...x.shape].reverse());
  const order =
    g.free && g.chance(0.9) ? [0, ...[...g.r.permutation(rank - 1)].map((v) => v + 1)] : [...g.r.permutation(rank)];
  return g.add(
    "Transpose",
    [x],
    { perm: order },
    order.map((a) => x.shape[a]),
  );
};

const concat: Emit = (g, x) => {
  const rank = x.shape.length;
  const axis = axisOf(g, rank);
  const parts = [x, ...Array.from({ length: g.integer(0, 2) }, () => g.partner(x))];
  const batch = x.shape[0] === 1 || !g.free;
  const all = batch && !g.free && g.chance(0.3) ? [...parts, g.weights(x.shape)] : parts;
  if (product(x.shape) * all.length > 120) return null;
  return g.add(
    "Concat",
    all,
    { axis: g.axis(axis, rank) },
    x.shape.map((d, i) => (i === axis ? d * all.length : d)),
  );
};

const split: Emit = (g, x) => {
  const rank = x.shape.length;
  const axis = axisOf(g, rank);
  const d = x.shape[axis];
  if (d < 2) return null;
  const equal = d % 2 === 0 && g.chance(0.5);
  const first = equal ? d / 2 : g.integer(1, d - 1);
  const sizes = [first, d - first];
  const attributes = { axis: g.axis(axis, rank) };
  const said = equal
    ? { input: [], attributes: g.opset >= 18 ? { num_outputs: 2 } : {} }
    : listed(g, "split", 13, sizes);
  const parts = g.addMany(
    "Split",
    [x, ...said.input],
    { ...attributes, ...said.attributes },
    sizes.map((n) => x.shape.map((v, i) => (i === axis ? n : v))),
  );
  if (equal && g.chance(0.3)) {
    // MaxMin.
    const pair = [g.add("Max", parts, {}, parts[0].shape), g.add("Min", parts, {}, parts[0].shape)];
    return g.add("Concat", pair, { axis }, x.shape);
  }
  return g.pick(parts);
};

const slice: Emit = (g, x) => {
  const rank = x.shape.length;
  const axis = axisOf(g, rank);
  const d = x.shape[axis];
  const from = g.integer(0, d - 1);
  const step = g.opset >= 10 ? g.pick([1, 1, 2, -1, -2]) : 1;
  const back = step < 0;
  const to = back ? g.integer(-1, from - 1) : g.integer(from + 1, d);
  const size = Math.ceil((to - from) / step);
  const start = g.chance(0.3) ? from - d : from;
  const end = to === -1 ? -d - 5 : to === d && g.chance(0.5) ? 1000000 : g.chance(0.3) && to < d ? to - d : to;
  const shape = x.shape.map((v, i) => (i === axis ? size : v));
  if (g.opset < 10) return g.add("Slice", [x], { axes: [axis], starts: [start], ends: [end] }, shape);
  const steps = step === 1 && g.chance(0.5) ? [] : [g.ints([step])];
  return g.add("Slice", [x, g.ints([start]), g.ints([end]), g.ints([g.axis(axis, rank)]), ...steps], {}, shape);
};

/** Indices that repeat, leave out, count from the end. */
const gather: Emit = (g, x) => {
  const rank = x.shape.length;
  const axis = axisOf(g, rank);
  const d = x.shape[axis];
  const shape = g.pick([[], [1], [2], [3], [2, 2]]);
  if (rank - 1 + shape.length > 5 || rank - 1 + shape.length < 1) return null;
  const values = Array.from({ length: product(shape) }, () => g.integer(g.opset >= 11 ? -d : 0, d - 1));
  const indices = g.constant(g.pick(["int64", "int32"]), shape, values);
  return g.add("Gather", [x, indices], { axis: g.axis(axis, rank) }, [
    ...x.shape.slice(0, axis),
    ...shape,
    ...x.shape.slice(axis + 1),
  ]);
};

const pad: Emit = (g, x) => {
  const rank = x.shape.length;
  const mode = g.pick(["constant", "constant", "edge", "reflect", ...(g.opset >= 19 ? ["wrap"] : [])]);
  const most = (d: number) => (mode === "reflect" ? d - 1 : mode === "wrap" ? d : 2);
  const low = mode === "constant" && g.chance(0.2) ? -1 : 0;
  const one = (d: number, i: number) =>
    i === 0 && (g.free || g.chance(0.7)) ? 0 : g.integer(d > 2 ? low : 0, Math.max(0, Math.min(2, most(d))));
  const [before, after] = [x.shape.map(one), x.shape.map(one)];
  const shape = x.shape.map((d, i) => d + before[i] + after[i]);
  if (product(shape) > 150 || shape.some((d) => d < 1)) return null;
  const said = mode === "constant" && g.chance(0.5) ? {} : { mode };
  const filled = mode === "constant" && g.chance(0.4) ? g.number() : null;
  if (g.opset < 11) {
    return g.add(
      "Pad",
      [x],
      { pads: [...before, ...after], ...said, ...(filled === null ? {} : { value: { float: filled } }) },
      shape,
    );
  }
  const value = filled === null ? null : g.constant("float", [], [filled]);
  if (g.opset >= 18 && rank > 1 && g.chance(0.3)) {
    const at = g.integer(1, rank - 1);
    const own = x.shape.map((d, i) => (i === at ? d + before[i] + after[i] : d));
    return g.add("Pad", [x, g.ints([before[at], after[at]]), value, g.ints([g.axis(at, rank)])], said, own);
  }
  return g.add("Pad", [x, g.ints([...before, ...after]), value], said, shape);
};

const expand: Emit = (g, x) => {
  const target = x.shape.map((d, i) => (d === 1 && !(g.free && i === 0) ? g.integer(1, 3) : g.chance(0.5) ? 1 : d));
  const lead = !g.free && x.shape.length < 4 && g.chance(0.3) ? [2] : [];
  const shape = [...lead, ...x.shape.map((d, i) => Math.max(d, target[i]))];
  if (product(shape) > 120) return null;
  const short = lead.length === 0 && g.chance(0.3) && x.shape[0] > 0 ? target.slice(1) : target;
  return g.add(
    "Expand",
    [x, g.ints([...lead, ...(lead.length > 0 ? target : short.length > 0 ? short : target)])],
    {},
    lead.length === 0 && short !== target ? [x.shape[0], ...shape.slice(1)] : shape,
  );
};

const tile: Emit = (g, x) => {
  const repeats = x.shape.map((_, i) => (i === 0 && (g.free || g.chance(0.8)) ? 1 : g.pick([1, 1, 2, 3])));
  const shape = x.shape.map((d, i) => d * repeats[i]);
  return product(shape) > 120 ? null : g.add("Tile", [x, g.ints(repeats)], {}, shape);
};

const depthToSpace: Emit = (g, x) => {
  const [n, c, h, w] = x.shape;
  if (c % 4 !== 0) return null;
  const mode = g.opset >= 11 ? g.pick(["DCR", "CRD", undefined]) : undefined;
  return g.add("DepthToSpace", [x], { blocksize: 2, mode }, [n, c / 4, h * 2, w * 2]);
};

const spaceToDepth: Emit = (g, x) => {
  const [n, c, h, w] = x.shape;
  return h % 2 === 0 && w % 2 === 0 ? g.add("SpaceToDepth", [x], { blocksize: 2 }, [n, c * 4, h / 2, w / 2]) : null;
};

const trilu: Emit = (g, x) => {
  const k = g.chance(0.6) ? g.constant("int64", [], [g.integer(-2, 2)]) : null;
  return g.add("Trilu", [x, k], { upper: g.pick([0, 1, undefined]) }, x.shape);
};

/** Scales or sizes, of the axes behind the first two or, by nearest neighbour, of others too. */
const resize: Emit = (g, x) => {
  const rank = x.shape.length;
  const mode = g.opset < 11 ? g.pick(["nearest", "linear"]) : g.pick(["nearest", "nearest", "linear", "cubic"]);
  if (mode === "cubic" && rank !== 4) return null;
  const scales = x.shape.map((_, i) =>
    i < 2 || g.chance(0.2) ? 1 : Math.fround(g.pick([2, 3, 0.5, 1.5, 0.7, 1.3, 2.5, 0.9])),
  );
  const shape = x.shape.map((d, i) => Math.floor(Math.fround(d * scales[i])));
  if (shape.some((d) => d < 1) || product(shape) > 150) return null;
  if (g.opset < 10) return null;
  const values = g.constant("float", [rank], scales);
  if (g.opset < 11) return g.add("Resize", [x, values], { mode }, shape);
  const coordinates = [
    "half_pixel",
    "asymmetric",
    "align_corners",
    "pytorch_half_pixel",
    ...(g.opset >= 19 ? ["half_pixel_symmetric"] : []),
  ];
  const attributes = {
    mode,
    coordinate_transformation_mode: g.chance(0.8) ? g.pick(coordinates) : undefined,
    nearest_mode:
      mode === "nearest" && g.chance(0.7)
        ? g.pick(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
        : undefined,
    ...(mode === "cubic"
      ? {
          cubic_coeff_a: { float: g.pick([-0.75, -0.5]) },
          exclude_outside: g.opset >= 11 ? g.integer(0, 1) : undefined,
        }
      : {}),
    ...(mode !== "nearest" && g.opset >= 18 && g.chance(0.2) ? { antialias: 1 } : {}),
  };
  const roi = g.opset < 13 ? g.constant("float", [0], []) : null;
  if (g.chance(0.5)) return g.add("Resize", [x, roi, values], attributes, shape);
  const sizes = x.shape.map((d, i) => (i < 2 ? d : g.integer(1, Math.min(8, 3 * d))));
  if (product(sizes) > 150) return null;
  // Before opset 13 the scales are there, and empty.
  const none = g.opset < 13 ? g.constant("float", [0], []) : null;
  if (g.opset >= 18 && rank > 2 && g.chance(0.3)) {
    return g.add(
      "Resize",
      [x, null, null, g.ints(sizes.slice(2))],
      { ...attributes, axes: sizes.slice(2).map((_, i) => i + 2) },
      sizes,
    );
  }
  return g.add("Resize", [x, roi, none, g.ints(g.free ? [1, ...sizes.slice(1)] : sizes)], attributes, sizes);
};

const upsample: Emit = (g, x) => {
  if (g.opset > 9) return null;
  const scales = x.shape.map((_, i) => (i < 2 ? 1 : g.pick([1, 2, 3, 1.5])));
  const shape = x.shape.map((d, i) => Math.floor(d * scales[i]));
  if (product(shape) > 150) return null;
  const mode = g.pick(["nearest", "nearest", "linear", undefined]);
  if (g.opset >= 9) return g.add("Upsample", [x, g.constant("float", [x.shape.length], scales)], { mode }, shape);
  return g.add("Upsample", [x], { mode, scales: { floats: scales } }, shape);
};

const float = ["float"] as const;

export const movement: Readonly<Record<string, Drawn>> = {
  Reshape: { kinds: float, ranks: [2, 5], emit: reshape },
  "Reshape computed": { kinds: float, ranks: [2, 5], emit: arithmeticReshape },
  Flatten: { kinds: float, ranks: [1, 5], emit: flatten },
  Squeeze: { kinds: float, ranks: [2, 5], emit: squeeze },
  Unsqueeze: { kinds: float, ranks: [1, 4], emit: unsqueeze },
  Transpose: { kinds: float, ranks: [2, 5], emit: transpose },
  Concat: { kinds: float, ranks: [1, 5], emit: concat },
  Split: { kinds: float, ranks: [1, 5], emit: split },
  Slice: { kinds: float, ranks: [1, 5], emit: slice },
  Gather: { kinds: float, ranks: [1, 4], emit: gather },
  Pad: { kinds: float, ranks: [1, 5], emit: pad },
  Expand: { kinds: float, since: 8, ranks: [1, 4], emit: expand },
  Tile: { kinds: float, ranks: [1, 4], emit: tile },
  DepthToSpace: { kinds: float, ranks: [4, 4], emit: depthToSpace },
  SpaceToDepth: { kinds: float, ranks: [4, 4], emit: spaceToDepth },
  Trilu: { kinds: float, since: 14, ranks: [2, 4], emit: trilu },
  Resize: { kinds: float, ranks: [3, 5], emit: resize },
  Upsample: { kinds: float, ranks: [3, 4], emit: upsample },
};
