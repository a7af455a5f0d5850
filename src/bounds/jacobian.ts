/** @file A lower bound with a witness: search for a point and a direction in which the network is steep. What counts at the end is a difference quotient, because at a kink the formal Jacobian can exceed the constant. */
import type { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Random, random } from "../tensor/random.ts";
import { type Candidate, climb, corners, power, quotient, type Search, steepestFirst } from "./ascent.ts";
import type { LowerBound, Norm, Witness } from "./bound.ts";
import { budget } from "./budget.ts";
import { attaining, lengthOf } from "./length.ts";
import { preciseSlopes, slopesOn } from "./slopes.ts";
import { checkSample, type Subject } from "./subject.ts";

export interface JacobianOptions {
  readonly engine: Engine;
  /** Points to start from; without data, uniform in [0, 1] and normal ones of several scales. */
  readonly data?: Dataset;
  /** How many points to start from, default 64. */
  readonly points?: number;
  /** Moves of every point, default 40. */
  readonly rounds?: number;
  /** Time after which the search ends, default 10; the result is the same for every run only if it is not reached. */
  readonly seconds?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/**
 * Bound the Lipschitz constant from below.
 *
 * At each point the power method v <- J^T dual(J v) finds a steep direction (for l1 and l-inf it is Hager's, and where there are at
 * most 64 outputs or inputs all rows or columns of J are looked at in the end); then points move along the gradient of ||J(x) v||
 * in x, or at random where that vanishes, and stay where it is steeper. The best (x, v) is evaluated in float64:
 *
 *     value = min( ||J(x) v|| / ||v||,  max_t ||f(x + t v) - f(x)|| / ||t v|| )
 *
 * less what rounding may have added to the outputs (2^-44 of them).
 */
export async function jacobian(subject: Subject, norm: Norm, options: JacobianOptions): Promise<LowerBound> {
  const { engine, points = 64, rounds = 40, seconds = 10, seed = 0, signal, onProgress = () => {} } = options;
  if (!Number.isInteger(points) || points < 1) {
    throw new UsageError(`jacobian: points must be a whole number >= 1, got ${points}`);
  }
  const clock = budget({ seconds, signal });
  const source = random(seed).fork("jacobian");
  const stated = (value: number, witness: Witness | null): LowerBound => ({
    method: "jacobian",
    side: "lower",
    proved: false,
    value,
    witness,
    seconds: clock.elapsed(),
    status: clock.expired ? "stopped" : "done",
  });
  const starts = startsOf(subject, options.data, points, source);
  const runs = subject.batch === "free" ? Math.min(32, starts.length) : 1;
  const slopes = await slopesOn(engine, subject, runs, "float32");
  if (!slopes) return stated(0, null);
  try {
    const search: Search = { subject, norm, slopes, clock, source };
    let found: Candidate[] = [];
    for (const batch of batches(starts, runs)) {
      if (clock.expired && found.length > 0) break;
      await clock.pause();
      const directions = batch.map((x) =>
        attaining(
          x.map(() => source.normal()),
          norm,
        ),
      );
      found.push(...(await power(search, batch, directions, 10)));
    }
    onProgress(0.2);
    // Moving pays most where it is steep already.
    found.sort(steepestFirst);
    const chosen = batches(found.slice(0, Math.max(runs, 8)), runs);
    found = found.slice(0, 3);
    for (const [k, batch] of chosen.entries()) {
      found.push(
        ...(await climb(search, batch, rounds, (part) => onProgress(0.2 + (0.7 * (k + part)) / chosen.length))),
      );
    }
    const best = found.sort(steepestFirst).slice(0, 3);
    const witnessed = await confirm(engine, search, best);
    onProgress(1);
    return stated(witnessed.value, witnessed.witness);
  } finally {
    await slopes.dispose();
  }
}

// --- internal ---

function startsOf(subject: Subject, data: Dataset | undefined, points: number, source: Random): Float64Array[] {
  const { size } = subject;
  if (data) {
    checkSample(subject, data.shape);
    const runs = Math.floor(data.x.length / size);
    const order = source.fork("samples").permutation(runs);
    return Array.from(order.subarray(0, points), (k) => Float64Array.from(data.x.subarray(k * size, (k + 1) * size)));
  }
  return Array.from({ length: points }, (_, k) => {
    const own = source.fork(k);
    const scale = [0.3, 1, 3][k % 3];
    return Float64Array.from({ length: size }, () => (k % 2 === 0 ? own.uniform() : scale * own.normal()));
  });
}

/** Evaluate candidates in float64 and give the best with its witness. */
async function confirm(
  engine: Engine,
  search: Search,
  candidates: readonly Candidate[],
): Promise<{ readonly value: number; readonly witness: Witness | null }> {
  let best: { value: number; witness: Witness | null } = { value: 0, witness: null };
  const slopes = await preciseSlopes(engine, search.subject);
  if (!slopes) return best;
  try {
    const precise: Search = { ...search, slopes };
    for (const candidate of candidates) {
      await search.clock.pause();
      const [polished] = await power(precise, [candidate.x], [candidate.v], 100);
      const others = search.clock.expired ? [] : await corners(precise, polished);
      for (const { x, v, value } of [polished, ...others]) {
        const seen = Math.min(value, await differenceQuotient(precise, x, v));
        if (seen > best.value) best = { value: seen, witness: { x: Array.from(x), v: Array.from(v) } };
      }
    }
  } finally {
    await slopes.dispose();
  }
  return best;
}

/** The largest difference quotient along v over several step lengths, less what rounding may have added. */
async function differenceQuotient({ slopes, norm }: Search, x: Float64Array, v: Float64Array): Promise<number> {
  const at = await slopes.value(x);
  const scale = Math.max(1, lengthOf(x, "inf")) / Math.max(lengthOf(v, "inf"), Number.MIN_VALUE);
  let best = 0;
  for (const t of [2 ** -3, 2 ** -7, 2 ** -11, 2 ** -15]) {
    const near = x.map((c, i) => c + t * scale * v[i]);
    const there = await slopes.value(near);
    const rounding = 2 ** -44 * (lengthOf(at, norm) + lengthOf(there, norm));
    const rise =
      lengthOf(
        there.map((c, i) => c - at[i]),
        norm,
      ) - rounding;
    const run =
      lengthOf(
        near.map((c, i) => c - x[i]),
        norm,
      ) *
      (1 + 2 ** -44);
    best = Math.max(best, quotient(rise, run));
  }
  return best;
}

/** Cut into batches of equal size; the last one is filled up from the start. */
function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) =>
    Array.from({ length: size }, (_, k) => items[(n * size + k) % items.length]),
  );
}
