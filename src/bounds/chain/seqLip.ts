/** @file SeqLip as a bound: the chain is cut into pairs of neighbouring weights, and every maximum over a layer's slopes is over-estimated. */
import type { Engine } from "../../engine/engine.ts";
import { frobeniusUp } from "../../linalg/enclosure.ts";
import { type Matrix, multiply, transpose } from "../../linalg/matrix.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { down, gamma, scaleUp, sqrtUp, tiny, unit, up } from "../../linalg/rounding.ts";
import type { UpperBound } from "../bound.ts";
import { budget, type Clock } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { timesUp } from "../norm/region.ts";
import { quadraticBound } from "../quadratic/lipsdp.ts";
import { programOfChain } from "../quadratic/ofChain.ts";
import { workOf } from "../quadratic/work.ts";
import { type ChainForm, chainForm, type Sector } from "./form.ts";
import { normProduct } from "./frobenius.ts";
import { patternBound } from "./patterns.ts";
import { leadingTriplets } from "./triplets.ts";

export interface SeqLipOptions {
  readonly engine: Engine;
  /** Out of time, what is left of a factor is bounded quickly; default 10. */
  readonly seconds?: number | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock | undefined;
  readonly signal?: AbortSignal | undefined;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
  /** Branch and bound for layers of at most so many neurons, default 24. */
  readonly branch?: number;
}

/**
 * Bound the constant of a chain in l2.
 *
 *     prod_i  max over slopes D_i of  ||B_{i+1} D_i A_i||,   W_i = A_i B_i between (A = U S^(1/2), B = S^(1/2) V^T), A_1 = W_1, B_L = W_L
 *
 * Each factor is bounded by `lipsdp` of the two matrices, which is never worse than ||B D^(1/2)|| ||D^(-1/2) A|| for any scaling and than
 * the bound by (I + S) / 2, and in small layers by branch and bound. What the singular vectors miss, W - A B = E, is put back exactly:
 * W = [A, h I] [B; E / h] with h^2 >= ||E||. Weights too large for all their singular vectors (beyond 384) stay whole, and only
 * every second layer's slopes then count. Never above the product of norms.
 *
 * Reference: Virmaux and Scaman 2018, section 6 (there without a bound on the maxima).
 */
export async function seqLip(chain: Chain, options: SeqLipOptions): Promise<UpperBound> {
  const { engine, seconds = 10, signal, clock: passing, branch = 24, onProgress = () => {} } = options;
  const clock = budget({ seconds, signal, clock: passing });
  const whole = normProduct(chain).value;
  const form = chainForm(chain);
  let value = form === null ? 0 : whole;
  let ended = true;
  if (form !== null && form.sectors.length > 0) {
    const norms = form.weights.map((W) => spectralNorm(W).upper);
    const split = form.weights.every((W, i) => i === 0 || i === form.sectors.length || Math.min(W.rows, W.cols) <= 384);
    const parts = form.weights.map((W, i) =>
      split && i > 0 && i < form.sectors.length ? splitOf(W) : wholeOf(W, norms[i]),
    );
    const factors: number[] = [];
    for (const [i, sector] of form.sectors.entries()) {
      onProgress(i / form.sectors.length);
      const left = form.sectors.length - i;
      const { value: norm, ended: all } = await pairBound(parts[i], sector, parts[i + 1], form.steepest[i], {
        engine,
        seconds: Math.max(0, seconds - clock.elapsed()) / left,
        signal,
        clock: passing,
        branch,
      });
      ended &&= all;
      factors.push(norm);
    }
    const total = split ? factors.reduce(timesUp, 1) : everySecond(form, norms, factors);
    value = Math.min(value, scaleUp(total, form.exponent));
  }
  const end = ended
    ? { status: "done" as const }
    : { status: "stopped" as const, why: "out of time: more would lower it" };
  return { method: "seqlip", side: "upper", proved: true, value, seconds: clock.elapsed(), ...end };
}

// --- internal ---

/** W = [A, h I] [B; E / h], ||E|| <= h^2; whole matrices have A = B = W and h = 0. */
interface Split {
  readonly A: Matrix;
  readonly B: Matrix;
  readonly h: number;
  readonly normA: number;
  readonly normB: number;
}

const wholeOf = (W: Matrix, norm: number): Split => ({ A: W, B: W, h: 0, normA: norm, normB: norm });

