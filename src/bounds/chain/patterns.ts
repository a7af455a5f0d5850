/** @file The largest ||B D A|| over all slopes D of one layer, by branch and bound: a convex function of D, hence largest where every slope is at an end of its range. */
import type { Matrix } from "../../linalg/matrix.ts";
import { spectralCost, spectralNorm } from "../../linalg/norm.ts";
import { up } from "../../linalg/rounding.ts";
import type { Budget } from "../budget.ts";
import { heap } from "../heap.ts";
import { timesUp } from "../norm/region.ts";
import { columnsTimes, exact, normOf, product, rowsTimes } from "./approximate.ts";
import type { Sector } from "./form.ts";

export interface PatternBound {
  /** Proved to be at least the maximum. */
  readonly value: number;
  readonly ended: boolean;
}

/**
 * Bound max over D of ||B D A|| from above, to a relative 1e-9 where time and `most` nodes allow.
 *
 * A node fixes the slopes of some neurons. With M the middle of the slopes that are left, R half their width, |s_j| <= 1,
 *
 *     ||B (M + R^(1/2) S R^(1/2)) A|| <= ||B M A|| + min( ||B R^(1/2)|| ||R^(1/2) A||, || |B| R |A| || )
 *
 * bounds all of its descendants: for ReLU it is the bound by D = (I + S) / 2. The node of the largest bound is split at the neuron with the
 * largest r_j |b_j| |a_j|.
 */
export async function patternBound(
  B: Matrix,
  A: Matrix,
  sector: Sector,
  clock: Budget,
  most = 4000,
): Promise<PatternBound> {
  const n = A.rows;
  const widths = sector.rho;
  const weight = widths.map((r, j) => r * rowLength(A, j) * columnLength(B, j));
  const order = Array.from(weight.keys()).sort((i, j) => weight[j] - weight[i]);
  const slopes = (signs: Int8Array) => ({
    mu: sector.mu.map((m, j) => (signs[j] === 0 ? m : m + signs[j] * widths[j])),
    rho: widths.map((r, j) => (signs[j] === 0 ? r : 0)),
  });
  const bound = (signs: Int8Array): number => {
    const { mu, rho } = slopes(signs);
    const middle = normOf(product(B, rowsTimes(exact(A), mu)));
    if (rho.every((r) => r === 0)) return middle;
    const roots = rho.map((r) => Math.sqrt(r));
    const apart = timesUp(normOf(columnsTimes(exact(B), roots)), normOf(rowsTimes(exact(A), roots)));
    const together = normOf(product(absolute(B), rowsTimes(exact(absolute(A)), rho)));
    return up(middle + Math.min(apart, together));
  };
  const open = heap<Int8Array>();
  const root = new Int8Array(n);
  open.push(bound(root), root);
  let reached = climb(B, A, slopes, n);
  let closed = 0;
  // A spectral norm or two of each child.
  const cost = 2 * spectralCost(B.rows, A.cols) + 4 * B.rows * A.cols * n;
  clock.spend(n * cost);
  for (let nodes = 0; open.size > 0; nodes++) {
    clock.spend(2 * cost);
    await clock.pause();
    if (open.top <= reached * (1 + 1e-9)) break;
    if (clock.expired || nodes >= most) return { value: Math.max(open.top, closed), ended: false };
    const signs = open.pop() as Int8Array;
    const at = order.find((j) => signs[j] === 0 && weight[j] > 0);
    for (const sign of [1, -1]) {
      const child = signs.slice();
      if (at !== undefined) child[at] = sign;
      // Neurons that do not count take either end.
      else
        child.forEach((s, j) => {
          if (s === 0) child[j] = 1;
        });
      const value = bound(child);
      if (child.every((s) => s !== 0)) {
        closed = Math.max(closed, value);
        reached = Math.max(reached, value * (1 - 1e-9));
      } else open.push(value, child);
      if (at === undefined) break;
    }
  }
  return { value: Math.max(open.size > 0 ? open.top : 0, closed), ended: true };
}

// --- internal ---

/** The norm at a vertex that no single flip improves; nearly a lower bound, and only used to stop early. */
function climb(B: Matrix, A: Matrix, slopes: (signs: Int8Array) => { readonly mu: Float64Array }, n: number): number {
  const at = (signs: Int8Array) => spectralNorm(product(B, rowsTimes(exact(A), slopes(signs).mu)).mid).lower;
  const signs = new Int8Array(n).fill(1);
  let best = at(signs);
  for (let moved = true; moved; ) {
    moved = false;
    for (let j = 0; j < n; j++) {
      signs[j] = -signs[j];
      const value = at(signs);
      if (value > best * (1 + 1e-9)) {
        best = value;
        moved = true;
      } else signs[j] = -signs[j];
    }
  }
  return best;
}

const absolute = (A: Matrix): Matrix => ({ ...A, data: A.data.map((x) => Math.abs(x)) });

function rowLength({ data, cols }: Matrix, i: number): number {
  let sum = 0;
  for (let j = 0; j < cols; j++) sum += data[i * cols + j] ** 2;
  return Math.sqrt(sum);
}

function columnLength({ data, rows, cols }: Matrix, j: number): number {
  let sum = 0;
  for (let i = 0; i < rows; i++) sum += data[i * cols + j] ** 2;
  return Math.sqrt(sum);
}
