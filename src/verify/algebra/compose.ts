/** @file Sums, products and transposes of sparse matrices, which carry what their entries were rounded by. */
import { type Sparse, sparse } from "./sparse.ts";

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
