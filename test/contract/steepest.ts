/** @file The slopes in [0, 1] at which a layer around one activation is steepest, and how steep it is there. Plain loops over small matrices, in float64. */
import { gramMatrix, type Matrix } from "../../src/linalg/matrix.ts";
import type { Random } from "../../src/tensor/random.ts";

/** A layer x -> P x + C s(B x + b) + c, a part of which may be missing. */
export interface Piece {
  readonly P: Matrix | null;
  readonly around: { readonly C: Matrix; readonly B: Matrix } | null;
}

/**
 * J = P + C D B with the slopes D at which |J|, the spectral norm, is largest, as far as a search finds them: they are 0 or 1, for the norm is convex
 * in D. From a few random starts, unit vectors u and v and the slopes raise u . J v in turn. The norm of what is found is one that the layer has.
 */
export function steepest({ P, around }: Piece, r: Random): Matrix {
  if (around === null) {
    if (P === null) throw new TypeError("steepest: the layer is constant");
    return P;
  }
  const { C, B } = around;
  const [v, z, u, c] = [B.cols, B.rows, C.rows, B.rows].map((length) => new Float64Array(length));
  const slopes = new Float64Array(B.rows);
  const best = { length: -1, slopes: slopes.slice() };
  for (let start = 0; start < starts; start++) {
    for (let i = 0; i < slopes.length; i++) slopes[i] = r.uniform();
    for (let j = 0; j < v.length; j++) v[j] = r.normal();
    for (let turn = 0; turn < turns; turn++) {
      unit(v);
      through(B, v, z.fill(0));
      for (let i = 0; i < z.length; i++) c[i] = z[i] * slopes[i];
      through(C, c, u.fill(0));
      if (P) through(P, v, u);
      unit(u);
      back(C, u, c.fill(0));
      for (let i = 0; i < z.length; i++) slopes[i] = c[i] * z[i] > 0 ? 1 : 0;
      for (let i = 0; i < z.length; i++) c[i] *= slopes[i];
      back(B, c, v.fill(0));
      if (P) back(P, u, v);
    }
    const length = unit(v);
    if (length <= best.length) continue;
    best.length = length;
    best.slopes.set(slopes);
  }
  const data = P ? P.data.slice() : new Float64Array(C.rows * B.cols);
  for (let i = 0; i < C.rows; i++)
    for (let k = 0; k < C.cols; k++)
      if (best.slopes[k] === 1)
        for (let j = 0; j < B.cols; j++) data[i * B.cols + j] += C.data[i * C.cols + k] * B.data[k * B.cols + j];
  return { rows: C.rows, cols: B.cols, data };
}

/** The spectral norm from the powers of the Gram matrix: never below it but for rounding, and at most 2e-7 above it for sides up to 12. */
export function norm(J: Matrix): number {
  const gram = gramMatrix(J);
  const n = gram.rows;
  let power: Float64Array = gram.data;
  let next: Float64Array = new Float64Array(n * n);
  let value = 1;
  for (let t = 0; ; t++) {
    let squares = 0;
    for (let k = 0; k < n * n; k++) squares += power[k] * power[k];
    const size = Math.sqrt(squares);
    value *= size ** (2 ** -t / 2);
    if (t === squarings || !(size > 0)) return value;
    for (let k = 0; k < n * n; k++) power[k] /= size;
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        let dot = 0;
        for (let k = 0; k < n; k++) dot += power[i * n + k] * power[j * n + k];
        next[i * n + j] = dot;
        next[j * n + i] = dot;
      }
    [power, next] = [next, power];
  }
}

// --- internal ---

const starts = 3;
const turns = 8;
const squarings = 22;

/** y + A v. */
function through({ rows, cols, data }: Matrix, v: Float64Array, y: Float64Array): void {
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) y[i] += data[i * cols + j] * v[j];
}

/** y + A^T u. */
function back({ rows, cols, data }: Matrix, u: Float64Array, y: Float64Array): void {
  for (let i = 0; i < rows; i++) for (let j = 0; j < cols; j++) y[j] += data[i * cols + j] * u[i];
}

/** v / |v|, where v is not too short for that; gives |v|. */
function unit(v: Float64Array): number {
  let squares = 0;
  for (let j = 0; j < v.length; j++) squares += v[j] * v[j];
  const length = Math.sqrt(squares);
  if (length > 0) for (let j = 0; j < v.length; j++) v[j] /= length;
  return length;
}
