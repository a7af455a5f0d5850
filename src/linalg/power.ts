/** @file Power iteration: a lower bound of the spectral norm, never an upper one. Rounding is taken off, so that the value is a true lower bound at whatever point it stops. */
import { ShapeError } from "../tensor/errors.ts";
import { type Random, random } from "../tensor/random.ts";
import { frobeniusUp } from "./enclosure.ts";
import type { LinearOperator } from "./operator.ts";
import { down, gamma, sumDown, tiny, up } from "./rounding.ts";

export interface PowerOptions {
  /** The first direction, not zero; default drawn from `random`. */
  readonly start?: Float64Array;
  /** Default a fixed seed. */
  readonly random?: Random;
  /** Most applications of W^T W, default 50. */
  readonly iterations?: number;
  /** Stop where an iteration improves the value by less than this, relatively; default 1e-10. */
  readonly tolerance?: number;
}

export interface PowerResult {
  /** A proved lower bound of the spectral norm. */
  readonly value: number;
  /** Unit vectors with W right ~ value left. */
  readonly left: Float64Array;
  readonly right: Float64Array;
  readonly iterations: number;
  readonly status: "converged" | "iterations exhausted";
}

/**
 * Bound the spectral norm of a finite operator with entries of moderate size from below.
 *
 *     v <- W^T W v / ||W^T W v||,  value = ||W v|| / ||v||, rounded down
 *
 * "Converged" says that the value stands still, not that it is near the norm: a start orthogonal to the leading direction misses it.
 */
export function powerIteration(W: LinearOperator, options: PowerOptions = {}): PowerResult {
  const { iterations = 50, tolerance = 1e-10 } = options;
  let right = unitVector(options.start ?? normals(W.cols, options.random ?? random(0)));
  if (right.length !== W.cols) {
    throw new ShapeError(`powerIteration: the start must have ${W.cols} entries, got ${right.length}`);
  }
  let image = W.apply(right);
  let value = quotientDown(W, right, image);
  let done = 0;
  let status: PowerResult["status"] = "iterations exhausted";
  for (; done < iterations && status !== "converged"; done++) {
    const next = unitVector(W.adjoint(image));
    const nextImage = W.apply(next);
    const nextValue = quotientDown(W, next, nextImage);
    if (nextValue - value <= tolerance * value) status = "converged";
    if (nextValue >= value) [right, image, value] = [next, nextImage, nextValue];
  }
  return { value, left: unitVector(image), right, iterations: done, status };
}

/**
 * A lower bound of ||W v|| / ||v||, at least 0, from the floating product y = fl(W v).
 *
 *     ||W v|| >= ||y|| - gamma_terms || |W| ||_2 ||v||
 */
export function quotientDown(W: LinearOperator, v: Float64Array, y: Float64Array): number {
  const length = frobeniusUp(v);
  let sum = 0;
  for (const x of y) sum += x * x;
  const size = Math.max(0, down(Math.sqrt(Math.max(0, down(sumDown(sum, y.length) - tiny)))));
  const error = up(up(gamma(W.terms) * W.absolute) + tiny);
  return Math.max(0, down(down(size / length) - error));
}

/** v / ||v||; a zero vector stays. */
export function unitVector(v: Float64Array): Float64Array {
  let top = 0;
  for (const x of v) top = Math.max(top, Math.abs(x));
  if (top === 0) return v;
  let sum = 0;
  for (const x of v) sum += (x / top) * (x / top);
  const root = Math.sqrt(sum);
  return v.map((x) => x / top / root);
}

// --- internal ---

function normals(n: number, source: Random): Float64Array {
  return Float64Array.from({ length: n }, () => source.normal());
}
