/** @file Dense float64 matrices, row-major, and their product. Everything heavy goes through one kernel of dot products of rows, cut into tiles; a dot product of length n errs by at most gamma_n, in whatever order it is summed. */
import { ShapeError, UsageError } from "../tensor/errors.ts";

export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float64Array;
}

/** Make a matrix from its rows one after the other; numbers of any other kind are copied. */
export function matrix(rows: number, cols: number, data: ArrayLike<number>): Matrix {
  if (!Number.isInteger(rows) || !Number.isInteger(cols) || rows < 1 || cols < 1 || data.length !== rows * cols) {
    throw new ShapeError(`matrix: sides must be positive and fit the data, got [${rows},${cols}] and ${data.length}`);
  }
  return { rows, cols, data: data instanceof Float64Array ? data : Float64Array.from(data) };
}

/** The n x n identity. */
export function identity(n: number): Matrix {
  const data = new Float64Array(n * n);
  for (let i = 0; i < n; i++) data[i * (n + 1)] = 1;
  return { rows: n, cols: n, data };
}

/** A^T. */
export function transpose(A: Matrix): Matrix {
  const { rows, cols, data } = A;
  const result = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) result[j * rows + i] = data[i * cols + j];
  }
  return { rows: cols, cols: rows, data: result };
}

/** A B. */
export function multiply(A: Matrix, B: Matrix): Matrix {
  if (A.cols !== B.rows) {
    throw new ShapeError(`multiply: inner sides must match, got [${A.rows},${A.cols}] and [${B.rows},${B.cols}]`);
  }
  return multiplyTransposed(A, transpose(B));
}

/** A B^T. */
export function multiplyTransposed(A: Matrix, B: Matrix): Matrix {
  if (A.cols !== B.cols) {
    const got = `[${A.rows},${A.cols}] and [${B.rows},${B.cols}]`;
    throw new ShapeError(`multiplyTransposed: rows must have the same length, got ${got}`);
  }
  const data = new Float64Array(A.rows * B.rows);
  rowDots(A, B, data, "all");
  return { rows: A.rows, cols: B.rows, data };
}

/** W^T W or W W^T, whichever is smaller; both have the squared singular values of W as eigenvalues. Exactly symmetric. */
export function gramMatrix(W: Matrix): Matrix {
  return rowGram(W.rows <= W.cols ? W : transpose(W));
}

/** X X^T, exactly symmetric. */
export function rowGram(X: Matrix): Matrix {
  const n = X.rows;
  const data = new Float64Array(n * n);
  rowDots(X, X, data, "lower");
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) data[i * n + j] = data[j * n + i];
  }
  return { rows: n, cols: n, data };
}

/** The Frobenius norm, sqrt(sum of squares), rounded to nearest in each operation and scaled against overflow. */
export function frobeniusNorm(A: Matrix): number {
  const top = largestEntry(A.data);
  if (top === 0 || !Number.isFinite(top)) return top;
  let sum = 0;
  for (const x of A.data) sum += (x / top) * (x / top);
  return top * Math.sqrt(sum);
}

/** max |x|; NaN where there is one. */
export function largestEntry(data: Float64Array): number {
  let top = 0;
  for (let i = 0; i < data.length; i++) {
    const size = Math.abs(data[i]);
    if (!(size <= top)) top = size;
    if (Number.isNaN(top)) return top;
  }
  return top;
}

export interface Bands {
  /** First entry of each row that is not zero, and one past the last. */
  readonly low: Int32Array;
  readonly high: Int32Array;
}

/** Where the entries of each row are: what is outside costs nothing. */
export function bandsOf({ rows, cols, data }: Matrix): Bands {
  const low = new Int32Array(rows);
  const high = new Int32Array(rows);
  for (let i = 0; i < rows; i++) {
    let first = 0;
    let end = cols;
    while (first < cols && data[i * cols + first] === 0) first++;
    while (end > first && data[i * cols + end - 1] === 0) end--;
    low[i] = first;
    high[i] = end;
  }
  return { low, high };
}

/** Throw a UsageError at the first entry that is NaN or infinite. */
export function checkFinite(who: string, data: Float64Array): void {
  for (let at = 0; at < data.length; at++) {
    if (Number.isFinite(data[at])) continue;
    throw new UsageError(`${who}: entries must be finite, got ${data[at]} at position ${at}`);
  }
}

// --- internal ---

/** Columns handled at a time: six pieces of rows of this length fit the first-level cache. */
const strip = 512;

/**
 * out[i, j] = <row i of A, row j of B>, everywhere or at least on and below the diagonal.
 * Tiles of 2 x 4 sums; at an edge a tile repeats the last row instead of ending early, and writes the same number twice.
 */
function rowDots(A: Matrix, B: Matrix, out: Float64Array, part: "all" | "lower"): void {
  const n = A.rows;
  const p = B.rows;
  const m = A.cols;
  const a = A.data;
  const b = B.data;
  // A Gram matrix of banded rows costs what their bands share.
  const bands = part === "lower" ? bandsOf(A) : null;
  for (let start = 0; start < m; start += strip) {
    const end = Math.min(strip, m - start);
    for (let i = 0; i < n; i += 2) {
      const below = Math.min(i + 1, n - 1);
      const a0 = i * m + start;
      const a1 = below * m + start;
      const width = part === "all" ? p : below + 1;
      for (let j = 0; j < width; j += 4) {
        const j1 = Math.min(j + 1, p - 1);
        const j2 = Math.min(j + 2, p - 1);
        const j3 = Math.min(j + 3, p - 1);
        const b0 = j * m + start;
        const b1 = j1 * m + start;
        const b2 = j2 * m + start;
        const b3 = j3 * m + start;
        const top = i * p;
        const bottom = below * p;
        const from = bands
          ? Math.max(0, Math.min(bands.low[i], bands.low[below]) - start, lowest(bands, j, j3) - start)
          : 0;
        const to = bands
          ? Math.min(end, Math.max(bands.high[i], bands.high[below]) - start, highest(bands, j, j3) - start)
          : end;
        let s0 = out[top + j];
        let s1 = out[top + j1];
        let s2 = out[top + j2];
        let s3 = out[top + j3];
        let t0 = out[bottom + j];
        let t1 = out[bottom + j1];
        let t2 = out[bottom + j2];
        let t3 = out[bottom + j3];
        for (let k = from; k < to; k++) {
          const x = a[a0 + k];
          const y = a[a1 + k];
          s0 += x * b[b0 + k];
          s1 += x * b[b1 + k];
          s2 += x * b[b2 + k];
          s3 += x * b[b3 + k];
          t0 += y * b[b0 + k];
          t1 += y * b[b1 + k];
          t2 += y * b[b2 + k];
          t3 += y * b[b3 + k];
        }
        out[top + j] = s0;
        out[top + j1] = s1;
        out[top + j2] = s2;
        out[top + j3] = s3;
        out[bottom + j] = t0;
        out[bottom + j1] = t1;
        out[bottom + j2] = t2;
        out[bottom + j3] = t3;
      }
    }
  }
}

function lowest({ low }: Bands, from: number, to: number): number {
  let least = low[from];
  for (let j = from + 1; j <= to; j++) least = Math.min(least, low[j]);
  return least;
}

function highest({ high }: Bands, from: number, to: number): number {
  let most = high[from];
  for (let j = from + 1; j <= to; j++) most = Math.max(most, high[j]);
  return most;
}
