/** @file The larger and the smaller of tensors, and where both of two together are a sorting of pairs, which lengthens nothing in any norm. */

import { sparse } from "../algebra/sparse.ts";
import { type Arguments, check, isVarying, type Made } from "./arguments.ts";
import type { Constant } from "./constant.ts";
import { broadcastNumbers } from "./places.ts";
import { distance as distanceOf, limit } from "./pointwise.ts";
import { count, linear, type Step, type Varying } from "./step.ts";

/** The largest or the smallest of tensors of one shape, number by number; constants may be smaller, and are one. */
export function extreme(a: Arguments, which: "Max" | "Min"): Made {
  const operands = a.operands.map((_, i) => a.any(i));
  const varying = operands.filter(isVarying);
  const constants = operands.flatMap((o, i) => (isVarying(o) ? [] : [a.constant(i)]));
  check(a, varying.length >= 1, "it must depend on the data");
  const [first] = varying;
  const one = varying.every((x) => x.shape.join() === first.shape.join());
  check(
    a,
    one && new Set(varying.map((x) => x.tensor)).size === varying.length,
    "it must compare tensors of one shape",
  );
  const steps: Step[] = [];
  let x = first;
  for (const [i, other] of varying.slice(1).entries()) {
    const last = i === varying.length - 2 && constants.length === 0;
    steps.push(...pair(which, x, other, last ? a.out : `(${which} of ${i + 2} for ${a.out})`));
    x = steps[steps.length - 1];
  }
  if (constants.length > 0) steps.push(limited(a, which, x, constants));
  const made = steps.pop();
  return made === undefined ? x : { ...made, before: steps };
}

/** max(p, q) = (p + q + |p - q|) / 2 and min(p, q) = (p + q - |p - q|) / 2; both share the distance. */
function pair(which: "Max" | "Min", one: Varying, other: Varying, tensor: string): readonly Step[] {
  const [p, q] = [one, other].sort((x, y) => (x.tensor < y.tensor ? -1 : 1));
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
  const away = `(distance of ${names})`;
  const distance: Step = {
    kind: "pointwise",
    tensor: away,
    shape: p.shape,
    from: difference.tensor,
    scalar: distanceOf,
  };
  const parts = [
    { from: p.tensor, matrix: times(0.5) },
    { from: q.tensor, matrix: times(0.5) },
    { from: away, matrix: times(which === "Max" ? 0.5 : -0.5) },
  ];
  const own = linear(tensor, p.shape, p.tensor, times(1));
  return [difference, distance, { ...own, parts, extreme: { which, of: [p.tensor, q.tensor] } }];
}

/** max(x, c) or min(x, c), c a number for each number of x. */
function limited(a: Arguments, which: "Max" | "Min", x: Varying, constants: readonly Constant[]): Step {
  const of = which === "Max" ? Math.max : Math.min;
  const none = which === "Max" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const limits = new Float64Array(count(x.shape)).fill(none);
  for (const { shape, data } of constants) {
    broadcastNumbers(a, shape, x.shape).forEach((from, i) => {
      limits[i] = of(limits[i], data[from]);
    });
  }
  return { kind: "pointwise", tensor: a.out, shape: x.shape, from: x.tensor, scalar: limit(which, limits) };
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
