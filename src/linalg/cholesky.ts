/** @file Cholesky factors, and the proof by floating point that a matrix is positive definite: if the factorisation of a slightly shifted matrix runs to its end, the unshifted one is positive semidefinite in exact arithmetic. */
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { type Enclosure, frobeniusUp, gramEnclosure, normalised } from "./enclosure.ts";
import { symmetricUp } from "./gram.ts";
import { checkFinite, type Matrix } from "./matrix.ts";
import { down, gamma, scale, tiny, up } from "./rounding.ts";

/**
 * Factor A = L L^T, L lower triangular, reading the lower half of A; nothing where a pivot is not positive.
 * A row of L is zero up to where its row of A begins, so that a banded matrix costs its band.
 */
export function cholesky(A: Matrix): Matrix | undefined {
  if (A.rows !== A.cols) throw new ShapeError(`cholesky: the matrix must be square, got [${A.rows},${A.cols}]`);
  const n = A.rows;
  const L = new Float64Array(n * n);
  for (let i = 0; i < n; i += 2) {
    const both = i + 1 < n;
    const first = Math.min(firstEntry(A.data, n, i), both ? firstEntry(A.data, n, i + 1) : i);
    let from = first - (first % 4);
    // Rows in pairs, up to the columns that need the diagonal of the pair itself.
    if (both) for (; from + 4 <= i; from += 4) eliminatePair(A.data, L, n, i, from, first - (first % 4));
    for (let row = i; row < Math.min(i + 2, n); row++) {
      for (let j = from; j <= row; j += 4) eliminate(A.data, L, n, row, j, first - (first % 4));
      const pivot = L[row * (n + 1)];
      // The comparison also refuses NaN, and infinity stands for an overflow.
      if (!(pivot > 0 && pivot < Number.POSITIVE_INFINITY)) return undefined;
      L[row * (n + 1)] = Math.sqrt(pivot);
    }
  }
  return { rows: n, cols: n, data: L };
}

