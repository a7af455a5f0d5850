/** @file Norms of sparse matrices that are found without effort, from above: sums of the sizes of their entries, and what those may err by. */
import { addUp, gamma, sqrtUp, sumUp, timesUp } from "./rounding.ts";
import type { Sparse } from "./sparse.ts";

/** Most entries of a row. */
export function longestRow({ rows, start }: Sparse): number {
  let longest = 0;
  for (let i = 0; i < rows; i++) longest = Math.max(longest, start[i + 1] - start[i]);
  return longest;
}

/** Upper bounds of the largest column sum and the largest row sum of the sizes: the l1 and l-inf norms of a matrix of absolute values. */
export function sumNorms(A: Sparse): { readonly 1: number; readonly inf: number } {
  const columns = new Float64Array(A.cols);
  const inColumn = new Int32Array(A.cols);
  let rowTop = 0;
  let [perRow, perColumn] = [0, 0];
  for (let i = 0; i < A.rows; i++) {
    let sum = 0;
    perRow = Math.max(perRow, A.start[i + 1] - A.start[i]);
    for (let k = A.start[i]; k < A.start[i + 1]; k++) {
      const s = Math.abs(A.size[k]);
      sum += s;
      columns[A.index[k]] += s;
      perColumn = Math.max(perColumn, ++inColumn[A.index[k]]);
    }
    rowTop = Math.max(rowTop, sum);
  }
  let columnTop = 0;
  for (const s of columns) columnTop = Math.max(columnTop, s);
  // The sizes were rounded like the values.
  const extra = A.roundings === 0 ? 0 : 2 * A.roundings + 2;
  const hair = (sum: number, terms: number) => sumUp(sum, terms + extra);
  return {
    // One number alone is its sum.
    1: perColumn <= 1 && extra === 0 ? columnTop : hair(columnTop, A.rows),
    inf: perRow <= 1 && extra === 0 ? rowTop : hair(rowTop, A.cols),
  };
}

/** The p-norm of |A| from above; for p = 2 by sqrt(||A||_1 ||A||_inf). */
export function absoluteNorm(A: Sparse, p: 1 | 2 | "inf"): number {
  const sums = sumNorms(A);
  return p === 2 ? sqrtUp(timesUp(sums[1], sums.inf)) : sums[p];
}

/** What the roundings of the entries can add to the p-norm. */
export const roundingNorm = (A: Sparse, p: 1 | 2 | "inf"): number =>
  A.roundings === 0 ? 0 : timesUp(gamma(A.roundings), absoluteNorm(A, p));

/** An upper bound of the p-norm without effort. */
export const quickNorm = (A: Sparse, p: 1 | 2 | "inf"): number => addUp(absoluteNorm(A, p), roundingNorm(A, p));
