/** @file Matrix norms between two proved numbers. The spectral norm needs a search for a number just above it that Cholesky proves; everything found by iteration only guides that search. */
import { UsageError } from "../tensor/errors.ts";
import type { Random } from "../tensor/random.ts";
import { choleskySolve, provedFactor } from "./cholesky.ts";
import { frobeniusUp, gramEnclosure, normalised } from "./enclosure.ts";
import { gramBound } from "./gram.ts";
import { checkFinite, largestEntry, type Matrix } from "./matrix.ts";
import { matrixOperator } from "./operator.ts";
import { powerIteration, quotientDown, unitVector } from "./power.ts";
import { down, scaleDown, scaleUp, sumDown, sumUp, tiny, up } from "./rounding.ts";

/** What proved the upper bound. */
export type NormMethod = "frobenius" | "cholesky" | "gram" | "sums" | "unrolled" | "fourier";

/** lower <= norm <= upper, both proved, rounding included. */
export interface ProvedNorm {
  readonly lower: number;
  readonly upper: number;
  readonly method: NormMethod;
}

export interface NormOptions {
  /** Relative gap to aim at, default 1e-9; rounding widens it to about n^2 u for n >= 2000. */
  readonly tolerance?: number;
  /** Source of the start of power iteration, default a fixed seed. */
  readonly random?: Random;
  /** Power iterations before the first factorisation, default 50. */
  readonly iterations?: number;
  /** Most Cholesky factorisations, default 40; a handful is usual. With 0, Gram iteration alone gives the upper bound. */
  readonly factorisations?: number;
}

/**
 * Enclose the spectral norm sigma1(W) between two proved numbers.
 *
 * Power iteration gives `lower`; s = lower (1 + gap) is then offered to the Cholesky proof of s^2 I - W^T W >= 0 with gap = tolerance,
 * 32 tolerance, ... until one succeeds, halving the rest where that overtakes the best proof. The factor serves inverse iteration, which amplifies the leading directions by
 * 1 / (s^2 - sigma^2) and brings `lower` within a fraction of s - sigma1 however clustered they are; then the search starts again
 * from there. Gram iteration takes over where the gap stays above 1e-6. Overflow gives an infinite `upper` and a finite `lower`.
 */
export function spectralNorm(W: Matrix, options: NormOptions = {}): ProvedNorm {
  const { tolerance = 1e-9, factorisations = 40 } = options;
  if (!(tolerance > 0 && tolerance < 1)) {
    throw new UsageError(`spectralNorm: tolerance must be between 0 and 1, got ${tolerance}`);
  }
  checkFinite("spectralNorm", W.data);
  const { data, exponent } = normalised(W.data);
  if (data.every((x) => x === 0)) return { lower: 0, upper: 0, method: "frobenius" };
  const scaled = { ...W, data };
  const operator = matrixOperator(scaled);
  const start = W.rows === 1 ? { start: Float64Array.from(data) } : { random: options.random };
  const power = powerIteration(operator, { iterations: options.iterations ?? 50, tolerance: tolerance / 10, ...start });
  // An entry is never above the norm; the largest is at least 1/2 here, so that `lower` is not 0.
  let lower = Math.max(power.value, largestEntry(data));
  let upper = frobeniusUp(data);
  let method: NormMethod = "frobenius";

  if (Math.min(W.rows, W.cols) > 1 && factorisations > 0) {
    const G = gramEnclosure(scaled);
    const tall = W.cols < W.rows;
    // Vectors of the smaller side: the Gram matrix lives there.
    let v = tall ? power.right : power.left;
    let refused = lower;
    let gap = tolerance;
    for (let tried = 0; tried < factorisations; tried++) {
      const next = lower * (1 + tolerance);
      if (upper <= next || (next <= refused && upper <= refused * (1 + 32 * tolerance))) break;
      while (lower * (1 + gap) <= refused) gap *= 32;
      const s = lower * (1 + gap) < upper ? lower * (1 + gap) : refused + (upper - refused) / 2;
      const factor = provedFactor(G, s, "factor");
      if (factor === undefined) {
        refused = s;
        continue;
      }
      upper = s;
      method = "cholesky";
      gap = tolerance;
      if (s <= next) break;
      for (let i = 0; i < 8; i++) v = unitVector(choleskySolve(factor, v));
      const right = tall ? v : unitVector(operator.adjoint(v));
      lower = Math.max(lower, quotientDown(operator, right, operator.apply(right)));
    }
  }
  if (upper > lower * (1 + 1e-6)) {
    const gram = gramBound(scaled);
    if (gram < upper) [upper, method] = [gram, "gram"];
  }
  return { lower: scaleDown(lower, exponent), upper: scaleUp(upper, exponent), method };
}

/** Multiply-adds in plain loops that take as long as `spectralNorm` does, roughly: what is too much is not begun. */
export function spectralCost(rows: number, cols: number): number {
  const [small, large] = [Math.min(rows, cols), Math.max(rows, cols)];
  return (small ** 2 * (large + 4 * small)) / 4 + 100 * rows * cols;
}

/**
 * Enclose the norm of a matrix as a map from l_p to l_p.
 *
 *     p = 1: largest column sum of |W|;  p = inf: largest row sum of |W|;  p = 2: `spectralNorm`
 */
export function inducedNorm(W: Matrix, p: 1 | 2 | "inf", options: NormOptions = {}): ProvedNorm {
  if (p === 2) return spectralNorm(W, options);
  checkFinite("inducedNorm", W.data);
  const { data, exponent } = normalised(W.data);
  const { rows, cols } = W;
  const sums = new Float64Array(p === 1 ? cols : rows);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) sums[p === 1 ? j : i] += Math.abs(data[i * cols + j]);
  }
  return sumNorm(largestEntry(sums), p === 1 ? rows : cols, exponent);
}

/** The enclosure of a sum of `terms` absolute values of normalised data, computed in floating point, at a scale of 2^exponent. */
export function sumNorm(floating: number, terms: number, exponent: number): ProvedNorm {
  if (floating === 0) return { lower: 0, upper: 0, method: "sums" };
  return {
    lower: scaleDown(Math.max(0, down(sumDown(floating, terms) - tiny)), exponent),
    upper: scaleUp(up(sumUp(floating, terms) + tiny), exponent),
    method: "sums",
  };
}