/** x with L L^T x = b, by substitution forth and back. */
export function choleskySolve(L: Matrix, b: Float64Array): Float64Array {
  const n = L.rows;
  const x = Float64Array.from(b);
  for (let i = 0; i < n; i++) {
    let sum = x[i];
    for (let j = 0; j < i; j++) sum -= L.data[i * n + j] * x[j];
    x[i] = sum / L.data[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    x[i] /= L.data[i * n + i];
    for (let j = 0; j < i; j++) x[j] -= L.data[i * n + j] * x[i];
  }
  return x;
}

/**
 * Prove sigma1(W) <= s. True is a proof; false says only that the proof did not succeed.
 *
 * Any s above sigma1 (1 + n (m + n) u) or so is proved, where n <= m are the sides of W.
 */
export function verifiedNorm(W: Matrix, s: number): boolean {
  if (Number.isNaN(s)) throw new UsageError("verifiedNorm: the bound must be a number, got NaN");
  checkFinite("verifiedNorm", W.data);
  const { data, exponent } = normalised(W.data);
  if (data.every((x) => x === 0)) return s >= 0;
  // An s below the largest entry, which is at least 1/2, is false; above it this scaling is exact or overflows upwards.
  const scaled = scale(s, -exponent);
  if (!(scaled >= 0.5)) return false;
  if (frobeniusUp(data) <= scaled) return true;
  return provedFactor(gramEnclosure({ ...W, data }), scaled, "proof") !== undefined;
}

/**
 * Prove G <= s^2 I for every symmetric G in an enclosure at exponent 0, and return a Cholesky factor of nearly s^2 I - mid;
 * nothing where the proof fails. With "proof" in place of "factor", a cheap norm of `mid` may decide and the result is just `true`.
 *
 * Floating Cholesky that runs to its end on a symmetric B gives L L^T = B + E, |E| <= gamma_{n+1} |L||L|^T (any order of
 * summation), thus ||row i of L||^2 <= b_ii / (1 - gamma_{n+1}), |E_ij| <= g sqrt(b_ii b_jj), g = gamma_{n+1} / (1 - gamma_{n+1}),
 * and ||E||_2 <= g tr(B): hence B >= -g tr(B) I. Here B has the entries of -mid off the diagonal and at most s^2 - mid_ii - c on it
 * (rounded down), so that for G = mid + D, ||D|| <= radius,
 *
 *     s^2 I - G >= B + (c - radius) I >= (c - radius - g tr(B)) I >= 0   with   c = g n s^2 + radius + tiny.
 *
 * tr(B) <= n s^2 because the diagonal of a computed Gram matrix is not negative; `tiny` covers underflow.
 *
 * Reference: Rump 2006, "Verification of positive definiteness", Theorem 2.3; Higham 2002, Theorem 10.3.
 */
export function provedFactor(G: Enclosure, s: number, want: "factor"): Matrix | undefined;
export function provedFactor(G: Enclosure, s: number, want: "proof"): true | undefined;
export function provedFactor(G: Enclosure, s: number, want: "factor" | "proof"): Matrix | true | undefined {
  const n = G.mid.rows;
  const square = down(s * s);
  if (want === "proof" && up(symmetricUp(G.mid) + G.radius) <= square) return true;
  const g = up(gamma(n + 1) / down(1 - gamma(n + 1)));
  const c = up(up(up(g * up(n * up(s * s))) + G.radius) + tiny);
  const B = G.mid.data.map((x) => -x);
  for (let i = 0; i < n; i++) {
    const at = i * (n + 1);
    B[at] = down(down(square + B[at]) - c);
    if (!(B[at] > 0)) return undefined;
  }
  const L = cholesky({ rows: n, cols: n, data: B });
  return want === "proof" ? (L === undefined ? undefined : true) : L;
}

// --- internal ---

/** The column where row i of the lower half begins. */
function firstEntry(A: Float64Array, n: number, i: number): number {
  let first = 0;
  while (first < i && A[i * n + first] === 0) first++;
  return first;
}

/** Entries j to j + 3 <= i of rows i and i + 1 of L. */
function eliminatePair(A: Float64Array, L: Float64Array, n: number, i: number, j: number, first: number): void {
  const top = i * n;
  const low = top + n;
  const r0 = j * n;
  const r1 = r0 + n;
  const r2 = r1 + n;
  const r3 = r2 + n;
  let s0 = A[top + j];
  let s1 = A[top + j + 1];
  let s2 = A[top + j + 2];
  let s3 = A[top + j + 3];
  let t0 = A[low + j];
  let t1 = A[low + j + 1];
  let t2 = A[low + j + 2];
  let t3 = A[low + j + 3];
  for (let k = first; k < j; k++) {
    const x = L[top + k];
    const y = L[low + k];
    const a = L[r0 + k];
    const b = L[r1 + k];
    const c = L[r2 + k];
    const d = L[r3 + k];
    s0 -= x * a;
    s1 -= x * b;
    s2 -= x * c;
    s3 -= x * d;
    t0 -= y * a;
    t1 -= y * b;
    t2 -= y * c;
    t3 -= y * d;
  }
  triangle(L, n, top, j, s0, s1, s2, s3);
  triangle(L, n, low, j, t0, t1, t2, t3);
}

/** The end of four sums: what the triangle of rows j to j + 3 takes off, and the division by its diagonal. */
function triangle(
  L: Float64Array,
  n: number,
  row: number,
  j: number,
  s0: number,
  s1: number,
  s2: number,
  s3: number,
): void {
  const r1 = (j + 1) * n + j;
  const r2 = r1 + n;
  const r3 = r2 + n;
  const x0 = s0 / L[r1 - n];
  const x1 = (s1 - x0 * L[r1]) / L[r1 + 1];
  const x2 = (s2 - x0 * L[r2] - x1 * L[r2 + 1]) / L[r2 + 2];
  const x3 = (s3 - x0 * L[r3] - x1 * L[r3 + 1] - x2 * L[r3 + 2]) / L[r3 + 3];
  L[row + j] = x0;
  L[row + j + 1] = x1;
  L[row + j + 2] = x2;
  L[row + j + 3] = x3;
}

/** Four entries of row i of L from column j on: the dot products with the rows above together from column `first` on, then the small triangle they share. */
function eliminate(A: Float64Array, L: Float64Array, n: number, i: number, j: number, first: number): void {
  const r = i * n;
  const last = Math.min(3, i - j);
  const r0 = j * n;
  const r1 = Math.min(j + 1, i) * n;
  const r2 = Math.min(j + 2, i) * n;
  const r3 = Math.min(j + 3, i) * n;
  let s0 = A[r + j];
  let s1 = A[r + Math.min(j + 1, i)];
  let s2 = A[r + Math.min(j + 2, i)];
  let s3 = A[r + Math.min(j + 3, i)];
  for (let k = first; k < j; k++) {
    const x = L[r + k];
    s0 -= x * L[r0 + k];
    s1 -= x * L[r1 + k];
    s2 -= x * L[r2 + k];
    s3 -= x * L[r3 + k];
  }
  const sums = [s0, s1, s2, s3];
  for (let a = 0; a <= last; a++) {
    let sum = sums[a];
    for (let b = 0; b < a; b++) sum -= L[r + j + b] * L[(j + a) * n + j + b];
    // The entry on the diagonal stays a pivot; the caller checks it and takes the root.
    L[r + j + a] = j + a === i ? sum : sum / L[(j + a) * n + j + a];
  }
}
