/**
 * @file Between what the entries of W_L D_(L-1) W_(L-1) ... D_0 W_0 lie while every slope keeps to its range. Ends are kept instead of middle and radius, so that a sum of
 * nothing negative never falls below 0, however it is rounded: signs of derivatives are what monotone networks are known by.
 */
import { type Matrix, transpose } from "../../linalg/matrix.ts";
import { down, gamma, tiny, up } from "../../linalg/rounding.ts";
import type { Range } from "../domain.ts";

/** Row-major, rows x cols. */
export interface Enclosure {
  readonly rows: number;
  readonly cols: number;
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/** What a product is made of: weights[t] is off by at most errors[t] in every entry. */
export interface Factors {
  readonly weights: readonly Matrix[];
  readonly errors: readonly number[];
}

/** The factors of the transposed product. */
export const transposed = ({ weights, errors }: Factors): Factors => ({
  weights: weights.map(transpose).reverse(),
  errors: [...errors].reverse(),
});

/**
 * Multiply from the last weight on: entry t is the product down to weights[t], with slopes[t] between weights[t + 1] and weights[t].
 *
 *     Y_L = W_L,   Y_t = Y_(t+1) D_t W_t
 */
export function productsDown({ weights, errors }: Factors, slopes: readonly Range[]): readonly Enclosure[] {
  const last = weights.length - 1;
  const found: Enclosure[] = new Array(last + 1);
  found[last] = widened(weights[last], errors[last]);
  for (let t = last - 1; t >= 0; t--) found[t] = times(bent(found[t + 1], slopes[t]), weights[t], errors[t]);
  return found;
}

/** What two enclosures of the same matrix share; `b` has its rows where `a` has its columns. */
export function withTransposed(a: Enclosure, b: Enclosure): Enclosure {
  const low = a.low.slice();
  const high = a.high.slice();
  for (let r = 0; r < a.rows; r++) {
    for (let c = 0; c < a.cols; c++) {
      const [k, other] = [r * a.cols + c, c * a.rows + r];
      low[k] = Math.max(low[k], b.low[other]);
      high[k] = Math.min(high[k], b.high[other]);
    }
  }
  return { ...a, low, high };
}

// --- internal ---

function widened({ rows, cols, data }: Matrix, error: number): Enclosure {
  if (error === 0) return { rows, cols, low: data, high: data };
  return { rows, cols, low: data.map((v) => down(v - error)), high: data.map((v) => up(v + error)) };
}

/** Y D, entry by entry the hull of the products of ends; slopes of 0 and 1 round nothing. */
function bent({ rows, cols, low, high }: Enclosure, slopes: Range): Enclosure {
  const [l, h] = [new Float64Array(low.length), new Float64Array(low.length)];
  for (let j = 0; j < cols; j++) {
    const [a, b] = [slopes.low[j], slopes.high[j]];
    const exact = (a === 0 || a === 1) && (b === 0 || b === 1);
    for (let k = j; k < low.length; k += cols) {
      const [p, q, r, s] = [part(a, low[k]), part(a, high[k]), part(b, low[k]), part(b, high[k])];
      const least = Math.min(p, q, r, s);
      const most = Math.max(p, q, r, s);
      l[k] = exact ? least : outDown(least);
      h[k] = exact ? most : outUp(most);
    }
  }
  return { rows, cols, low: l, high: h };
}

/**
 * a b, 0 only where a factor is: slopes and entries are finite, only their bounds may not be, and what underflows keeps its sign.
 */
function part(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  const product = a * b;
  return product !== 0 ? product : a > 0 === b > 0 ? Number.MIN_VALUE : -Number.MIN_VALUE;
}

/** 0 is exact. */
const outDown = (v: number): number => (v >= tiny ? down(v) : v >= 0 ? 0 : down(v - tiny));
const outUp = (v: number): number => -outDown(-v);

/** Y (W + E), |E| <= error entry by entry. A floating sum of n terms errs by gamma_n of the sum of their sizes. */
function times({ rows, cols, low, high }: Enclosure, W: Matrix, error: number): Enclosure {
  const [l, h] = [new Float64Array(rows * W.cols), new Float64Array(rows * W.cols)];
  const [least, most] = [new Float64Array(W.cols), new Float64Array(W.cols)];
  const [leastSize, mostSize] = [new Float64Array(W.cols), new Float64Array(W.cols)];
  const g = 2 * gamma(cols + 2);
  for (let r = 0; r < rows; r++) {
    for (const v of [least, most, leastSize, mostSize]) v.fill(0);
    let reach = 0;
    for (let j = 0; j < cols; j++) {
      const [a, b] = [low[r * cols + j], high[r * cols + j]];
      if (a === 0 && b === 0) continue;
      reach += Math.max(Math.abs(a), Math.abs(b));
      const from = j * W.cols;
      for (let k = 0; k < W.cols; k++) {
        const w = W.data[from + k];
        if (w === 0) continue;
        const p = part(w, w > 0 ? a : b);
        const q = part(w, w > 0 ? b : a);
        least[k] += p;
        most[k] += q;
        leastSize[k] += Math.abs(p);
        mostSize[k] += Math.abs(q);
      }
    }
    const spread = error === 0 ? 0 : up(up(error * reach) * (1 + g));
    for (let k = 0; k < W.cols; k++) {
      const at = r * W.cols + k;
      l[at] = endDown(least[k], leastSize[k], g, spread);
      h[at] = -endDown(-most[k], mostSize[k], g, spread);
    }
  }
  return { rows, cols: W.cols, low: l, high: h };
}

/** The lower end of a sum: where no term is negative (the sum is that of the sizes) it is not. */
function endDown(sum: number, size: number, g: number, spread: number): number {
  if (size === 0) return spread === 0 ? 0 : -spread;
  const end = down(sum - up(g * size + spread + tiny));
  if (Number.isNaN(end)) return Number.NEGATIVE_INFINITY;
  return spread === 0 && sum === size ? Math.max(0, end) : end;
}
