/** @file Systems with a triangular matrix. */
import type { Matrix } from "./matrix.ts";

/** X with X C^T = A, row by row. */
export function solveRows(C: Matrix, A: Matrix): Matrix {
  const n = C.rows;
  const X = A.data.slice();
  const c = C.data;
  // Where the rows of C begin: a diagonal or banded C costs what it holds.
  const begins = Array.from({ length: n }, (_, j) => {
    let k = 0;
    while (k < j && c[j * n + k] === 0) k++;
    return k;
  });
  // Four rows and two columns at a time: each entry that is read serves more than one sum.
  for (let r = 0; r < A.rows; r += 4) {
    const rows = Math.min(4, A.rows - r);
    const x0 = r * n;
    const x1 = (r + Math.min(1, rows - 1)) * n;
    const x2 = (r + Math.min(2, rows - 1)) * n;
    const x3 = (r + Math.min(3, rows - 1)) * n;
    for (let j = 0; j < n; j += 2) {
      const both = j + 1 < n;
      const at = j * n;
      const next = both ? at + n : at;
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      let t0 = 0;
      let t1 = 0;
      let t2 = 0;
      let t3 = 0;
      for (let k = both ? Math.min(begins[j], begins[j + 1]) : begins[j]; k < j; k++) {
        const y = c[at + k];
        const z = c[next + k];
        const a = X[x0 + k];
        const b = X[x1 + k];
        const d = X[x2 + k];
        const e = X[x3 + k];
        s0 += a * y;
        s1 += b * y;
        s2 += d * y;
        s3 += e * y;
        t0 += a * z;
        t1 += b * z;
        t2 += d * z;
        t3 += e * z;
      }
      // A row that is repeated has the same result, which is taken before the first is written.
      const pivot = c[at + j];
      const y0 = (X[x0 + j] - s0) / pivot;
      const y1 = (X[x1 + j] - s1) / pivot;
      const y2 = (X[x2 + j] - s2) / pivot;
      const y3 = (X[x3 + j] - s3) / pivot;
      X[x0 + j] = y0;
      X[x1 + j] = y1;
      X[x2 + j] = y2;
      X[x3 + j] = y3;
      if (!both) continue;
      const l = c[next + j];
      const p = c[next + j + 1];
      const z0 = (X[x0 + j + 1] - t0 - y0 * l) / p;
      const z1 = (X[x1 + j + 1] - t1 - y1 * l) / p;
      const z2 = (X[x2 + j + 1] - t2 - y2 * l) / p;
      const z3 = (X[x3 + j + 1] - t3 - y3 * l) / p;
      X[x0 + j + 1] = z0;
      X[x1 + j + 1] = z1;
      X[x2 + j + 1] = z2;
      X[x3 + j + 1] = z3;
    }
  }
  return { rows: A.rows, cols: n, data: X };
}
