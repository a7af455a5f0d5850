/**
 * @file Matrices by their non-zero entries. Every affine map of a network is one: a convolution, a dense layer, a mean, a reshape.
 * Entries that were computed carry the sum of absolute values that they came from, so that their rounding is known.
 */
import { must } from "./refusal.ts";
import { addUp, gamma, sqrtUp, sumUp, timesUp } from "./rounding.ts";

/** Row i has the entries start[i] .. start[i + 1] - 1, columns ascending. The exact entry is within gamma(roundings) size of value. */
export interface Sparse {
  readonly rows: number;
  readonly cols: number;
  readonly start: Int32Array;
  readonly index: Int32Array;
  readonly value: Float64Array;
  /** Not below |exact entry|, up to roundings; the same array as `value` where `roundings` is 0. */
  readonly size: Float64Array;
  readonly roundings: number;
}

/** Most entries of a matrix that is built, and most that are looked at on the way, zeros with them. */
const largest = { entries: 6e7, visits: 2e9 };

/** Make a matrix row by row; `row(i, put)` gives entries of row i in any order, each column once. */
export function sparse(
  rows: number,
  cols: number,
  row: (i: number, put: (column: number, value: number) => void) => void,
  roundings = 0,
): Sparse {
  let capacity = Math.max(16, rows);
  let index = new Int32Array(capacity);
  let value = new Float64Array(capacity);
  const start = new Int32Array(rows + 1);
  let count = 0;
  let visits = 0;
  const put = (column: number, v: number) => {
    visits++;
    if (v === 0) return;
    if (count === capacity) {
      must(
        count < largest.entries,
        () => `a map of ${cols} to ${rows} numbers: it has too many entries to be written out`,
      );
      capacity *= 2;
      const [wider, longer] = [new Int32Array(capacity), new Float64Array(capacity)];
      wider.set(index);
      longer.set(value);
      [index, value] = [wider, longer];
    }
    index[count] = column;
    value[count++] = v;
  };
  for (let i = 0; i < rows; i++) {
    row(i, put);
    must(visits < largest.visits, () => `a map of ${cols} to ${rows} numbers: it takes too long to be written out`);
    start[i + 1] = count;
    sortRow(index, value, start[i], count);
  }
  const own = value.slice(0, count);
  return { rows, cols, start, index: index.slice(0, count), value: own, size: own, roundings };
}

/** The identity. */
export const identity = (n: number): Sparse => sparse(n, n, (i, put) => put(i, 1));

/** A map that moves numbers: result i is number from[i] of n. */
export const selection = (from: Int32Array, n: number): Sparse => sparse(from.length, n, (i, put) => put(from[i], 1));

/** A B, with the roundings of both and of the sums. */
export function product(A: Sparse, B: Sparse): Sparse {
  const moves = selectionOf(A);
  if (moves) return inPlace(moves, B.rows) ? B : pickRows(B, moves);
  const before = selectionOf(B);
  if (before && inPlace(before, B.cols)) return A;
  let terms = 0;
  const acc = new Float64Array(B.cols);
  const accSize = new Float64Array(B.cols);
  const made = accumulate(
    A.rows,
    B.cols,
    (i, touch) => {
      terms = Math.max(terms, A.start[i + 1] - A.start[i]);
      for (let k = A.start[i]; k < A.start[i + 1]; k++) {
        const [a, s] = [A.value[k], Math.abs(A.size[k])];
        const r = A.index[k];
        for (let m = B.start[r]; m < B.start[r + 1]; m++) {
          const j = B.index[m];
          touch(j);
          acc[j] += a * B.value[m];
          accSize[j] += s * Math.abs(B.size[m]);
        }
      }
    },
    acc,
    accSize,
  );
  const exact = terms <= 1 && isUnit(A) && B.roundings === 0 && A.roundings === 0;
  return { ...made, roundings: exact ? 0 : A.roundings + B.roundings + 2 * terms + 3 };
}

/** A + B. */
export function plus(A: Sparse, B: Sparse): Sparse {
  const acc = new Float64Array(A.cols);
  const accSize = new Float64Array(A.cols);
  const made = accumulate(
    A.rows,
    A.cols,
    (i, touch) => {
      for (const M of [A, B]) {
        for (let k = M.start[i]; k < M.start[i + 1]; k++) {
          touch(M.index[k]);
          acc[M.index[k]] += M.value[k];
          accSize[M.index[k]] += Math.abs(M.size[k]);
        }
      }
    },
    acc,
    accSize,
  );
  return { ...made, roundings: A.roundings + B.roundings + 3 };
}

