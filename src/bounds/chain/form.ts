/**
 * @file A chain as the chain inequality wants it: scaled by powers of two, without neurons that do nothing, and with its ends
 * made square. Whatever bounds the constant of the form bounds that of the chain; rounding is counted in.
 */
import { cholesky } from "../../linalg/cholesky.ts";
import { gramEnclosure } from "../../linalg/enclosure.ts";
import { checkFinite, frobeniusNorm, type Matrix, matrix, transpose } from "../../linalg/matrix.ts";
import { down, exponentOf, gamma, scale, up } from "../../linalg/rounding.ts";
import { ShapeError, UsageError } from "../../tensor/errors.ts";
import type { Chain } from "../chain.ts";

/** For slopes d of a neuron, (d - mu)^2 <= mu^2 - pi: the sector that the inequality uses, never narrower than the slopes. */
export interface Sector {
  readonly mu: Float64Array;
  readonly pi: Float64Array;
  /** The slopes lie in [mu - rho, mu + rho], which may be a hair less: it is 0 for a slope that is known. */
  readonly rho: Float64Array;
}

export interface ChainForm {
  /** L >= 1 matrices, entries of moderate size. */
  readonly weights: readonly Matrix[];
  /** L - 1 hidden layers. */
  readonly sectors: readonly Sector[];
  /** sup |slope| of each hidden layer. */
  readonly steepest: readonly number[];
  /** constant of the chain <= 2^exponent (constant of the form). */
  readonly exponent: number;
}

/**
 * Bring a chain into form; null where it is constant, so that 0 bounds it.
 *
 * If W W^T <= C C^T then W = C K with ||K|| <= 1, hence f o W has at most the constant of f o C; likewise at the other end. C is a
 * floating Cholesky factor of W W^T + c I with c above the error of both: relative 1e-10 at width 1,000.
 */
export function chainForm(chain: Chain): ChainForm | null {
  checkChain(chain);
  let weights = chain.affine.map((a) => a.weight);
  const slopes = chain.activations.map(({ low, high }) => ({ low, high }));
  const kept = slopes.map(({ low }) => Array.from(low, (_, j) => j));
  for (let before = -1, now = count(kept); before !== now; ) {
    for (let i = 0; i < kept.length; i++) {
      kept[i] = kept[i].filter((j) => {
        const { low, high } = slopes[i];
        return !(low[j] === 0 && high[j] === 0) && rowLives(chain, kept, i, j) && columnLives(chain, kept, i, j);
      });
    }
    [before, now] = [now, count(kept)];
  }
  if (kept.some((k) => k.length === 0)) return null;
  weights = weights.map((W, i) => part(W, kept[i], kept[i - 1]));
  if (weights.some((W) => W.data.every((x) => x === 0))) return null;

  let exponent = 0;
  weights = weights.map((W) => {
    const scaled = moderate(W);
    exponent += scaled.exponent;
    return scaled.W;
  });
  const last = weights.length - 1;
  if (last > 0) {
    if (weights[0].cols > weights[0].rows) weights[0] = dominating(weights[0]);
    if (weights[last].rows > weights[last].cols) weights[last] = transpose(dominating(transpose(weights[last])));
  }
  return {
    weights,
    sectors: slopes.map(({ low, high }, i) => sectorsOf(pick(low, kept[i]), pick(high, kept[i]))),
    steepest: slopes.map(({ low, high }, i) =>
      Math.max(...kept[i].map((j) => Math.max(Math.abs(low[j]), Math.abs(high[j])))),
    ),
    exponent,
  };
}

/** The sector of slopes in [low, high], rounded outward. For [0, b] and [-b, b] it has no rounding but in b^2. */
export function sectorsOf(low: Float64Array, high: Float64Array): Sector {
  const mu = new Float64Array(low.length);
  const pi = new Float64Array(low.length);
  const rho = new Float64Array(low.length);
  for (let j = 0; j < low.length; j++) {
    const [a, b] = [low[j], high[j]];
    mu[j] = a / 2 + b / 2;
    const exact = a === 0 || b === 0 || a === -b;
    rho[j] = a === b ? 0 : exact ? b / 2 - a / 2 : Math.max(up(b - mu[j]), up(mu[j] - a));
    // A sector of no width has no best multiplier: it would go to infinity.
    const width = Math.max(rho[j], 1e-5 * Math.max(Math.abs(a), Math.abs(b)));
    pi[j] = a === 0 || b === 0 ? 0 : a === -b ? down(a * b) : down(down(mu[j] * mu[j]) - up(width * width));
  }
  return { mu, pi, rho };
}

