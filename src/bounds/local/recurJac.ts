/**
 * @file RecurJac: like the interval Jacobian, but an entry whose sign is known keeps its linear dependence on the entries behind it,
 * through all layers. Works for slopes of any sign; where they do not help it is the interval.
 */
import { type Matrix, matrix, multiply } from "../../linalg/matrix.ts";
import { down, gamma, tiny, up } from "../../linalg/rounding.ts";
import type { Norm } from "../bound.ts";
import type { Budget } from "../budget.ts";
import type { Chain } from "../chain.ts";
import type { Range } from "../domain.ts";
import { exactly, type IntervalMatrix, intervalNorm, sharedPart, timesMatrix, timesSlopes } from "./interval.ts";

/** Bound the constant of a chain whose slopes keep to their ranges, by the norm of its RecurJac enclosure. Never more than `intervalBound`, but for rounding. */
export function recurJacBound(chain: Chain, slopes: readonly Range[], norm: Norm, clock?: Clock): number {
  return intervalNorm(recurJacobians(chain, slopes, clock)[0], norm);
}

/** What says that time is up. */
export type Clock = Pick<Budget, "expired" | "spend">;

/**
 * Enclose d out / d a_t for every t as `intervalJacobians` does, more tightly.
 *
 * Entry (r, k) of Y_t is sum_j d_j y_j w_j with w = W_t[:, k], y = row r of Y_(t+1), d_j in [a_j, b_j]. With p_j = d_j w_j in [p0, p1]:
 *
 *     p_j y_j <= p1 y_j where y_j >= 0;  p0 y_j where y_j <= 0;  p y_j where p0 = p1 = p;
 *     else at most max(p1 high_j, p0 low_j), a number, or the chord (p1 high - p0 low)(y_j - low)/(high - low) + p0 low.
 *
 * The result is linear in y = Y_(t+2) D W, and so on to the last weight. Numbers and chords are both tried, and the smaller of the two kept.
 *
 * Entries that are not begun when time is up stay those of the interval.
 *
 * Reference: Zhang, Zhang, Hsieh 2019, "RecurJac" (chords as Shi et al. 2022).
 */
export function recurJacobians(chain: Chain, slopes: readonly Range[], clock?: Clock): readonly IntervalMatrix[] {
  const { affine } = chain;
  const last = affine.length - 1;
  const found: IntervalMatrix[] = new Array(last + 1);
  found[last] = exactly(affine[last].weight);
  for (let t = last - 1; t >= 0; t--) {
    const plain = timesMatrix(timesSlopes(found[t + 1], slopes[t]), affine[t].weight);
    // Next to the last weight all signs are known: the interval is already exact.
    const known = t === last - 1 || clock?.expired;
    found[t] = known ? plain : sharedPart(plain, recursive(chain, slopes, found, t, plain, clock));
  }
  return found;
}

// --- internal ---

function recursive(
  chain: Chain,
  slopes: readonly Range[],
  found: readonly IntervalMatrix[],
  t: number,
  plain: IntervalMatrix,
  clock: Clock | undefined,
): IntervalMatrix {
  const { weight } = chain.affine[t];
  const outputs = found[t + 1].mid.rows;
  const mid = plain.mid.data.slice();
  const radius = plain.radius.slice();
  const strips = stripsOf(chain, t);
  for (let r = 0; r < outputs && !clock?.expired; r++) {
    const rows = found.map((Y) => Y && rowOf(Y, r));
    const sizes = sizesOf(chain, slopes, rows, t);
    for (const { from, columns } of strips) {
      if (clock?.expired) break;
      clock?.spend(8 * stripWork(chain, t, columns.cols));
      const upper = (W: Matrix) => {
        const [numbers, chords] = [false, true].map((chord) => upperOf(chain, slopes, rows, sizes, t, W, chord));
        return numbers.map((v, k) => Math.min(v, chords[k]));
      };
      const high = upper(columns);
      const low = upper({ ...columns, data: columns.data.map((w) => -w) }).map((v) => -v);
      for (let k = 0; k < columns.cols; k++) {
        const at = r * weight.cols + from + k;
        mid[at] = low[k] + (high[k] - low[k]) / 2;
        radius[at] = up(Math.max(0, high[k] - low[k]) / 2 + (Math.abs(low[k]) + Math.abs(high[k])) * 2 ** -50 + tiny);
      }
    }
  }
  return { mid: matrix(outputs, weight.cols, mid), radius };
}

interface Strip {
  readonly from: number;
  readonly columns: Matrix;
}

/** Multiply-adds between two looks at the clock, roughly. */
const atOnce = 1e7;

/** Multiply-adds of some columns of W_t. */
const stripWork = ({ affine }: Pick<Chain, "affine">, t: number, cols: number): number =>
  cols * affine.slice(t + 1).reduce((sum, { weight }) => sum + weight.rows * weight.cols, affine[t].weight.rows);

