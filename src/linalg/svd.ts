/** @file Singular values by one-sided Jacobi rotations (Hestenes). Accurate to rounding, small singular values included, but not a proof: for tests and small work. */
import { rotation, turn } from "./eigh.ts";
import { normalised } from "./enclosure.ts";
import { checkFinite, type Matrix, transpose } from "./matrix.ts";
import { scale } from "./rounding.ts";

/** The min(rows, cols) singular values of W, largest first. */
export function singularValues(W: Matrix): Float64Array {
  checkFinite("singularValues", W.data);
  const { data, exponent } = normalised(W.data);
  const { rows: n, cols: m, data: x } = W.rows <= W.cols ? { ...W, data } : transpose({ ...W, data });
  for (let sweep = 0; sweep < 60; sweep++) {
    let rotations = 0;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const [pp, qq, pq] = [dot(x, p, p, m), dot(x, q, q, m), dot(x, p, q, m)];
        if (Math.abs(pq) <= 4 * Number.EPSILON * Math.sqrt(pp) * Math.sqrt(qq) || pq === 0) continue;
        rotations++;
        const [c, s] = rotation(pp, qq, pq);
        for (let k = 0; k < m; k++) turn(x, p * m + k, q * m + k, c, s);
      }
    }
    if (rotations === 0) break;
  }
  const values = Float64Array.from({ length: n }, (_, i) => scale(Math.sqrt(dot(x, i, i, m)), exponent));
  return values.sort((a, b) => b - a);
}

// --- internal ---

/** The inner product of rows p and q. */
function dot(x: Float64Array, p: number, q: number, m: number): number {
  let sum = 0;
  for (let k = 0; k < m; k++) sum += x[p * m + k] * x[q * m + k];
  return sum;
}
