/** @file A matrix and how far it may be off: products that stay bounds in floating point. */
import { frobeniusUp } from "../../linalg/enclosure.ts";
import { type Matrix, multiply } from "../../linalg/matrix.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { gamma, tiny, unit, up } from "../../linalg/rounding.ts";

/** The true matrix is mid + D, ||D||_F <= radius. */
export interface Approximate {
  readonly mid: Matrix;
  readonly radius: number;
}

/** A matrix that is what it is. */
export const exact = (mid: Matrix): Approximate => ({ mid, radius: 0 });

/** diag(by) A, where each number of `by` may be off by 2u relatively: a root, or a product. */
export function rowsTimes({ mid, radius }: Approximate, by: Float64Array): Approximate {
  return rescaled(mid, radius, by, (k) => by[Math.floor(k / mid.cols)]);
}

/** A diag(by), likewise. */
export function columnsTimes({ mid, radius }: Approximate, by: Float64Array): Approximate {
  return rescaled(mid, radius, by, (k) => by[k % mid.cols]);
}

/** W (mid + D), ||D||_F <= radius:  ||W|| radius + gamma_n ||W||_F ||mid||_F. */
export function product(W: Matrix, { mid, radius }: Approximate): Approximate {
  const size = frobeniusUp(W.data);
  const rounding = up(up(gamma(W.cols) * up(size * frobeniusUp(mid.data))) + tiny);
  return { mid: multiply(W, mid), radius: up(up(size * radius) + rounding) };
}

/** An upper bound of the spectral norm. */
export const normOf = ({ mid, radius }: Approximate): number => {
  const { upper } = spectralNorm(mid);
  return radius === 0 ? upper : up(upper + radius);
};

// --- internal ---

function rescaled(mid: Matrix, radius: number, by: Float64Array, factor: (k: number) => number): Approximate {
  const data = mid.data.map((x, k) => x * factor(k));
  const largest = by.reduce((top, b) => Math.max(top, Math.abs(b)), 0);
  const carried = up(up(radius * largest) * (1 + 4 * unit));
  return { mid: { ...mid, data }, radius: up(carried + up(up(4 * unit * frobeniusUp(data)) + tiny)) };
}
