/** @file The leading singular triplets of a matrix. Accurate enough for estimates; a bound that is built on them must count in what is left. */
import { cholesky } from "../../linalg/cholesky.ts";
import { rotation, turn } from "../../linalg/eigh.ts";
import { gramMatrix, identity, type Matrix, multiply, transpose } from "../../linalg/matrix.ts";
import { solveRows } from "../../linalg/triangular.ts";
import { random } from "../../tensor/random.ts";

export interface Triplets {
  /** Largest first. */
  readonly values: Float64Array;
  /** Row k belongs to values[k]: W right_k ~ values[k] left_k. */
  readonly left: Matrix;
  readonly right: Matrix;
}

/**
 * The k leading triplets of W, fewer where a side is shorter.
 *
 * Up to 384 rows or columns all of them, by one-sided Jacobi rotations. Beyond, by ten rounds of subspace iteration with k + 10
 * directions, in the span of which the rotations find the best.
 */
export function leadingTriplets(W: Matrix, k: number): Triplets {
  if (W.rows < W.cols) {
    const { values, left, right } = leadingTriplets(transpose(W), k);
    return { values, left: right, right: left };
  }
  const n = W.cols;
  const X = n <= 384 ? identity(n) : subspace(W, Math.min(n, k + 10));
  return rotated(W, X, Math.min(k, n));
}

// --- internal ---

/** Orthonormal rows that span nearly the leading right directions. */
function subspace(W: Matrix, count: number): Matrix {
  const source = random(0);
  let X = orthonormal({
    rows: count,
    cols: W.cols,
    data: Float64Array.from({ length: count * W.cols }, () => source.normal()),
  });
  const turned = transpose(W);
  for (let round = 0; round < 10; round++) X = orthonormal(multiply(multiply(X, turned), W));
  return X;
}

/** Rows of the same span, orthonormal to rounding: Cholesky of the Gram matrix, twice. */
function orthonormal(X: Matrix): Matrix {
  let Y = X;
  for (let pass = 0; pass < 2; pass++) {
    const G = gramMatrix(Y);
    let trace = 0;
    for (let i = 0; i < G.rows; i++) trace += G.data[i * (G.rows + 1)];
    for (let i = 0; i < G.rows; i++) G.data[i * (G.rows + 1)] += 1e-14 * trace;
    const C = cholesky(G);
    if (C === undefined) return Y;
    Y = transpose(solveRows(C, transpose(Y)));
  }
  return Y;
}

/** Turn the rows of X until those of X W^T are orthogonal: their lengths are the singular values. */
function rotated(W: Matrix, X: Matrix, k: number): Triplets {
  const { rows: n, cols } = X;
  const x = X.data.slice();
  const m = W.rows;
  const b = multiply(X, transpose(W)).data;
  const along = (p: number, q: number) => {
    let sum = 0;
    for (let i = 0; i < m; i++) sum += b[p * m + i] * b[q * m + i];
    return sum;
  };
  for (let sweep = 0; sweep < 30; sweep++) {
    let rotations = 0;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        const [pp, qq, pq] = [along(p, p), along(q, q), along(p, q)];
        if (Math.abs(pq) <= 1e-15 * Math.sqrt(pp) * Math.sqrt(qq) || pq === 0) continue;
        rotations++;
        const [c, s] = rotation(pp, qq, pq);
        for (let i = 0; i < m; i++) turn(b, p * m + i, q * m + i, c, s);
        for (let i = 0; i < cols; i++) turn(x, p * cols + i, q * cols + i, c, s);
      }
    }
    if (rotations === 0) break;
  }
  const lengths = Float64Array.from({ length: n }, (_, p) => Math.sqrt(along(p, p)));
  const order = Array.from(lengths.keys())
    .sort((p, q) => lengths[q] - lengths[p])
    .slice(0, k);
  const left = new Float64Array(k * m);
  const right = new Float64Array(k * cols);
  order.forEach((p, r) => {
    // A singular value of 0 has no left direction.
    for (let i = 0; i < m; i++) left[r * m + i] = lengths[p] === 0 ? 0 : b[p * m + i] / lengths[p];
    right.set(x.subarray(p * cols, (p + 1) * cols), r * cols);
  });
  return {
    values: Float64Array.from(order, (p) => lengths[p]),
    left: { rows: k, cols: m, data: left },
    right: { rows: k, cols, data: right },
  };
}
