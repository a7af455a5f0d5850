/** @file Operators that make one number of all along some axes: sums, means, the largest and the smallest. */
import { sparse } from "../algebra/sparse.ts";
import { type Arguments, type Made, type Operators, reductionOf } from "./arguments.ts";
import { placeOf, stridesOf } from "./places.ts";
import { distance } from "./pointwise.ts";
import { type Affine, count, linear, type Step, type Varying } from "./step.ts";

const axes = ["axes", "keepdims", "noop_with_empty_axes"];

export const reductions: Operators = {
  ReduceSum: { attributes: axes, inputs: [1, 2], read: (a) => summed(a, () => 1, 0) },
  ReduceMean: { attributes: axes, inputs: [1, 2], read: (a) => summed(a, (n) => 1 / n, 2) },
  // The sum of |x|.
  ReduceL1: {
    attributes: axes,
    inputs: [1, 2],
    read(a) {
      const { x } = reductionOf(a);
      const sizes: Step = {
        kind: "pointwise",
        tensor: `(sizes for ${a.out})`,
        shape: x.shape,
        from: x.tensor,
        scalar: distance,
      };
      const sum = summed(a, () => 1, 0) as Affine & Varying;
      return { ...sum, parts: sum.parts.map((part) => ({ ...part, from: sizes.tensor })), before: [sizes] };
    },
  },
  ReduceMax: { attributes: axes, inputs: [1, 2], read: (a) => extreme(a, 1) },
  ReduceMin: { attributes: axes, inputs: [1, 2], read: (a) => extreme(a, -1) },
};

// --- internal ---

/** What each number of the result is made of. */
function groups(a: Arguments) {
  const { x, axes, keep } = reductionOf(a);
  const kept = x.shape.map((d, axis) => (axes.includes(axis) ? 1 : d));
  const members: number[][] = Array.from({ length: count(kept) }, () => []);
  const strides = stridesOf(kept);
  for (let k = 0; k < count(x.shape); k++) {
    const place = placeOf(k, x.shape);
    members[place.reduce((at, p, axis) => at + (axes.includes(axis) ? 0 : p) * strides[axis], 0)].push(k);
  }
  return { x, members, shape: keep ? kept : x.shape.filter((_, axis) => !axes.includes(axis)) };
}

function summed(a: Arguments, weight: (members: number) => number, roundings: number): Made {
  const { x, members, shape } = groups(a);
  const matrix = sparse(
    members.length,
    count(x.shape),
    (i, put) => {
      for (const k of members[i]) put(k, weight(members[i].length));
    },
    roundings,
  );
  return linear(a.out, shape, x.tensor, matrix);
}

/** The largest; the smallest is the largest of what is negated, negated. */
function extreme(a: Arguments, sign: 1 | -1): Made {
  const { x, members, shape } = groups(a);
  const start = new Int32Array(members.length + 1);
  members.forEach((list, i) => {
    start[i + 1] = start[i] + list.length;
  });
  const largest = { kind: "largest", start, members: Int32Array.from(members.flat()), most: 1 } as const;
  if (sign === 1) return { ...largest, tensor: a.out, shape, from: x.tensor };
  const turned = (n: number) => sparse(n, n, (i, put) => put(i, -1));
  const negated: Step = linear(`(negated for ${a.out})`, x.shape, x.tensor, turned(count(x.shape)));
  const top: Step = { ...largest, tensor: `(largest negated for ${a.out})`, shape, from: negated.tensor };
  return { ...linear(a.out, shape, top.tensor, turned(members.length)), before: [negated, top] };
}
