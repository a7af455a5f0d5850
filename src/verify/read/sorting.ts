/** @file The larger and the smaller of two tensors, and where both together are a sorting of pairs, which lengthens nothing in any norm. */

import { sparse } from "../algebra/sparse.ts";
import { type Arguments, check, type Made } from "./arguments.ts";
import { scalars } from "./pointwise.ts";
import { count, linear, type Step, type Varying } from "./step.ts";

/** max(p, q) = (p + q + |p - q|) / 2 and min(p, q) = (p + q - |p - q|) / 2; both share the distance. */
export function extreme(a: Arguments, which: "Max" | "Min"): Made {
  const [p, q] = [a.varying(0), a.varying(1)].sort((x, y) => (x.tensor < y.tensor ? -1 : 1));
  check(a, p.tensor !== q.tensor && p.shape.join() === q.shape.join(), "it must compare two tensors of one shape");
  const size = count(p.shape);
  const times = (factor: number) => sparse(size, size, (i, put) => put(i, factor));
  const names = JSON.stringify([p.tensor, q.tensor]);
  const difference: Step = {
    ...linear(`(difference of ${names})`, p.shape, p.tensor, times(1)),
    parts: [
      { from: p.tensor, matrix: times(1) },
      { from: q.tensor, matrix: times(-1) },
    ],
  };
  const scalar = scalars.Abs.make((_, otherwise) => otherwise, []);
  check(a, scalar !== null, "there must be a distance");
  const tensor = `(distance of ${names})`;
  const distance: Step = { kind: "pointwise", tensor, shape: p.shape, from: difference.tensor, scalar };
  const parts = [
    { from: p.tensor, matrix: times(0.5) },
    { from: q.tensor, matrix: times(0.5) },
    { from: distance.tensor, matrix: times(which === "Max" ? 0.5 : -0.5) },
  ];
  const own = linear(a.out, p.shape, p.tensor, times(1));
  return { ...own, parts, extreme: { which, of: [p.tensor, q.tensor] }, before: [difference, distance] };
}

/** The tensor whose numbers two operands sort in disjoint pairs: the larger ones and the smaller ones of two halves of it. */
export function sortedBy(a: Arguments, operands: readonly Varying[]): string | undefined {
  const extremes = operands.map(({ tensor }) => {
    const step = a.stepOf(tensor);
    return step?.kind === "affine" ? step.extreme : undefined;
  });
  if (extremes.length !== 2) return undefined;
  const [first, second] = extremes;
  if (!first || !second || first.which === second.which) return undefined;
  const [p, q] = first.of;
  if (p === q || !second.of.includes(p) || !second.of.includes(q)) return undefined;
  const halves = [p, q].map((tensor) => a.stepOf(tensor));
  const places = new Set<number>();
  let read = 0;
  let whole: string | undefined;
  for (const half of halves) {
    // A half that is shifted was rounded, which no sorting of the whole would be.
    if (half?.kind !== "affine" || half.parts.length !== 1 || half.bias.some((b) => b !== 0)) return undefined;
    const [{ from, matrix }] = half.parts;
    if (whole !== undefined && whole !== from) return undefined;
    whole = from;
    for (let i = 0; i < matrix.rows; i++) {
      const k = matrix.start[i];
      if (matrix.start[i + 1] !== k + 1 || matrix.value[k] !== 1 || matrix.roundings > 0) return undefined;
      places.add(matrix.index[k]);
      read++;
    }
  }
  // No number is in two pairs.
  return places.size === read ? whole : undefined;
}