/** A^T. */
export function transposed({ rows, cols, start, index, value, size, roundings }: Sparse): Sparse {
  const first = new Int32Array(cols + 1);
  for (const j of index) first[j + 1]++;
  for (let j = 0; j < cols; j++) first[j + 1] += first[j];
  const at = first.slice();
  const turned = { index: new Int32Array(index.length), value: new Float64Array(index.length) };
  const turnedSize = size === value ? turned.value : new Float64Array(index.length);
  for (let i = 0; i < rows; i++) {
    for (let k = start[i]; k < start[i + 1]; k++) {
      const to = at[index[k]]++;
      turned.index[to] = i;
      turned.value[to] = value[k];
      if (size !== value) turnedSize[to] = size[k];
    }
  }
  return { rows: cols, cols: rows, start: first, ...turned, size: turnedSize, roundings };
}

/** Rows in another order. */
export function pickRows(A: Sparse, from: ArrayLike<number>): Sparse {
  const start = new Int32Array(from.length + 1);
  for (let i = 0; i < from.length; i++) start[i + 1] = start[i] + A.start[from[i] + 1] - A.start[from[i]];
  const index = new Int32Array(start[from.length]);
  const value = new Float64Array(start[from.length]);
  const size = A.size === A.value ? value : new Float64Array(start[from.length]);
  for (let i = 0; i < from.length; i++) {
    const [a, b] = [A.start[from[i]], A.start[from[i] + 1]];
    index.set(A.index.subarray(a, b), start[i]);
    value.set(A.value.subarray(a, b), start[i]);
    if (size !== value) size.set(A.size.subarray(a, b), start[i]);
  }
  return { ...A, rows: from.length, start, index, value, size };
}

/** y += A x, as floating point has it, for several pairs of y and x. */
export function multiplyInto(ys: readonly Float64Array[], A: Sparse, xs: readonly Float64Array[]): void {
  const { rows, start, index, value } = A;
  for (let at = 0; at < xs.length; at += 4) {
    // Four at a time: each entry is read once for all of them.
    const [y0, y1, y2, y3] = [0, 1, 2, 3].map((k) => ys[Math.min(at + k, ys.length - 1)]);
    const [x0, x1, x2, x3] = [0, 1, 2, 3].map((k) => xs[Math.min(at + k, xs.length - 1)]);
    const together = Math.min(4, xs.length - at);
    for (let i = 0; i < rows; i++) {
      let s0 = y0[i];
      let s1 = y1[i];
      let s2 = y2[i];
      let s3 = y3[i];
      const end = start[i + 1];
      for (let k = start[i]; k < end; k++) {
        const v = value[k];
        const j = index[k];
        s0 += v * x0[j];
        s1 += v * x1[j];
        s2 += v * x2[j];
        s3 += v * x3[j];
      }
      y0[i] = s0;
      if (together > 1) y1[i] = s1;
      if (together > 2) y2[i] = s2;
      if (together > 3) y3[i] = s3;
    }
  }
}

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

// --- internal ---

function accumulate(
  rows: number,
  cols: number,
  row: (i: number, touch: (j: number) => void) => void,
  acc: Float64Array,
  accSize: Float64Array,
): Sparse {
  const seen = new Int32Array(cols).fill(-1);
  const sizes: number[][] = [];
  let touched: number[] = [];
  const made = sparse(rows, cols, (i, put) => {
    touched = [];
    row(i, (j) => {
      if (seen[j] === i) return;
      seen[j] = i;
      touched.push(j);
    });
    touched.sort((a, b) => a - b);
    const own: number[] = [];
    for (const j of touched) {
      // An entry that cancels to 0 still has a size.
      const v = acc[j] === 0 && accSize[j] > 0 ? Number.MIN_VALUE : acc[j];
      if (v !== 0) own.push(accSize[j]);
      put(j, v);
      acc[j] = 0;
      accSize[j] = 0;
    }
    sizes.push(own);
  });
  return { ...made, size: Float64Array.from(sizes.flat()) };
}

/** Where a matrix only moves numbers: the column of every row. */
function selectionOf({ rows, start, index, value, roundings }: Sparse): Int32Array | null {
  if (roundings > 0 || index.length !== rows) return null;
  for (let i = 0; i < rows; i++) if (start[i + 1] !== i + 1 || value[i] !== 1) return null;
  return index;
}

const inPlace = (moves: Int32Array, n: number): boolean => moves.length === n && moves.every((k, i) => k === i);

const isUnit = ({ value }: Sparse): boolean => value.every((v) => v === 1 || v === -1);

function sortRow(index: Int32Array, value: Float64Array, from: number, to: number): void {
  let sorted = true;
  for (let k = from + 1; k < to && sorted; k++) sorted = index[k - 1] < index[k];
  if (sorted) return;
  const order = Array.from({ length: to - from }, (_, k) => from + k).sort((a, b) => index[a] - index[b]);
  const columns = order.map((k) => index[k]);
  const values = order.map((k) => value[k]);
  index.set(columns, from);
  value.set(values, from);
}
