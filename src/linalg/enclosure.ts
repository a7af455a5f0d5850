/** @file A matrix known up to an error: the true matrix is 2^exponent (mid + D), ||D||_F <= radius. Scaling by powers of two is exact, so that it costs no accuracy and needs no logarithm. */
import { gramMatrix, largestEntry, type Matrix } from "./matrix.ts";
import { exponentOf, gamma, powerOfTwo, scaleUp, sqrtUp, sumUp, tiny, up } from "./rounding.ts";

export interface Enclosure {
  readonly mid: Matrix;
  /** Bounds the Frobenius norm of the error, hence also its spectral norm. */
  readonly radius: number;
  readonly exponent: number;
}

/**
 * Scale data by a power of two until the largest entry is in [1/2, 1): data = 2^exponent scaled.
 * Entries that underflow move by at most 2^-1074 each; whoever uses the result adds `tiny` to the error for them. Zeros stay, with exponent 0.
 */
export function normalised(data: Float64Array): { readonly data: Float64Array; readonly exponent: number } {
  const top = largestEntry(data);
  const exponent = top === 0 ? 0 : exponentOf(top);
  if (exponent === 0) return { data: data.slice(), exponent };
  // Two factors, because 2^-exponent itself may be out of range.
  const first = powerOfTwo(-Math.trunc(exponent / 2));
  const second = powerOfTwo(Math.trunc(exponent / 2) - exponent);
  const scaled = new Float64Array(data.length);
  for (let i = 0; i < data.length; i++) scaled[i] = data[i] * first * second;
  return { data: scaled, exponent };
}

/** An upper bound of the Frobenius norm of a normalised matrix: entries below 1, or all of a size near 1. */
export function frobeniusUp(data: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i] * data[i];
  return sqrtUp(up(sumUp(sum, data.length) + tiny));
}

/**
 * Enclose W^T W (or W W^T, whichever is smaller) of a normalised W, at exponent 0.
 *
 *     |fl(W^T W) - W^T W| <= gamma_m |W|^T |W| entry by entry, m = the longer side,
 *     and || |W|^T |W| ||_F <= ||W||_F^2.
 */
export function gramEnclosure(W: Matrix): Enclosure {
  return { mid: gramMatrix(W), radius: productError(Math.max(W.rows, W.cols), frobeniusUp(W.data)), exponent: 0 };
}

/**
 * Enclose the square of an enclosed symmetric matrix G = 2^e (mid + D). With F = ||mid||_F, r = radius, n = the side,
 *
 *     ||(mid + D)^2 - fl(mid mid)||_F <= 2 F r + r^2 + gamma_n F^2.
 *
 * `mid` is first scaled to entries below 1; its underflow goes into the radius.
 */
export function squared(G: Enclosure): Enclosure {
  const { data, exponent } = normalised(G.mid.data);
  const mid = { ...G.mid, data };
  const r = up(scaleUp(G.radius, -exponent) + tiny);
  const F = frobeniusUp(data);
  const moved = up(up(2 * up(F * r)) + up(r * r));
  return {
    mid: gramMatrix(mid),
    radius: up(moved + productError(mid.rows, F)),
    exponent: 2 * (G.exponent + exponent),
  };
}

// --- internal ---

/** gamma_m F^2 and the underflow of a normalised product. */
function productError(length: number, F: number): number {
  return up(up(gamma(length) * up(F * F)) + tiny);
}
