/**
 * @file MaxMin in a chain: max(a, b) = ((a + b) + |a - b|) / 2 and min with a minus, so that sums pass through with slope 1 and differences
 * have the slopes of |.|. The factors 1 and 1/2 instead of 1/sqrt(2) twice keep weights of float32 exact.
 */
import { frobeniusUp } from "../../linalg/enclosure.ts";
import { type Matrix, matrix } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { up } from "../../linalg/rounding.ts";
import type { Norm } from "../bound.ts";
import type { ActivationLayer, AffineLayer } from "../chain.ts";
import type { Pair } from "../patterns/sorts.ts";

/** A layer that ends before a MaxMin, ended with the sum of each pair in place of a and the difference in place of b. */
export function toSums(
  { weight, bias }: AffineLayer,
  pairs: readonly Pair[],
): { readonly layer: AffineLayer; readonly error: (norm: Norm) => number; readonly shift: number } {
  const { rows, cols, data } = weight;
  const W = data.slice();
  const b = bias.slice();
  let exact = true;
  let shift = 0;
  for (const pair of pairs) {
    if (pair.a === pair.b) continue;
    for (let k = 0; k < cols; k++) {
      const [v, w] = [data[pair.a * cols + k], data[pair.b * cols + k]];
      exact &&= isExact(v, w);
      W[pair.a * cols + k] = v + w;
      W[pair.b * cols + k] = v - w;
    }
    // Half a spacing of a sum that is at most twice the larger.
    const [p, q] = [bias[pair.a], bias[pair.b]];
    if (!isExact(p, q)) shift = Math.max(shift, up(2 ** -51 * Math.max(Math.abs(p), Math.abs(q))));
    b[pair.a] = bias[pair.a] + bias[pair.b];
    b[pair.b] = bias[pair.a] - bias[pair.b];
  }
  const layer = { weight: matrix(rows, cols, W), bias: b };
  return { layer, error: (norm) => (exact ? 0 : rounding(weight, norm)), shift };
}

/** A map of the outputs of a MaxMin as a map of the sums and absolute differences. */
export function fromSums(
  { rows, cols, data }: Matrix,
  pairs: readonly Pair[],
): { readonly matrix: Matrix; readonly error: (norm: Norm) => number } {
  const M = new Float64Array(data.length);
  let exact = true;
  for (let r = 0; r < rows; r++) {
    for (const { a, b, max, min } of pairs) {
      const [v, w] = [data[r * cols + max], data[r * cols + min]];
      if (a === b) {
        M[r * cols + a] = v;
        continue;
      }
      exact &&= isExact(v, w);
      M[r * cols + a] = (v + w) / 2;
      M[r * cols + b] = (v - w) / 2;
    }
  }
  const before = matrix(rows, cols, data);
  return { matrix: matrix(rows, cols, M), error: (norm) => (exact ? 0 : rounding(before, norm)) };
}

/** The identity for sums, lone numbers and what is carried along; |.| for differences. */
export function sumsActivation(pairs: readonly Pair[], width: number): ActivationLayer {
  const absolute = new Int8Array(width);
  for (const { a, b } of pairs) if (a !== b) absolute[b] = 1;
  return {
    low: Float64Array.from(absolute, (k) => (k === 1 ? -1 : 1)),
    high: new Float64Array(width).fill(1),
    slopeOn: (neuron, from, to) => (absolute[neuron] === 0 || from >= 0 ? [1, 1] : to <= 0 ? [-1, -1] : [-1, 1]),
    apply: (z) => z.map((v, k) => (absolute[k] === 1 ? Math.abs(v) : v)),
  };
}

// --- internal ---

/** Are a + b and a - b numbers? */
const isExact = (a: number, b: number): boolean =>
  [a + b, a - b].every((s, k) => s - a === (k === 0 ? b : -b) && (k === 0 ? s - b : s + b) === a);

/** One rounding of each entry: at most 2^-53 |W| times sums and differences, which double at most. */
const rounding = (W: Matrix, norm: Norm): number =>
  up(2 ** -51 * (norm === 2 ? up(frobeniusUp(W.data)) : inducedNorm(W, norm).upper));