/** The columns of W_t, as many at a time as may go by without a look at the clock: each is on its own. */
function stripsOf({ affine }: Chain, t: number): readonly Strip[] {
  const { rows, cols, data } = affine[t].weight;
  const width = Math.max(1, Math.floor(atOnce / stripWork({ affine }, t, 1)));
  return Array.from({ length: Math.ceil(cols / width) }, (_, s) => {
    const from = s * width;
    const n = Math.min(width, cols - from);
    const columns = new Float64Array(rows * n);
    for (let j = 0; j < rows; j++) columns.set(data.subarray(j * cols + from, j * cols + from + n), j * n);
    return { from, columns: { rows, cols: n, data: columns } };
  });
}

/** For each layer from t on what |D y| meets behind it, for `upperOf`. */
function sizesOf(
  chain: Chain,
  slopes: readonly Range[],
  rows: readonly (Range | undefined)[],
  t: number,
): readonly Float64Array[] {
  const last = chain.affine.length - 1;
  const sizes: Float64Array[] = [];
  for (let layer = t; layer < last; layer++) {
    const { high } = rows[layer + 1] as Range;
    sizes[layer] = layer + 1 === last ? high.map((h) => Math.abs(h)) : meeting(chain, slopes, rows, layer + 1);
  }
  return sizes;
}

/**
 * Upper bounds of y D w for all columns w of W, y the row of Y_(t+1). Going on from s to w = W s errs by gamma |W||s| entry by entry,
 * and what it multiplies is |D y| <= spread: at most gamma |s| . (|W|^T spread), collected in `error`.
 */
function upperOf(
  chain: Chain,
  slopes: readonly Range[],
  rows: readonly (Range | undefined)[],
  sizes: readonly Float64Array[],
  t: number,
  W: Matrix,
  chord: boolean,
): Float64Array {
  const { cols } = W;
  const last = chain.affine.length - 1;
  const total = new Float64Array(cols);
  const error = new Float64Array(cols);
  let w = W;
  let terms = 8;
  for (let layer = t; layer < last; layer++) {
    const y = rows[layer + 1] as Range;
    const n = w.rows;
    const s = new Float64Array(n * cols);
    const { low: a, high: b } = slopes[layer];
    const size = sizes[layer];
    for (let j = 0; j < n; j++) {
      const [l, u] = [y.low[j], y.high[j]];
      for (let k = 0; k < cols; k++) {
        const v = w.data[j * cols + k];
        if (v === 0) continue;
        const p0 = Math.min(a[j] * v, b[j] * v);
        const p1 = Math.max(a[j] * v, b[j] * v);
        let slope = 0;
        let offset = 0;
        if (l >= 0) slope = p1;
        else if (u <= 0) slope = p0;
        else if (p0 === p1) slope = p1;
        else {
          const [right, left] = [p1 * u, p0 * l];
          if (chord) {
            slope = (right - left) / (u - l);
            // Both ends of the convex max(p0 y, p1 y) on or below the line, however its slope was rounded.
            offset = Math.max(right - slope * u, left - slope * l);
          } else offset = Math.max(right, left);
          error[k] += Math.abs(right) + Math.abs(left) + Math.abs(slope) * (u - l);
        }
        s[j * cols + k] = slope;
        total[k] += offset;
        error[k] += Math.abs(offset) + Math.abs(slope) * size[j];
      }
    }
    terms += 4 * n;
    if (layer + 1 === last) {
      const end = chain.affine[last].weight;
      for (let j = 0; j < n; j++) for (let k = 0; k < cols; k++) total[k] += s[j * cols + k] * y.high[j];
      terms += end.cols;
      break;
    }
    w = multiply(chain.affine[layer + 1].weight, matrix(n, cols, s));
  }
  const g = gamma(terms);
  return total.map((v, k) => up(v + up(4 * g * error[k] + tiny)));
}

/** The largest sums that a column of W_layer meets: |W|^T |D y| of the row behind it, and the row of Y_layer itself. */
function meeting(
  chain: Chain,
  slopes: readonly Range[],
  rows: readonly (Range | undefined)[],
  layer: number,
): Float64Array {
  const { weight } = chain.affine[layer];
  const [here, behind] = [rows[layer] as Range, rows[layer + 1] as Range];
  const size = here.low.map((l, j) => Math.max(Math.abs(l), Math.abs(here.high[j])));
  for (let i = 0; i < weight.rows; i++) {
    const d = Math.max(Math.abs(slopes[layer].low[i]), Math.abs(slopes[layer].high[i]));
    const spread = d * Math.max(Math.abs(behind.low[i]), Math.abs(behind.high[i]));
    for (let j = 0; j < weight.cols; j++) size[j] += Math.abs(weight.data[i * weight.cols + j]) * spread;
  }
  return size;
}

/** Row r between two vectors, rounded outward; exact where there is no error. */
function rowOf({ mid, radius }: IntervalMatrix, r: number): Range {
  const from = r * mid.cols;
  const m = mid.data.subarray(from, from + mid.cols);
  const d = radius.subarray(from, from + mid.cols);
  return {
    low: m.map((v, j) => (d[j] === 0 ? v : down(v - d[j]))),
    high: m.map((v, j) => (d[j] === 0 ? v : up(v + d[j]))),
  };
}