/** Throw where layers do not fit each other, or where a number is not finite. */
export function checkChain({ affine, activations }: Chain): void {
  if (affine.length !== activations.length + 1) {
    throw new ShapeError(
      `chain: there must be one activation between affine maps, got ${affine.length} maps and ${activations.length} activations`,
    );
  }
  affine.forEach(({ weight }, i) => {
    checkFinite("chain", weight.data);
    if (i > 0 && weight.cols !== affine[i - 1].weight.rows) {
      throw new ShapeError(
        `chain: map ${i} must read what map ${i - 1} gives, got ${weight.cols} and ${affine[i - 1].weight.rows}`,
      );
    }
  });
  activations.forEach(({ low, high }, i) => {
    const rows = affine[i].weight.rows;
    if (low.length !== rows || high.length !== rows) {
      throw new ShapeError(`chain: activation ${i} must have ${rows} slopes, got ${low.length} and ${high.length}`);
    }
    const j = low.findIndex((a, k) => !(Number.isFinite(a) && Number.isFinite(high[k]) && a <= high[k]));
    if (j >= 0) throw new UsageError(`chain: slopes must be finite and in order, got [${low[j]}, ${high[j]}]`);
  });
}

// --- internal ---

const count = (kept: readonly (readonly number[])[]): number => kept.reduce((n, k) => n + k.length, 0);

const pick = (x: Float64Array, at: readonly number[]): Float64Array => Float64Array.from(at, (j) => x[j]);

function rowLives({ affine }: Chain, kept: readonly (readonly number[])[], i: number, j: number): boolean {
  const { data, cols } = affine[i].weight;
  const from = i === 0 ? null : kept[i - 1];
  return from === null
    ? data.subarray(j * cols, (j + 1) * cols).some((x) => x !== 0)
    : from.some((k) => data[j * cols + k] !== 0);
}

function columnLives({ affine }: Chain, kept: readonly (readonly number[])[], i: number, j: number): boolean {
  const { data, rows, cols } = affine[i + 1].weight;
  const into = i + 1 < kept.length ? kept[i + 1] : Array.from({ length: rows }, (_, r) => r);
  return into.some((r) => data[r * cols + j] !== 0);
}

/** Some rows and columns of a matrix; all where none are named. */
function part(W: Matrix, rows: readonly number[] | undefined, cols: readonly number[] | undefined): Matrix {
  if ((rows?.length ?? W.rows) === W.rows && (cols?.length ?? W.cols) === W.cols) return W;
  const r = rows ?? Array.from({ length: W.rows }, (_, i) => i);
  const c = cols ?? Array.from({ length: W.cols }, (_, i) => i);
  const data = new Float64Array(r.length * c.length);
  r.forEach((i, a) => {
    c.forEach((j, b) => {
      data[a * c.length + b] = W.data[i * W.cols + j];
    });
  });
  return matrix(r.length, c.length, data);
}

/** W = 2^exponent W', the norm of W' near 1. Where an entry would underflow, W is left as it is. */
function moderate(W: Matrix): { readonly W: Matrix; readonly exponent: number } {
  const exponent = exponentOf(frobeniusNorm(W) / Math.sqrt(Math.sqrt(Math.min(W.rows, W.cols))));
  const data = W.data.map((x) => scale(x, -exponent));
  return data.every((x, i) => scale(x, exponent) === W.data[i]) ? { W: { ...W, data }, exponent } : { W, exponent: 0 };
}

/** A square C with C C^T >= W W^T, proved, and little more than that. */
function dominating(W: Matrix): Matrix {
  const { mid, radius } = gramEnclosure(W);
  const n = mid.rows;
  const g = up(gamma(n + 1) / down(1 - gamma(n + 1)));
  let trace = 0;
  for (let i = 0; i < n; i++) trace = up(trace + mid.data[i * (n + 1)]);
  for (let c = 2 * (radius + g * trace); ; c *= 4) {
    const B = mid.data.slice();
    for (let i = 0; i < n; i++) B[i * (n + 1)] = up(B[i * (n + 1)] + c);
    const C = cholesky({ rows: n, cols: n, data: B });
    // C C^T = B + E, ||E|| <= g tr(B) as in provedFactor, and tr(B) <= 2 (trace + n c) with room for the roundings.
    if (C !== undefined && c >= up(radius + up(g * up(2 * (trace + n * c))))) return C;
    if (!Number.isFinite(c)) throw new UsageError("chain: weights must be of moderate size, got entries that overflow");
  }
}
