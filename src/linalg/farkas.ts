/**
 * @file Proofs that half-spaces share no point, from multipliers that were only computed (Farkas): in a bounded box a small rest does not
 * matter, on an unbounded one the exact multipliers are proved to exist nearby. Rounding of the half-spaces themselves is included.
 */
import { down, gamma, tiny, up } from "./rounding.ts";

/** normal . x + offset >= 0, each number known to within its error. An error of 0 says that the number is exact. */
export interface HalfSpace {
  readonly normal: Float64Array;
  readonly offset: number;
  readonly normalError: Float64Array;
  readonly offsetError: number;
}

/** Does sum y_i (g_i . x + c_i) < 0 hold for every x of the box and all half-spaces within their errors? The sides of the box need no part in it. */
export function refutes(rows: readonly HalfSpace[], y: Float64Array, low: Float64Array, high: Float64Array): boolean {
  const n = low.length;
  const g = gamma(rows.length + n + 4);
  const normal = new Float64Array(n);
  let total = 0;
  let error = 0;
  const size = new Float64Array(n);
  const spread = new Float64Array(n);
  rows.forEach((row, i) => {
    if (y[i] === 0) return;
    total += y[i] * row.offset;
    error += 4 * g * Math.abs(y[i] * row.offset) + 2 * y[i] * row.offsetError;
    for (let k = 0; k < n; k++) {
      normal[k] += y[i] * row.normal[k];
      size[k] += Math.abs(y[i] * row.normal[k]);
      spread[k] += 4 * g * Math.abs(y[i] * row.normal[k]) + 2 * y[i] * row.normalError[k];
    }
  });
  for (let k = 0; k < n; k++) {
    // An unbounded direction is harmless where nothing points along it, or surely to the bounded side.
    if (size[k] === 0 && spread[k] === 0) continue;
    spread[k] += tiny;
    if (normal[k] + spread[k] < 0) total += (normal[k] + spread[k]) * low[k];
    else if (normal[k] - spread[k] > 0) total += (normal[k] - spread[k]) * high[k];
    else total += spread[k] * 2 * Math.max(Math.abs(low[k]), Math.abs(high[k]));
    if (!(total < Number.POSITIVE_INFINITY)) return false;
    error += (4 * g * size[k] + 2 * spread[k]) * (finite(low[k]) + finite(high[k])) + 4 * g * Math.abs(total);
  }
  return up(total + up(2 * error + tiny)) < 0;
}

/**
 * Prove that for every matrix B within its errors, whose columns are (g_i, 1) of the basis, the solution of B y = (0, ..., 0, 1) is
 * >= 0 with c . y < 0. With R near B^-1, q = ||I - R B||_inf < 1 for all of them, and a computed y,
 *
 *     |B^-1 e - y|_inf <= ||R (e - B y)||_inf / (1 - q).
 */
export function refutesExactly(rows: readonly HalfSpace[], basis: readonly number[], n: number): boolean {
  const size = n + 1;
  if (basis.length !== size || basis.some((i) => i >= rows.length)) return false;
  const columns = basis.map((i) => rows[i]);
  const at = (k: number, i: number) => (k === n ? 1 : columns[i].normal[k]);
  const errorAt = (k: number, i: number) => (k === n ? 0 : columns[i].normalError[k]);
  const R = inverse(size, at);
  if (!R) return false;
  const y = R.map((row) => row[n]);
  const g = gamma(2 * size + 8);
  let q = 0;
  for (const [r, row] of R.entries()) {
    let sum = 0;
    for (let i = 0; i < size; i++) {
      let entry = r === i ? 1 : 0;
      let error = 1;
      for (let k = 0; k < size; k++) {
        entry -= row[k] * at(k, i);
        error += Math.abs(row[k] * at(k, i));
        sum += 2 * Math.abs(row[k]) * errorAt(k, i);
      }
      sum += Math.abs(entry) + 4 * g * error;
    }
    q = Math.max(q, up(sum * (1 + 2 ** -40)));
  }
  if (!(q < 0.5)) return false;
  const residual = Array.from({ length: size }, (_, k) => {
    let value = k === n ? 1 : 0;
    let error = 1;
    let spread = 0;
    for (let i = 0; i < size; i++) {
      value -= at(k, i) * y[i];
      error += Math.abs(at(k, i) * y[i]);
      spread += errorAt(k, i) * Math.abs(y[i]);
    }
    return up((Math.abs(value) + 4 * g * error + 2 * spread) * (1 + 2 ** -40));
  });
  let moved = 0;
  for (const row of R) {
    const change = row.reduce((s, v, k) => s + Math.abs(v) * residual[k], 0);
    moved = Math.max(moved, up((change * (1 + 2 ** -40)) / down(1 - q)));
  }
  let value = 0;
  let error = 0;
  for (let i = 0; i < size; i++) {
    if (!(y[i] - moved > 0)) return false;
    value += columns[i].offset * y[i];
    error += Math.abs(columns[i].offset) * (moved + 4 * g * y[i]) + columns[i].offsetError * (y[i] + moved);
  }
  return up(value + up(2 * error + tiny)) < 0;
}

// --- internal ---

const finite = (x: number): number => (Number.isFinite(x) ? Math.abs(x) : 0);

/** Gauss-Jordan with partial pivoting; null where a pivot is too small to trust. */
function inverse(n: number, at: (row: number, column: number) => number): Float64Array[] | null {
  const A = Array.from({ length: n }, (_, k) =>
    Float64Array.from({ length: 2 * n }, (_, i) => (i < n ? at(k, i) : i - n === k ? 1 : 0)),
  );
  for (let c = 0; c < n; c++) {
    let best = c;
    for (let k = c + 1; k < n; k++) if (Math.abs(A[k][c]) > Math.abs(A[best][c])) best = k;
    if (!(Math.abs(A[best][c]) > 1e-12)) return null;
    [A[c], A[best]] = [A[best], A[c]];
    const factor = 1 / A[c][c];
    for (let i = 0; i < 2 * n; i++) A[c][i] *= factor;
    for (let k = 0; k < n; k++) {
      const f = A[k][c];
      if (k === c || f === 0) continue;
      for (let i = 0; i < 2 * n; i++) A[k][i] -= f * A[c][i];
    }
  }
  return A.map((row) => row.slice(n));
}
