/**
 * @file The interval Jacobian (Fast-Lip): entry by entry, between what the derivatives of a chain lie while every slope keeps to its range.
 * Midpoint and radius instead of two ends, so that a product with a matrix is two products, and rounding joins the radius.
 */
import { type Matrix, multiply } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { gamma, sqrtUp, sumUp, tiny, up } from "../../linalg/rounding.ts";
import type { Norm } from "../bound.ts";
import type { Chain } from "../chain.ts";
import type { Range } from "../domain.ts";

/** Every matrix Y with |Y - mid| <= radius, entry by entry. */
export interface IntervalMatrix {
  readonly mid: Matrix;
  readonly radius: Float64Array;
}

/**
 * Enclose d out / d a_t for every t: entry 0 is the Jacobian, the last is the last weight.
 *
 *     Y_(L-1) = W_(L-1),   Y_t = Y_(t+1) D_t W_t,   D_t in the slope ranges
 *
 * Reference: Weng et al. 2018, "Towards fast computation of certified robustness for ReLU networks" (slopes of any sign here).
 */
export function intervalJacobians(chain: Chain, slopes: readonly Range[]): readonly IntervalMatrix[] {
  const last = chain.affine.length - 1;
  let Y: IntervalMatrix = exactly(chain.affine[last].weight);
  const found = [Y];
  for (let t = last - 1; t >= 0; t--) {
    Y = timesMatrix(timesSlopes(Y, slopes[t]), chain.affine[t].weight);
    found.unshift(Y);
  }
  return found;
}

/** Bound the constant of a chain whose slopes keep to their ranges, by the norm of its interval Jacobian. */
export function intervalBound(chain: Chain, slopes: readonly Range[], norm: Norm): number {
  return intervalNorm(intervalJacobians(chain, slopes)[0], norm);
}

/**
 * An upper bound of the norm of every matrix in an interval matrix.
 *
 *     p = 1, inf: || |mid| + radius ||_p;   p = 2: the smaller of that and ||mid||_2 + ||radius||_2
 */
export function intervalNorm({ mid, radius }: IntervalMatrix, norm: Norm): number {
  const absolute = mid.data.map((m, k) => up(Math.abs(m) + radius[k]));
  if (absolute.some((x) => !Number.isFinite(x))) return Number.POSITIVE_INFINITY;
  const whole = normUp({ ...mid, data: absolute }, norm);
  if (norm !== 2 || mid.rows === 1 || mid.cols === 1) return whole;
  return Math.min(whole, up(normUp(mid, 2) + normUp({ ...mid, data: radius }, 2)));
}

/** A matrix without error. */
export const exactly = (mid: Matrix): IntervalMatrix => ({ mid, radius: new Float64Array(mid.data.length) });

/** Y D for diagonal D between `slopes`: in each entry the hull of the four products of ends. */
export function timesSlopes({ mid, radius }: IntervalMatrix, slopes: Range): IntervalMatrix {
  const { rows, cols } = mid;
  const m = new Float64Array(rows * cols);
  const r = new Float64Array(rows * cols);
  for (let j = 0; j < cols; j++) {
    const a = slopes.low[j];
    const b = slopes.high[j];
    for (let k = j; k < m.length; k += cols) {
      const l = mid.data[k] - radius[k];
      const u = mid.data[k] + radius[k];
      const least = Math.min(a * l, a * u, b * l, b * u);
      const most = Math.max(a * l, a * u, b * l, b * u);
      m[k] = least + (most - least) / 2;
      // One rounding in each end of Y, one in each product, and a few in the middle and the width.
      const size = Math.max(Math.abs(least), Math.abs(most)) + Math.max(Math.abs(a), Math.abs(b)) * radius[k];
      r[k] = size === 0 ? 0 : up((most - least) / 2 + size * few + tiny);
    }
  }
  return { mid: { rows, cols, data: m }, radius: r };
}

/** Y W. The error of the floating product of midpoints is at most gamma_n |mid||W|. */
export function timesMatrix({ mid, radius }: IntervalMatrix, W: Matrix): IntervalMatrix {
  const g = gamma(mid.cols + 2);
  const spread = { ...mid, data: radius.map((r, k) => up(r + g * Math.abs(mid.data[k]))) };
  const product = multiply(mid, W);
  const radii = multiply(spread, { ...W, data: W.data.map(Math.abs) });
  return { mid: product, radius: radii.data.map((r) => (r === 0 ? 0 : up(sumUp(r, mid.cols) + tiny))) };
}

/** The parts that two enclosures of the same matrix share. */
export function sharedPart(a: IntervalMatrix, b: IntervalMatrix): IntervalMatrix {
  const data = new Float64Array(a.radius.length);
  const radius = a.radius.map((r, k) => {
    if (r === 0) {
      data[k] = a.mid.data[k];
      return 0;
    }
    const low = Math.max(a.mid.data[k] - r, b.mid.data[k] - b.radius[k]);
    const high = Math.min(a.mid.data[k] + r, b.mid.data[k] + b.radius[k]);
    data[k] = low + (high - low) / 2;
    const size = Math.abs(a.mid.data[k]) + r + Math.abs(b.mid.data[k]) + b.radius[k];
    return up(Math.max(0, high - low) / 2 + size * few + tiny);
  });
  return { mid: { ...a.mid, data }, radius };
}

// --- internal ---

/** Eight roundings. */
const few = 2 ** -50;

/** The norm of one row or column needs no search. */
function normUp(A: Matrix, norm: Norm): number {
  if (norm !== 2 || (A.rows > 1 && A.cols > 1)) return inducedNorm(A, norm).upper;
  let sum = 0;
  for (const x of A.data) sum += x * x;
  return sqrtUp(up(sumUp(sum, A.data.length) + tiny));
}
