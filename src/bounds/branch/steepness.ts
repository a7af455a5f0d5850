/** @file The Jacobian of a chain at one point, for lower bounds: only where the point is clear of every kink, so that it is the derivative. */
import { type Matrix, multiply } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { matrixOperator } from "../../linalg/operator.ts";
import { powerIteration } from "../../linalg/power.ts";
import type { Norm, Witness } from "../bound.ts";
import type { Chain } from "../chain.ts";
import { boxAround, type Domain, holds, reachOf } from "../domain.ts";
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

/** What may be lost to rounding in a Jacobian and its norm. */
const loss = 1 - 2 ** -40;

/** The norm of the Jacobian at x, rounded down, and the direction that shows it; null at kinks. */
export function steepness(
  chain: Chain,
  x: Float64Array,
  norm: Norm,
): { readonly value: number; direction(): number[] } | null {
  const J = jacobianAt(chain, x);
  if (!J) return null;
  return { value: inducedNorm(J, norm).lower * loss, direction: () => directionOf(J, norm) };
}

/**
 * The witness of a point: a step of a millionth along the direction, which stays in the linear piece unless a kink is that near. At the
 * border of a domain it goes the other way, or is shorter, where that keeps it inside; in a corner, from which both ways lead out, it
 * begins a millionth further in.
 */
export function witnessOf(x: Float64Array, direction: readonly number[], domain: Domain): Witness {
  const length = Math.max(Number.MIN_VALUE, ...direction.map(Math.abs));
  const along = (size: number) => direction.map((c) => (size * c) / length);
  const size = Math.min(
    x.reduce((top, c) => Math.max(top, Math.abs(c)), 1),
    reachOf(domain),
  );
  const steps = [2 ** -20, -(2 ** -20), 2 ** -30, -(2 ** -30)].map((t) => ({ from: x, v: along(t * size) }));
  const { low, high } = boxAround(domain, x.length);
  const sides = low.map((l, k) => high[k] - l);
  // A domain holds the cube of this half side around its middle, and so at every point on the way there a smaller one.
  const room = Math.min(...sides) / 2 / Math.sqrt(x.length);
  const inner = x.map((c, k) => c + 2 ** -20 * (low[k] + sides[k] / 2 - c));
  const all = domain.kind === "global" ? steps : [...steps, { from: inner, v: along(2 ** -21 * room) }];
  const fits = ({ from, v }: (typeof all)[number]) =>
    [from, from.map((c, i) => c + v[i])].every((p) => holds(domain, p));
  const { from, v } = all.find(fits) ?? steps[0];
  return { x: Array.from(from), v };
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
