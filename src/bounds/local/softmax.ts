/** @file The range of a softmax: an element is largest where its own score is high and all others are low. */
import type { Node } from "../../graph/graph.ts";
import { down, tiny, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Norm } from "../bound.ts";
import type { Range } from "../domain.ts";

/**
 * Bound p_i = e^(x_i) / sum_j e^(x_j) for scores in ranges,
 *
 *     e^(l_i) / (e^(l_i) + sum over j != i of e^(u_j)) <= p_i <= e^(u_i) / (e^(u_i) + sum over j != i of e^(l_j)).
 *
 * The sums over all others are the whole sum less one term, and what that may cancel is counted.
 */
export function softmaxRange(node: Node, { low, high }: Range): Range {
  const { axis } = node.attrs as { readonly axis: number };
  const length = node.shape[axis];
  const step = sizeOf(node.shape.slice(axis + 1));
  const [least, most] = [new Float64Array(low.length), new Float64Array(low.length).fill(1)];
  for (let first = 0; first < low.length; first++) {
    if (Math.floor(first / step) % length !== 0) continue;
    const group = Array.from({ length }, (_, k) => first + k * step);
    const shift = group.reduce((top, i) => Math.max(top, high[i]), Number.NEGATIVE_INFINITY);
    if (!Number.isFinite(shift)) continue;
    const lows = group.map((i) => Math.exp(low[i] - shift));
    const highs = group.map((i) => Math.exp(high[i] - shift));
    const [lowSum, highSum] = [lows, highs].map((v) => v.reduce((sum, e) => sum + e, 0));
    const slack = (2 + length) * termError;
    group.forEach((i, k) => {
      const under = up(lows[k] + Math.max(0, highSum - highs[k]) + slack * highSum + tiny);
      const over = highs[k] + Math.max(0, lowSum - lows[k] - slack * lowSum);
      // Terms near the smallest number are known to an absolute error only.
      if (lows[k] > tiny) least[i] = Math.max(0, down((lows[k] / under) * (1 - 4 * termError)));
      if (over > 2 ** -900) most[i] = Math.min(1, up((highs[k] / over) * (1 + 4 * termError) + 2 ** -150));
    });
  }
  return { low: least, high: most };
}

/**
 * The constant of a softmax for scores in ranges, in every p-norm: a row or column of diag(p) - p p^T adds up to 2 p_i (1 - p_i) in
 * absolute value, which is at most 1/2 and less where p keeps away from 1/2. In l2 it is at most the largest p_i too, as what is taken from diag(p) is positive semidefinite.
 */
export function softmaxNorm(node: Node, scores: Range, norm: Norm): number {
  const { low, high } = softmaxRange(node, scores);
  const steepness = (p: number) => up(2 * up(p * up(1 - p)));
  const sums = low.reduce((top, l, i) => {
    const u = Math.min(1, high[i]);
    return Math.max(top, l <= 0.5 && u >= 0.5 ? 0.5 : u < 0.5 ? steepness(u) : steepness(l));
  }, 0);
  return norm === 2
    ? Math.min(
        sums,
        high.reduce((top, u) => Math.max(top, u), 0),
      )
    : sums;
}

// --- internal ---

/** Relative, of e^(x - shift): the difference of up to 745 is rounded, and so is exp. */
const termError = 2 ** -40;
