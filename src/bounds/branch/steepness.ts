/** @file The Jacobian of a chain at one point, to say where two points may show a lower bound: only where the point is clear of every kink, so that it is the derivative. */
import { type Matrix, multiply } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { matrixOperator } from "../../linalg/operator.ts";
import { powerIteration } from "../../linalg/power.ts";
import type { Norm } from "../bound.ts";
import type { Chain } from "../chain.ts";
import { activationRange, affineRange } from "../local/ranges.ts";

/** The Jacobian at x; null where rounding leaves open on which side of a kink some neuron is. */
export function jacobianAt(chain: Chain, x: Float64Array): Matrix | null {
  const { affine, activations } = chain;
  const slopes: Float64Array[] = [];
  /** d z_i / d x for the layer that is looked at, made only where a neuron is in doubt. */
  let J: { readonly layer: number; readonly matrix: Matrix } | undefined;
  let at = { low: x, high: x };
  for (let i = 0; i < activations.length; i++) {
    const z = affineRange(affine[i], at);
    const d = new Float64Array(affine[i].weight.rows);
    for (let j = 0; j < d.length; j++) {
      const [a, b] = activations[i].slopeOn(j, z.low[j], z.high[j]);
      d[j] = a === b ? a : a + (b - a) / 2;
      if (b - a < 1e-9) continue;
      // A neuron that does not move does not matter, even at its kink.
      if (J?.layer !== i) J = { layer: i, matrix: preActivations(affine, slopes) };
      const { data, cols } = J.matrix;
      if (data.subarray(j * cols, (j + 1) * cols).some((v) => v !== 0)) return null;
    }
    slopes.push(d);
    at = activationRange(activations[i], z);
  }
  const last = affine[affine.length - 1].weight;
  if (last.rows > affine[0].weight.cols) return preActivations(affine, slopes);
  return slopes.reduceRight((Y, d, i) => multiply(scaleColumns(Y, d), affine[i].weight), last);
}

/** The norm of the Jacobian at x and the direction that shows it; null at kinks. It is believed only as far as two points show it. */
export function steepness(
  chain: Chain,
  x: Float64Array,
  norm: Norm,
): { readonly value: number; direction(): Float64Array } | null {
  const J = jacobianAt(chain, x);
  if (!J) return null;
  return { value: inducedNorm(J, norm).lower, direction: () => Float64Array.from(directionOf(J, norm)) };
}

// --- internal ---

/** A v with ||J v|| = ||J|| ||v||, for p = 2 nearly. */
function directionOf(J: Matrix, norm: Norm): number[] {
  const { rows, cols, data } = J;
  if (norm === 2) return Array.from(powerIteration(matrixOperator(J), { iterations: 200 }).right);
  const entry = (i: number, j: number) => Math.abs(data[i * cols + j]);
  if (norm === 1) {
    const sums = Array.from({ length: cols }, (_, j) =>
      Array.from({ length: rows }, (_, i) => entry(i, j)).reduce((a, b) => a + b, 0),
    );
    const best = sums.indexOf(Math.max(...sums));
    return sums.map((_, j) => (j === best ? 1 : 0));
  }
  const sums = Array.from({ length: rows }, (_, i) =>
    Array.from({ length: cols }, (_, j) => entry(i, j)).reduce((a, b) => a + b, 0),
  );
  const best = sums.indexOf(Math.max(...sums));
  return Array.from({ length: cols }, (_, j) => (data[best * cols + j] < 0 ? -1 : 1));
}

/** W_i D_(i-1) ... D_0 W_0, one weight more than there are slopes. */
function preActivations(affine: Chain["affine"], slopes: readonly Float64Array[]): Matrix {
  return slopes.reduce((J, d, i) => multiply(scaleColumns(affine[i + 1].weight, d), J), affine[0].weight);
}

function scaleColumns(W: Matrix, by: Float64Array): Matrix {
  return { ...W, data: W.data.map((w, k) => w * by[k % W.cols]) };
}
