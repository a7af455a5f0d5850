/**
 * @file The chain inequality: a block tridiagonal matrix that is positive semidefinite exactly where multipliers prove a constant.
 * Block 0 is the input, blocks 1..L-1 are the hidden layers, block L is the output.
 *
 *     K(Lambda, r) = blocks (i, i): I,  Lambda_i,  r I,   each plus W_{i+1}^T Pi_{i+1} Lambda_{i+1} W_{i+1} where there is a hidden layer i + 1
 *                    blocks (i, i - 1): -Lambda_i M_i W_i,  and -W_L
 *
 * Why: with z_0 = x, z_i = D_i W_i z_{i-1}, every slope in its sector, v^T K v for v = (z_0, ..., z_{L-1}, W_L z_{L-1} / r) is
 * |x|^2 - |W_L z_{L-1}|^2 / r minus a sum of lambda_j (-z_j^2 + 2 mu_j z_j w_j - pi_j w_j^2), each of which is >= 0.
 *
 * Reference: Fazlyab, Robey, Hassani, Morari, Pappas 2019 (LipSDP-Neuron), written as in Xu and Sivaranjani 2024 (ECLipsE).
 */
import { cholesky } from "../linalg/cholesky.ts";
import { identity, type Matrix, multiply, transpose } from "../linalg/matrix.ts";
import type { ChainForm, Sector } from "./chainForm.ts";

export type Multipliers = readonly Float64Array[];

/** Block i of a factor of K: rows [T | C] with C lower triangular; T meets the columns of block i - 1. */
export interface FactorBlock {
  readonly C: Matrix;
  readonly T: Matrix;
}

/** Blocks 0..L-1 of the factor of K, and the Gram matrix R = W_L (...)^-1 W_L^T: K >= 0 exactly where r >= lambda_max(R). */
export interface Factor {
  readonly blocks: readonly FactorBlock[];
  readonly R: Matrix;
}

/** Factor K without its last block; nothing where that is not positive definite. */
export function factorChain({ weights, sectors }: ChainForm, multipliers: Multipliers): Factor | undefined {
  const blocks: FactorBlock[] = [];
  for (let i = 0; i < weights.length; i++) {
    const width = weights[i].cols;
    const own = i === 0 ? identity(width) : diagonal(multipliers[i - 1]);
    addSectorTerm(own, weights[i], sectors[i], multipliers[i]);
    if (i === 0 && isIdentity(sectors[0])) {
      blocks.push({ C: own, T: { rows: width, cols: 0, data: new Float64Array(0) } });
      continue;
    }
    const off = i === 0 ? null : coupling(weights[i - 1], sectors[i - 1].mu, multipliers[i - 1]);
    const block = factorBlock(blocks[i - 1]?.C ?? null, off, own);
    if (block === undefined) return undefined;
    blocks.push(block);
  }
  const last = weights[weights.length - 1];
  const T = solveRows(blocks[blocks.length - 1].C, last);
  return { blocks, R: multiply(T, transpose(T)) };
}

/** The rows that belong to a block, given the triangle before it; `own` is read in its lower half. */
export function factorBlock(before: Matrix | null, off: Matrix | null, own: Matrix): FactorBlock | undefined {
  const n = own.rows;
  const p = before === null || off === null ? 0 : before.rows;
  const side = p + n;
  const stacked = new Float64Array(side * side);
  for (let r = 0; r < p; r++) stacked.set(before!.data.subarray(r * p, (r + 1) * p), r * side);
  for (let r = 0; r < n; r++) {
    if (p > 0) stacked.set(off!.data.subarray(r * p, (r + 1) * p), (p + r) * side);
    stacked.set(own.data.subarray(r * n, (r + 1) * n), (p + r) * side + p);
  }
  const L = cholesky({ rows: side, cols: side, data: stacked }, p);
  if (L === undefined) return undefined;
  const C = new Float64Array(n * n);
  const T = new Float64Array(n * p);
  for (let r = 0; r < n; r++) {
    T.set(L.data.subarray((p + r) * side, (p + r) * side + p), r * p);
    C.set(L.data.subarray((p + r) * side + p, (p + r + 1) * side), r * n);
  }
  return { C: { rows: n, cols: n, data: C }, T: { rows: n, cols: p, data: T } };
}

/** -Lambda M W. */
export function coupling(W: Matrix, mu: Float64Array, lambda: Float64Array): Matrix {
  const data = W.data.slice();
  for (let i = 0; i < W.rows; i++) {
    const factor = -lambda[i] * mu[i];
    for (let j = 0; j < W.cols; j++) data[i * W.cols + j] *= factor;
  }
  return { ...W, data };
}

/** own += W^T Pi Lambda W, where there is a hidden layer to come. */
export function addSectorTerm(
  own: Matrix,
  W: Matrix,
  sector: Sector | undefined,
  lambda: Float64Array | undefined,
): void {
  if (sector === undefined || lambda === undefined || isIdentity(sector)) return;
  const turned = transpose(W);
  const weighted = turned.data.slice();
  for (let c = 0; c < turned.rows; c++) {
    for (let j = 0; j < turned.cols; j++) weighted[c * turned.cols + j] *= sector.pi[j] * lambda[j];
  }
  const term = multiply({ ...turned, data: weighted }, W);
  for (let k = 0; k < own.data.length; k++) own.data[k] += term.data[k];
}

/** Does the sector leave the block before it alone? */
export const isIdentity = (sector: Sector | undefined): boolean => sector?.pi.every((p) => p === 0) ?? true;

/** X with X C^T = A, row by row. */
export function solveRows(C: Matrix, A: Matrix): Matrix {
  const n = C.rows;
  const X = A.data.slice();
  const c = C.data;
  // Four rows at a time: each entry of C is read once for all of them.
  for (let r = 0; r < A.rows; r += 4) {
    const [x0, x1, x2, x3] = [0, 1, 2, 3].map((k) => Math.min(r + k, A.rows - 1) * n);
    const rows = Math.min(4, A.rows - r);
    for (let j = 0; j < n; j++) {
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      const at = j * n;
      for (let k = 0; k < j; k++) {
        const y = c[at + k];
        s0 += X[x0 + k] * y;
        s1 += X[x1 + k] * y;
        s2 += X[x2 + k] * y;
        s3 += X[x3 + k] * y;
      }
      const d = c[at + j];
      X[x0 + j] = (X[x0 + j] - s0) / d;
      if (rows > 1) X[x1 + j] = (X[x1 + j] - s1) / d;
      if (rows > 2) X[x2 + j] = (X[x2 + j] - s2) / d;
      if (rows > 3) X[x3 + j] = (X[x3 + j] - s3) / d;
    }
  }
  return { rows: A.rows, cols: n, data: X };
}

/** The diagonal matrix of a vector. */
export function diagonal(x: Float64Array): Matrix {
  const data = new Float64Array(x.length * x.length);
  for (let i = 0; i < x.length; i++) data[i * (x.length + 1)] = x[i];
  return { rows: x.length, cols: x.length, data };
}
