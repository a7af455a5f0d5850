/** @file The search for steep places: the power method at many points at once, and moves of the points. It believes the formal Jacobian; whoever reports a value checks it. */

import { joined } from "../../linalg/vector.ts";
import type { Random } from "../../tensor/random.ts";
import type { Norm } from "../bound.ts";
import type { Budget } from "../budget.ts";
import { type Domain, inside } from "../domain.ts";
import { attaining, dualNorm, lengthOf } from "../length.ts";
import type { Subject } from "../subject.ts";
import type { Slopes } from "./slopes.ts";
import type { Start } from "./starts.ts";

/** What a search works with. */
export interface Search {
  readonly subject: Subject;
  readonly norm: Norm;
  /** Where points may be; nobody looks outside. */
  readonly domain: Domain;
  readonly slopes: Slopes;
  readonly clock: Budget;
  readonly source: Random;
}

/** A point and a direction with ||J(x) v|| / ||v|| = value. */
export interface Candidate extends Start {
  readonly v: Float64Array;
  readonly value: number;
}

/** Power steps at fixed points, until none gains any more; the best direction seen. */
export async function power(
  { slopes, norm, subject, clock }: Search,
  starts: readonly Start[],
  directions: readonly Float64Array[],
  iterations: number,
): Promise<Candidate[]> {
  const x = joined(starts.map((start) => start.x));
  let v = [...directions];
  let best: Candidate[] = starts.map((start, k) => ({ ...start, v: v[k], value: 0 }));
  for (let i = 0, idle = 0; ; i++) {
    const images = rowsOf(await slopes.push(x, joined(v)), subject.outputs);
    const before = best;
    best = best.map((b, k) => {
      const value = quotient(lengthOf(images[k], norm), lengthOf(v[k], norm));
      return value > b.value ? { ...b, v: v[k], value } : b;
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

/** Move every point of a batch and keep the moves that make it steeper. */
export async function climb(
  search: Search,
  starts: readonly Candidate[],
  rounds: number,
  onProgress: (part: number) => void,
): Promise<Candidate[]> {
  const { slopes, clock, source, subject, domain } = search;
  // In units of each start.
  const steps = starts.map(() => 0.3);
  let best = [...starts];
  for (let round = 0; round < rounds && !clock.expired; round++) {
    await clock.pause();
    onProgress(round / rounds);
    const gradient = slopes.climb && round % 2 === 0 ? await climbDirection(search, best) : null;
    const tried = best.map((b, k) => {
      const { x, unit } = b;
      // Steepest where lengths are measured in units; as long as a normal vector with this deviation.
      const along = gradient?.[k].map((g, i) => g * unit[i]);
      const length = along ? lengthOf(along, 2) : 0;
      if (along && length > 0) {
        const factor = (steps[k] * Math.sqrt(subject.size)) / length;
        return { x: x.map((c, i) => c + factor * unit[i] * along[i]), unit };
      }
      return { x: x.map((c, i) => c + steps[k] * unit[i] * source.normal()), unit };
    });
    const moved = await power(
      search,
      tried.map(({ x, unit }) => ({ x: inside(domain, x), unit })),
      best.map((b) => b.v),
      2,
    );
    best = best.map((b, k) => {
      const better = moved[k].value > b.value;
      steps[k] = Math.min(10, steps[k] * (better ? 1.5 : 0.8));
      return better ? moved[k] : b;
    });
  }
  return best;
}

/** For l1 and l-inf, the best column or row of the whole Jacobian, where that is small enough to look at. */
export async function corners({ slopes, norm, subject }: Search, { x, unit: scale }: Candidate): Promise<Candidate[]> {
  const { size, outputs } = subject;
  if (norm === 2 || Math.min(size, outputs) > 64) return [];
  const unit = (n: number, k: number) => Float64Array.from({ length: n }, (_, i) => (i === k ? 1 : 0));
  if (size < outputs) {
    const columns: Float64Array[] = [];
    for (let k = 0; k < size; k++) columns.push(await slopes.push(x, unit(size, k)));
    if (norm === 1)
      return [steepest(columns.map((c, k) => ({ x, unit: scale, v: unit(size, k), value: lengthOf(c, 1) })))];
    const rows = Array.from({ length: outputs }, (_, i) => Float64Array.from(columns, (c) => c[i]));
    return [steepest(rows.map((r) => ({ x, unit: scale, v: r.map(Math.sign), value: lengthOf(r, 1) })))];
  }
  const rows: Float64Array[] = [];
  for (let i = 0; i < outputs; i++) rows.push(await slopes.pull(x, unit(outputs, i)));
  if (norm === "inf")
    return [steepest(rows.map((r) => ({ x, unit: scale, v: r.map(Math.sign), value: lengthOf(r, 1) })))];
  const sums = Float64Array.from({ length: size }, (_, k) => rows.reduce((sum, r) => sum + Math.abs(r[k]), 0));
  return [steepest(Array.from(sums, (value, k) => ({ x, unit: scale, v: unit(size, k), value })))];
}

export const steepestFirst = (a: Candidate, b: Candidate): number => b.value - a.value;

/** a / b, and 0 where that is no number: a direction of length 0, an overflow. */
export function quotient(a: number, b: number): number {
  const value = a / b;
  return Number.isFinite(value) ? value : 0;
}

// --- internal ---

async function climbDirection({ slopes, norm, subject }: Search, at: readonly Candidate[]): Promise<Float64Array[]> {
  const x = joined(at.map((b) => b.x));
  const v = joined(at.map((b) => b.v));
  const u = joined(rowsOf(await slopes.push(x, v), subject.outputs).map((row) => attaining(row, dualNorm(norm))));
  return slopes.climb ? rowsOf(await slopes.climb(x, v, u), subject.size) : [];
}

const steepest = (candidates: readonly Candidate[]): Candidate =>
  candidates.reduce((a, b) => (b.value > a.value ? b : a));

/** Vectors of equal width, out of one array. */
export const rowsOf = (data: Float64Array, width: number): Float64Array[] =>
  Array.from({ length: data.length / width }, (_, k) => data.subarray(k * width, (k + 1) * width));
