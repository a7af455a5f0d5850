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
import { cholesky } from "../../linalg/cholesky.ts";
import { identity, type Matrix, multiply, rowGram, transpose } from "../../linalg/matrix.ts";
import type { Budget } from "../budget.ts";
import { blockWork, type ChainForm, type Sector } from "./form.ts";

export type Multipliers = readonly Float64Array[];

/** Block i of a factor of K: rows [T | C] with C lower triangular; T meets the columns of block i - 1. */
export interface FactorBlock {
  readonly C: Matrix;
  readonly T: Matrix;
}

/** Blocks 0..L-1 of the factor of K, and T with R = T T^T = W_L (...)^-1 W_L^T: K >= 0 exactly where r >= lambda_max(R). */
export interface Factor {
  readonly blocks: readonly FactorBlock[];
  readonly T: Matrix;
}

/** Factor K without its last block; nothing where that is not positive definite, or where time is out. */
export function factorChain(
  { weights, sectors }: ChainForm,
  multipliers: Multipliers,
  clock?: Budget,
): Factor | undefined {
  const blocks: FactorBlock[] = [];
  for (let i = 0; i < weights.length; i++) {
    if (clock?.expired) return undefined;
    clock?.spend(blockWork({ weights }, i));
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
  return { blocks, T: solveRows(blocks[blocks.length - 1].C, last) };
}

/** R of a factor. */
export const gramOf = ({ T }: Factor): Matrix => multiply(T, transpose(T));

/**
 * The rows that belong to a block, given the triangle before it; `own` is read in its lower half.
 * The sums are those of a dense Cholesky factorisation of the whole, in another order.
 */
export function factorBlock(before: Matrix | null, off: Matrix | null, own: Matrix): FactorBlock | undefined {
  if (before === null || off === null) {
    const C = cholesky(own);
    return C && { C, T: { rows: own.rows, cols: 0, data: new Float64Array(0) } };
  }
  const T = solveRows(before, off);
  const rest = rowGram(T);
  for (let k = 0; k < rest.data.length; k++) rest.data[k] = own.data[k] - rest.data[k];
  const C = cholesky(rest);
  return C && { C, T };
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

/** The diagonal matrix of a vector. */
export function diagonal(x: Float64Array): Matrix {
  const data = new Float64Array(x.length * x.length);
  for (let i = 0; i < x.length; i++) data[i * (x.length + 1)] = x[i];
  return { rows: x.length, cols: x.length, data };
}
