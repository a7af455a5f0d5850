/** @file From a perturbation that changes a decision to a smaller one that does, and to one that float64 agrees with. Only the network's own decisions are believed. */
import { type AttackNorm, distance, moved, type Range } from "./ball.ts";
import type { Findings } from "./findings.ts";
import type { Target } from "./target.ts";

/** Halvings of the way back to the sample. */
export const bisections = 14;

/** Did a decision change? One that is none (not a number) does not count. */
export const hasChanged = (decision: number, own: number): boolean => decision >= 0 && decision !== own;

/**
 * Go back from each point towards its sample as far as the decision stays changed, by bisection of the segment.
 * center and points [count, size]; every point must have another decision than `own`. Returns such points.
 */
export async function goBack(
  target: Target,
  center: Float32Array,
  points: Float32Array,
  own: Int32Array,
): Promise<Float32Array> {
  const { size } = target;
  const best = Float32Array.from(points);
  const low = new Float64Array(own.length);
  const high = new Float64Array(own.length).fill(1);
  const tried = new Float32Array(points.length);
  for (let k = 0; k < bisections; k++) {
    for (let i = 0; i < own.length; i++) {
      const t = (low[i] + high[i]) / 2;
      for (let j = i * size; j < (i + 1) * size; j++) tried[j] = center[j] + t * (points[j] - center[j]);
    }
    const decisions = await target.decide(tried);
    for (let i = 0; i < own.length; i++) {
      const t = (low[i] + high[i]) / 2;
      if (hasChanged(decisions[i], own[i])) {
        high[i] = t;
        best.set(tried.subarray(i * size, (i + 1) * size), i * size);
      } else low[i] = t;
    }
  }
  return best;
}

/** How much further than the point itself float64 may look for the change that float32 saw. */
const further = [0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2];

/**
 * The length of the smallest perturbation, along each one found or a little further, at which the decision of the network in
 * float64 is not `own` (its float64 decision on the sample); null where there is none.
 */
export async function confirm(
  target: Target,
  center: Float32Array,
  { distance: found, points }: Pick<Findings, "distance" | "points">,
  own: Int32Array,
  norm: AttackNorm,
  range: Range | null,
): Promise<(number | null)[]> {
  const { size } = target;
  const lengths: (number | null)[] = Array.from(own, () => null);
  const rowOf = (values: Float32Array, i: number) => values.subarray(i * size, (i + 1) * size);
  for (const extra of further) {
    const open = lengths.flatMap((length, i) => (length === null && Number.isFinite(found[i]) ? [i] : []));
    if (open.length === 0) break;
    const tried = new Float32Array(open.length * size);
    open.forEach((i, k) => {
      const [x, point] = [rowOf(center, i), rowOf(points, i)];
      const v = Float64Array.from(point, (value, j) => value - x[j]);
      tried.set(extra === 0 ? point : moved(x, v, 1 + extra, range), k * size);
    });
    const decisions = await target.decide(tried, "float64");
    open.forEach((i, k) => {
      if (own[i] >= 0 && hasChanged(decisions[k], own[i]))
        lengths[i] = distance(rowOf(center, i), rowOf(tried, k), norm);
    });
  }
  return lengths;
}
