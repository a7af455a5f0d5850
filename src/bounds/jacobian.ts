/** @file A lower bound with a witness: search for a point and a direction in which the network is steep. What counts at the end is a difference quotient, because at a kink the formal Jacobian can exceed the constant. */
import type { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Random, random } from "../tensor/random.ts";
import type { LowerBound, Norm, Witness } from "./bound.ts";
import { type Budget, budget } from "./budget.ts";
import { attaining, dualNorm, lengthOf } from "./length.ts";
import { preciseSlopes, type Slopes, slopesOn } from "./slopes.ts";
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

interface Search {
  readonly subject: Subject;
  readonly norm: Norm;
  readonly slopes: Slopes;
  readonly clock: Budget;
  readonly source: Random;
}

interface Candidate {
  readonly x: Float64Array;
  readonly v: Float64Array;
  readonly value: number;
}

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

const steepestFirst = (a: Candidate, b: Candidate): number => b.value - a.value;

/** Cut into batches of equal size; the last one is filled up from the start. */
function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) =>
    Array.from({ length: size }, (_, k) => items[(n * size + k) % items.length]),
  );
}

/** Move every point of a batch and keep the moves that make it steeper. */
async function climb(
  search: Search,
  starts: readonly Candidate[],
  rounds: number,
  onProgress: (part: number) => void,
): Promise<Candidate[]> {
  const { slopes, clock, source, subject } = search;
  const spread = starts.map(({ x }) => Math.max(0.1, lengthOf(x, 2) / Math.sqrt(x.length)));
  const steps = starts.map((_, k) => 0.3 * spread[k]);
  let best = [...starts];
  for (let round = 0; round < rounds && !clock.expired; round++) {
    await clock.pause();
    onProgress(round / rounds);
    const gradient = slopes.climb && round % 2 === 0 ? await climbDirection(search, best) : null;
    const tried = best.map((b, k) => {
      const along = gradient?.[k];
      const length = along ? lengthOf(along, 2) : 0;
      // A step has the length of a normal vector with this deviation per coordinate.
      if (along && length > 0) return b.x.map((x, i) => x + (steps[k] * Math.sqrt(subject.size) * along[i]) / length);
      return b.x.map((x) => x + steps[k] * source.normal());
    });
    const moved = await power(
      search,
      tried,
      best.map((b) => b.v),
      2,
    );
    best = best.map((b, k) => {
      const better = moved[k].value > b.value;
      steps[k] = Math.min(10 * spread[k], steps[k] * (better ? 1.5 : 0.8));
      return better ? moved[k] : b;
    });
  }
  return best;
}

async function climbDirection({ slopes, norm, subject }: Search, at: readonly Candidate[]): Promise<Float64Array[]> {
  const x = joined(at.map((b) => b.x));
  const v = joined(at.map((b) => b.v));
  const u = joined(rowsOf(await slopes.push(x, v), subject.outputs).map((row) => attaining(row, dualNorm(norm))));
  return slopes.climb ? rowsOf(await slopes.climb(x, v, u), subject.size) : [];
}

/** Power steps at fixed points, until none gains any more; the best direction seen. */
async function power(
  { slopes, norm, subject, clock }: Search,
  points: readonly Float64Array[],
  directions: readonly Float64Array[],
  iterations: number,
): Promise<Candidate[]> {
  const x = joined(points);
  let v = [...directions];
  let best: Candidate[] = points.map((at, k) => ({ x: at, v: v[k], value: 0 }));
  for (let i = 0, idle = 0; ; i++) {
    const images = rowsOf(await slopes.push(x, joined(v)), subject.outputs);
    const before = best;
    best = best.map((b, k) => {
      const value = quotient(lengthOf(images[k], norm), lengthOf(v[k], norm));
      return value > b.value ? { x: b.x, v: v[k], value } : b;
    });
    idle = best.some((b, k) => b.value > before[k].value * (1 + 1e-9)) ? 0 : idle + 1;
    if (i === iterations || idle === 3 || (i > 0 && clock.expired)) return best;
    const u = joined(images.map((row) => attaining(row, dualNorm(norm))));
    const back = rowsOf(await slopes.pull(x, u), subject.size);
    v = v.map((old, k) => {
      const next = attaining(back[k], norm);
      return lengthOf(next, "inf") > 0 ? next : old;
    });
  }
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

/** For l1 and l-inf, the best column or row of the whole Jacobian, where that is small enough to look at. */
async function corners({ slopes, norm, subject }: Search, { x }: Candidate): Promise<Candidate[]> {
  const { size, outputs } = subject;
  if (norm === 2 || Math.min(size, outputs) > 64) return [];
  const unit = (n: number, k: number) => Float64Array.from({ length: n }, (_, i) => (i === k ? 1 : 0));
  if (size < outputs) {
    const columns: Float64Array[] = [];
    for (let k = 0; k < size; k++) columns.push(await slopes.push(x, unit(size, k)));
    if (norm === 1) return [steepest(columns.map((c, k) => ({ x, v: unit(size, k), value: lengthOf(c, 1) })))];
    const rows = Array.from({ length: outputs }, (_, i) => Float64Array.from(columns, (c) => c[i]));
    return [steepest(rows.map((r) => ({ x, v: r.map(Math.sign), value: lengthOf(r, 1) })))];
  }
  const rows: Float64Array[] = [];
  for (let i = 0; i < outputs; i++) rows.push(await slopes.pull(x, unit(outputs, i)));
  if (norm === "inf") return [steepest(rows.map((r) => ({ x, v: r.map(Math.sign), value: lengthOf(r, 1) })))];
  const sums = Float64Array.from({ length: size }, (_, k) => rows.reduce((sum, r) => sum + Math.abs(r[k]), 0));
  return [steepest(Array.from(sums, (value, k) => ({ x, v: unit(size, k), value })))];
}

const steepest = (candidates: readonly Candidate[]): Candidate =>
  candidates.reduce((a, b) => (b.value > a.value ? b : a));

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

/** a / b, and 0 where that is no number: a direction of length 0, an overflow. */
function quotient(a: number, b: number): number {
  const value = a / b;
  return Number.isFinite(value) ? value : 0;
}

const rowsOf = (data: Float64Array, width: number): Float64Array[] =>
  Array.from({ length: data.length / width }, (_, k) => data.subarray(k * width, (k + 1) * width));

function joined(rows: readonly Float64Array[]): Float64Array {
  if (rows.length === 1) return rows[0];
  const all = new Float64Array(rows.reduce((n, r) => n + r.length, 0));
  let at = 0;
  for (const row of rows) {
    all.set(row, at);
    at += row.length;
  }
  return all;
}
