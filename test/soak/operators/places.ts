/** @file Operators that choose or replace numbers by known places, running sums and Einsum, as they are drawn: repeated and negative indices, slices, several axes of a batch. */
import type { Builder, Drawn, Emit } from "../builder.ts";
import { product } from "../builder.ts";

const indexIn = (g: Builder, d: number): number => g.integer(g.opset >= 11 ? -d : 0, d - 1);

const gatherND: Emit = (g, x) => {
  if (g.free) return null;
  const rank = x.shape.length;
  const batch = g.opset >= 12 && rank > 1 ? g.integer(0, 1) : 0;
  const depth = g.integer(1, rank - batch);
  const outer = [...x.shape.slice(0, batch), ...g.pick([[1], [2], [3], [2, 2]])];
  const shape = [...outer, depth];
  if (outer.length + rank - batch - depth > 5) return null;
  const values = Array.from({ length: product(shape) }, (_, k) => indexIn(g, x.shape[batch + (k % depth)]));
  const indices = g.constant("int64", shape, values);
  const attributes = batch > 0 ? { batch_dims: batch } : {};
  return g.add("GatherND", [x, indices], attributes, [...outer, ...x.shape.slice(batch + depth)]);
};

const gatherElements: Emit = (g, x) => {
  if (g.free) return null;
  const rank = x.shape.length;
  const axis = g.integer(0, rank - 1);
  const shape = x.shape.map((d, i) => (i === axis ? g.integer(1, 4) : g.integer(1, d)));
  const values = Array.from({ length: product(shape) }, () => indexIn(g, x.shape[axis]));
  return g.add("GatherElements", [x, g.constant("int64", shape, values)], { axis: g.axis(axis, rank) }, shape);
};

/** Some of so many, none twice. */
function some(g: Builder, n: number, most: number): number[] {
  const all = Array.from({ length: n }, (_, k) => k);
  return Array.from({ length: g.integer(1, Math.min(n, most)) }, () => all.splice(g.integer(0, all.length - 1), 1)[0]);
}

const scatterND: Emit = (g, x) => {
  if (g.free) return null;
  const rank = x.shape.length;
  const depth = g.integer(1, rank);
  const outer = x.shape.slice(0, depth);
  const chosen = some(g, product(outer), 3);
  const values = chosen.flatMap((place) => {
    let rest = place;
    const at = outer.map((_, i) => {
      const stride = product(outer.slice(i + 1));
      const index = Math.floor(rest / stride);
      rest %= stride;
      return index;
    });
    return at.map((index, i) => (g.opset >= 11 && g.chance(0.3) ? index - outer[i] : index));
  });
  const indices = g.constant("int64", [chosen.length, depth], values);
  const slice = [chosen.length, ...x.shape.slice(depth)];
  // Numbers, or others of x itself.
  const source = g.chance(0.5) ? g.weights(slice) : null;
  const updates = source ?? g.add("Expand", [g.add("ReduceMax", [x], { keepdims: 0 }, []), g.ints(slice)], {}, slice);
  return g.add("ScatterND", [x, indices, updates], {}, x.shape);
};

const scatterElements: Emit = (g, x) => {
  if (g.free) return null;
  const rank = x.shape.length;
  const axis = g.integer(0, rank - 1);
  const places = some(g, x.shape[axis], 2);
  const shape = x.shape.map((_, i) => (i === axis ? places.length : 1));
  const indices = g.constant("int64", shape, places);
  return g.add("ScatterElements", [x, indices, g.weights(shape)], { axis: g.axis(axis, rank) }, x.shape);
};

const oneHot: Emit = (g, x) => {
  const n = x.shape[x.shape.length - 1];
  const count = g.integer(1, 3);
  const indices = g.constant(
    "int64",
    [count],
    Array.from({ length: count }, () => g.integer(-n, n)),
  );
  const values = g.constant("float", [2], [g.number(), g.number()]);
  const rows = g.add("OneHot", [indices, g.constant("int64", [], [n]), values], { axis: 0 }, [n, count]);
  return g.add("MatMul", [x, rows], {}, [...x.shape.slice(0, -1), count]);
};

const cumSum: Emit = (g, x) => {
  const rank = x.shape.length;
  const axis = rank > 1 && g.free ? g.integer(1, rank - 1) : g.integer(0, rank - 1);
  const attributes = { exclusive: g.pick([0, 1, undefined]), reverse: g.pick([0, 1, undefined]) };
  return g.add("CumSum", [x, g.constant("int64", [], [g.axis(axis, rank)])], attributes, x.shape);
};

const einsum: Emit = (g, x) => {
  const labels = [..."abcde"].slice(0, x.shape.length);
  const size = (label: string) => x.shape[labels.indexOf(label)];
  const last = labels[labels.length - 1];
  const columns = g.integer(1, 3);
  const form = g.integer(0, 3);
  // A matrix on the last axis; a shared batch axis and a weight for each; sums and a permutation of one tensor; of x with itself.
  if (form === 0) {
    const output = [...labels.slice(0, -1), "z"];
    return g.add(
      "Einsum",
      [x, g.weights([columns, size(last)])],
      { equation: `${labels.join("")},z${last}->${output.join("")}` },
      [...x.shape.slice(0, -1), columns],
    );
  }
  if (form === 1 && labels.length > 2) {
    const [, second] = labels;
    const output = [labels[0], "z", ...labels.slice(1, -1)];
    return g.add(
      "Einsum",
      [g.weights([size(second), size(last), columns]), x],
      { equation: `${second}${last}z,${labels.join("")}->${output.join("")}` },
      output.map((label) => (label === "z" ? columns : size(label))),
    );
  }
  if (form === 2 && labels.length > 1) {
    const kept = labels.slice(0, -1);
    return g.add("Einsum", [x], { equation: `${labels.join("")}->${kept.join("")}` }, kept.map(size));
  }
  const other = labels.map((label) => (label === last ? "z" : label));
  return labels.length > 1
    ? g.add("Einsum", [x, x], { equation: `${labels.join("")},${other.join("")}->${[...labels, "z"].join("")}` }, [
        ...x.shape,
        size(last),
      ])
    : null;
};

const float = ["float"] as const;

export const places: Readonly<Record<string, Drawn>> = {
  GatherND: { kinds: float, since: 11, ranks: [1, 4], emit: gatherND },
  GatherElements: { kinds: float, since: 11, ranks: [1, 4], emit: gatherElements },
  ScatterND: { kinds: float, since: 11, ranks: [1, 4], emit: scatterND },
  ScatterElements: { kinds: float, since: 11, ranks: [1, 4], emit: scatterElements },
  OneHot: { kinds: float, since: 9, ranks: [2, 4], emit: oneHot },
  CumSum: { kinds: float, since: 11, ranks: [1, 4], emit: cumSum },
  Einsum: { kinds: float, since: 12, ranks: [1, 4], emit: einsum },
};
