/** @file How much an explanation may change when its sample moves by at most a radius: proved from a bound of the curvature. */
import { lengthOf } from "../bounds/length.ts";
import { addUp, timesUp } from "../bounds/norm/region.ts";
import type { AttributionName } from "../curvature/attribution.ts";
import { down, gamma, up } from "../linalg/rounding.ts";

/** What a bound rests on, of one sample. */
export interface Turning {
  /** The explanation as it was computed, [size], the mean of the gradients that it is made of, and the largest length of one. */
  readonly values: Float64Array;
  readonly gradient: Float64Array;
  readonly longest: number;
  /** The sample, and the baseline of integrated gradients. */
  readonly x: ArrayLike<number>;
  readonly baseline: number;
  /** Gradients that are averaged. */
  readonly terms: number;
  /** A bound of the Hessian of the number that is explained, where the explanation takes gradients. */
  readonly curvature: number;
  /** What a computed gradient may err by, in l2. */
  readonly error: number;
}

/** What is proved within a radius. */
export interface Turned {
  /** ||E(x') - E(x)||_2 <= change for all ||x' - x||_2 <= radius, E in exact arithmetic; Infinity where nothing is proved. */
  readonly change: number;
  /** The angle between both in degrees is at most this; 180 where nothing is proved. */
  readonly degrees: number;
  /** What the computed explanation may err by. */
  readonly error: number;
}

/**
 * Bound the change of an explanation. With |g(x') - g(x)| <= C r and its like at every point where a gradient is taken, r the radius and a the mean of the gradients,
 *
 *     saliency, smoothgrad   C r
 *     gradient-input         r (|g|_inf + C r) + |x|_inf C r
 *     integrated             r (|a|_inf + C r / 2) + |x - b|_inf C r / 2      (the points move by t_k r, and the mean of t_k is 1/2)
 *     angle                  asin(change / |E|) where change < |E|
 *
 * The error of computed gradients is added, all rounded up. Reference: Dombrowski et al. 2019, who bound the change of a gradient map by principal curvatures of the decision surface.
 */
export function turningOf(name: AttributionName, own: Turning, radius: number): Turned {
  const { values, gradient, longest, x, baseline, terms, curvature, error } = own;
  const step = timesUp(curvature, radius);
  // Of the mean of gradients: that of each, and of adding them up.
  const mean = addUp(error, timesUp(up(gamma(terms + 8)), addUp(longest, error)));
  switch (name) {
    case "saliency":
    case "smoothgrad":
      return turned(values, step, mean);
    case "gradient-input":
    case "integrated": {
      const base = name === "integrated" ? baseline : 0;
      const far = largestOf(x, (v) => up(Math.abs(v - base)));
      const size = addUp(largestOf(gradient, Math.abs), mean);
      const move = name === "integrated" ? up(step / 2) : step;
      const change = addUp(timesUp(radius, addUp(size, move)), timesUp(far, move));
      return turned(values, change, timesUp(up(1 + 2 ** -40), timesUp(far, mean)));
    }
    default:
      return name satisfies never;
  }
}

/**
 * How many of the k numbers of largest size stay among the k largest when the whole changes by at most `change` in l2: those ahead of the largest one left out by more than
 * sqrt(2) times that, because one number falls and another rises.
 */
export function keptOf(values: ArrayLike<number>, k: number, change: number): number {
  const sizes = Float64Array.from(values, Math.abs).sort().reverse();
  if (k >= sizes.length) return sizes.length;
  const apart = timesUp(up(Math.SQRT2), change);
  let kept = 0;
  while (kept < k && down(sizes[kept] - sizes[k]) > apart) kept++;
  return kept;
}

// --- internal ---

function turned(values: Float64Array, change: number, error: number): Turned {
  // Of the true explanation no less is left.
  const length = down(down(lengthOf(values, 2) * (1 - 2 ** -40)) - error);
  if (!(change < Number.POSITIVE_INFINITY)) return { change: Number.POSITIVE_INFINITY, degrees: 180, error };
  if (!(change < length)) return { change, degrees: 180, error };
  // asin is granted a few units of its result.
  const degrees = Math.min(90, up((Math.asin(Math.min(1, up(change / length))) * 180 * (1 + 2 ** -40)) / Math.PI));
  return { change, degrees, error };
}

const largestOf = (values: ArrayLike<number>, size: (v: number) => number): number =>
  Array.from(values).reduce((top, v) => Math.max(top, size(v)), 0);
