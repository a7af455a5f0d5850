/** @file Eigenvalues of small symmetric matrices by cyclic Jacobi rotations. Accurate to rounding but not a proof, and O(n^3) a sweep: for tests and small work. */
import { ShapeError } from "../tensor/errors.ts";
import { identity, type Matrix } from "./matrix.ts";

export interface SymmetricEigen {
  /** Largest first. */
  readonly values: Float64Array;
  /** Column k belongs to values[k]. */
  readonly vectors: Matrix;
}

/** Diagonalise a symmetric A = V diag(values) V^T, reading all of A. */
export function symmetricEigen(A: Matrix): SymmetricEigen {
  if (A.rows !== A.cols) throw new ShapeError(`symmetricEigen: the matrix must be square, got [${A.rows},${A.cols}]`);
  const n = A.rows;
  const a = Float64Array.from(A.data);
  const v = identity(n).data;
  for (let sweep = 0; sweep < 60; sweep++) {
    let rotations = 0;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const off = a[p * n + q];
        const [first, second] = [a[p * n + p], a[q * n + q]];
        if (Math.abs(off) <= Number.EPSILON * 0.25 * Math.sqrt(Math.abs(first)) * Math.sqrt(Math.abs(second))) continue;
        if (Math.abs(off) < Number.MIN_VALUE / Number.EPSILON) continue;
        rotations++;
        const [c, s] = rotation(first, second, off);
        for (let k = 0; k < n; k++) turn(a, k * n + p, k * n + q, c, s);
        for (let k = 0; k < n; k++) turn(a, p * n + k, q * n + k, c, s);
        for (let k = 0; k < n; k++) turn(v, k * n + p, k * n + q, c, s);
      }
    }
    if (rotations === 0) break;
  }
  const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => a[j * n + j] - a[i * n + i]);
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) vectors[i * n + k] = v[i * n + order[k]];
  }
  return { values: Float64Array.from(order, (i) => a[i * n + i]), vectors: { rows: n, cols: n, data: vectors } };
}

/** Cosine and sine of the rotation that diagonalises [[first, off], [off, second]], the smaller of the two angles. */
export function rotation(first: number, second: number, off: number): readonly [number, number] {
  const ratio = (second - first) / (2 * off);
  const t = (ratio >= 0 ? 1 : -1) / (Math.abs(ratio) + Math.hypot(1, ratio));
  const c = 1 / Math.sqrt(1 + t * t);
  return [c, c * t];
}

/** Rotate two entries of an array in place. */
export function turn(a: Float64Array, i: number, j: number, c: number, s: number): void {
  const [x, y] = [a[i], a[j]];
  a[i] = c * x - s * y;
  a[j] = s * x + c * y;
}
