/**
 * @file Matrices by their non-zero entries. Every affine map of a network is one: a convolution, a dense layer, a mean, a reshape.
 * Entries that were computed carry the sum of absolute values that they came from, so that their rounding is known.
 */
import { must } from "../refusal.ts";

/** Most numbers of a tensor. */
export const largestTensor = 2 ** 24;

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
const largest = { entries: 2e7, visits: 1e9 };

/** Make a matrix row by row; `row(i, put)` gives entries of row i in any order, each column once. */
export function sparse(
  rows: number,
  cols: number,
  row: (i: number, put: (column: number, value: number) => void) => void,
  roundings = 0,
): Sparse {
  must(Math.max(rows, cols) <= largestTensor, () => `a map of ${cols} to ${rows} numbers: it is too large`);
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

// --- internal ---

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