function splitOf(W: Matrix): Split {
  const { values, left, right } = leadingTriplets(W, Math.min(W.rows, W.cols));
  const times = (rows: Matrix): Matrix => ({
    ...rows,
    data: rows.data.map((x, k) => x * Math.sqrt(values[Math.floor(k / rows.cols)])),
  });
  const A = transpose(times(left));
  const B = times(right);
  const AB = multiply(A, B);
  const E = W.data.map((x, k) => x - AB.data[k]);
  const rounding = up(gamma(A.cols + 1) * up(frobeniusUp(A.data) * frobeniusUp(B.data)));
  const error = up(up(frobeniusUp(E) * (1 + 4 * unit)) + up(rounding + tiny));
  return { A, B, h: sqrtUp(error), normA: spectralNorm(A).upper, normB: spectralNorm(B).upper };
}

/** max over D of || [B; E / h] D [A, h' I] ||: the norm of the 2 x 2 matrix of the norms of its blocks. */
async function pairBound(
  first: Split,
  sector: Sector,
  second: Split,
  steepest: number,
  {
    engine,
    branch,
    ...limits
  }: Pick<SeqLipOptions, "engine" | "seconds" | "signal" | "clock"> & { readonly branch: number },
): Promise<{ readonly value: number; readonly ended: boolean }> {
  const { A } = first;
  const { B } = second;
  const clock = budget(limits);
  const exact = A.rows <= branch ? await patternBound(B, A, sector, clock) : null;
  let ended = exact?.ended ?? false;
  let value = Math.min(exact?.value ?? Number.POSITIVE_INFINITY, timesUp(timesUp(first.normA, second.normB), steepest));
  if (!ended) {
    const program = programOfChain(pairChain(A, sector, B));
    const seconds = Math.max(0, (limits.seconds ?? Number.POSITIVE_INFINITY) - clock.elapsed());
    const found = await quadraticBound(program, { engine, ...limits, seconds, work: workOf(program) });
    if (found.value < value) ended = found.ending === "converged";
    value = Math.min(value, found.value);
  }
  const p = up(up(second.normB * steepest) * first.h);
  const q = up(up(first.normA * steepest) * second.h);
  const s = up(up(first.h * second.h) * steepest);
  return { value: p === 0 && q === 0 ? value : blockNorm(value, p, q, s), ended };
}

/** B D A with the slopes of a sector, rounded outward. */
function pairChain(A: Matrix, { mu, rho }: Sector, B: Matrix): Chain {
  const low = mu.map((m, j) => (rho[j] === 0 ? m : m === rho[j] ? 0 : down(m - rho[j])));
  const high = mu.map((m, j) => (rho[j] === 0 ? m : m === -rho[j] ? 0 : up(m + rho[j])));
  const slopeOn = (j: number): readonly [number, number] => [low[j], high[j]];
  const affine = [A, B].map((weight) => ({ weight, bias: new Float64Array(weight.rows) }));
  return { affine, activations: [{ low, high, slopeOn, apply: (z) => z }] };
}

/** An upper bound of the norm of [[m, p], [q, s]], all >= 0: the root of (f + ((m^2 + q^2 - p^2 - s^2)^2 + 4 (m p + q s)^2)^(1/2)) / 2, f the sum of squares. */
function blockNorm(m: number, p: number, q: number, s: number): number {
  const [mm, pp, qq, ss] = [m, p, q, s].map((x) => up(x * x));
  const first = up(mm + qq);
  const second = up(pp + ss);
  // Both sums are only known from above; their difference from either side.
  const apart = Math.max(first, second);
  const mixed = up(up(m * p) + up(q * s));
  const root = sqrtUp(up(up(apart * apart) + up(4 * up(mixed * mixed))));
  return sqrtUp(up(up(first + second) + root) / 2);
}

/** Slopes count in pairs that do not share a weight: the best choice of pairs, the other weights by their norms. */
function everySecond({ weights, steepest }: ChainForm, norms: readonly number[], factors: readonly number[]): number {
  const best = [1, norms[0]];
  for (let i = 1; i < weights.length; i++) {
    const alone = timesUp(timesUp(best[i], steepest[i - 1]), norms[i]);
    const before = i > 1 ? timesUp(best[i - 1], steepest[i - 2]) : best[i - 1];
    best[i + 1] = Math.min(alone, timesUp(before, factors[i - 1]));
  }
  return best[weights.length];
}
