/** @file LipSDP on any program of cuts: multipliers in closed form, a search for better ones, and the proof of what they give. */
import type { Engine } from "../../engine/engine.ts";
import { sqrtUp } from "../../linalg/rounding.ts";
import { type Budget, budget, type Clock, reserving } from "../budget.ts";
import type { Program } from "./program.ts";
import { type Choose, matricesOf, provedWalk } from "./proof.ts";
import { type Point, searchMultipliers } from "./search.ts";
import { closedForm, given, meansOf } from "./start.ts";
import { provedTop } from "./top.ts";

export interface QuadraticOptions {
  readonly engine: Engine;
  /** An upper limit; what was found by then is proved all the same. */
  readonly seconds?: number;
  /** The machine's unless told. */
  readonly clock?: Clock;
  /** Multiply-adds of the walk, for a clock that counts work. */
  readonly work?: number;
  readonly signal?: AbortSignal;
  /** Evaluations of the objective at most. Default 1000. */
  readonly steps?: number;
  /** Multipliers that may be good, one for each number of the program: looked at first, and where they prove anything the search begins there. */
  readonly stored?: Float64Array;
  /** The value so far, not yet proved, and the part of the steps that is done. */
  onStep?(value: number, done: number): void;
  /** Each smaller value as soon as it is proved. */
  onImprove?(value: number): void;
}

export interface QuadraticBound {
  /** Proved; Infinity where nothing is. */
  readonly value: number;
  /** What proves it. */
  readonly multipliers: Float64Array | null;
  /** Did the search end of itself? */
  readonly ended: boolean;
  /** Evaluations of the objective. */
  readonly steps: number;
}

/** Bound the constant of a program in l2. */
export async function quadraticBound(program: Program, options: QuadraticOptions): Promise<QuadraticBound> {
  const { engine, seconds, work = 0, steps = 1000, onImprove = () => {}, onStep = () => {} } = options;
  const clock = budget(options);
  const found: { value: number; multipliers: Float64Array | null } = {
    value: Number.POSITIVE_INFINITY,
    multipliers: null,
  };
  let cost = 0;
  const offer = async (choose: Choose, multipliers: Float64Array, limit?: Budget) => {
    const began = clock.elapsed();
    clock.spend(work);
    const cut = await provedWalk(program, choose, limit);
    const value = cut ? sqrtUp(provedTop(matricesOf(cut))) : Number.POSITIVE_INFINITY;
    cost = clock.elapsed() - began;
    if (value >= found.value) return;
    Object.assign(found, { value, multipliers });
    onImprove(value);
  };
  let start: Start | null = null;
  if (options.stored) {
    for (const e of storedInwards) {
      const recorded = recorder(program, given(options.stored, e));
      await offer(recorded.choose, recorded.multipliers, clock);
      // The first that proves anything may do so with little to spare: the next is looked at as well.
      const better = found.multipliers === recorded.multipliers;
      if (start && !better) break;
      if (better) start = recorded;
    }
  }
  if (!start) {
    start = recorder(program, closedForm);
    await offer(start.choose, start.multipliers, clock);
  }
  if (program.multipliers === 0) return { ...found, ended: true, steps: 0 };
  // A proof must come after the search.
  const limited = reserving(clock, seconds, () => 1.2 * cost);
  const prove = async ({ multipliers, value }: Point) => {
    const aim = Math.exp(value / 2) * (1 + 1e-5);
    for (const e of inwards) if (!(found.value <= aim)) await offer(given(multipliers, e), multipliers);
  };
  if (limited.expired) return { ...found, ended: false, steps: 0 };
  let count = 0;
  const levels: Point[] = [];
  const searched = await searchMultipliers(program, start.theta, {
    engine,
    clock: limited,
    work,
    steps,
    onPoint: ({ value }) => onStep(Math.exp(value / 2), ++count / steps),
    async onLevel(point) {
      levels.push(point);
      // On the way proofs take a small part of the time.
      if (cost < 0.05 * clock.elapsed()) await offer(given(point.multipliers, inwards[0]), point.multipliers);
    },
  });
  if (!searched) return { ...found, ended: false, steps: 0 };
  for (const point of [searched.best, ...levels.toReversed()]) {
    if (found.value <= Math.exp(searched.best.value / 2) * (1 + 1e-4)) break;
    await prove(point);
    if (seconds !== undefined && clock.elapsed() > seconds && found.multipliers !== start.multipliers) break;
  }
  return { ...found, ended: searched.ended, steps: searched.steps };
}

// --- internal ---

/** How far multipliers are moved from the edge of what is feasible before they are proved. */
const inwards: readonly number[] = [1e-9, 1e-7, 1e-5];

/** The same for multipliers that a model brings along, whose inequality may hold with nothing to spare before weights were rounded. */
const storedInwards: readonly number[] = [1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3];

interface Start {
  /** What was chosen, once the walk has been: t, and the logarithms that the objective takes. */
  readonly multipliers: Float64Array;
  readonly theta: Float64Array;
  readonly choose: Choose;
}

/** Choose as somebody else does, and write it down. */
function recorder(program: Program, by: Choose): Start {
  const theta = new Float64Array(Math.max(1, program.multipliers));
  const multipliers = new Float64Array(theta.length).fill(1);
  const choose: Choose = (step, own, weights) => {
    const t = by(step, own, weights);
    if (!t) return null;
    const means = meansOf(own, weights);
    if (step.kind === "gain") {
      const mean = means.reduce((sum, y) => sum + y, 0) / means.length;
      multipliers[step.multiplier] = t[0];
      theta[step.multiplier] = Math.log(t[0] / mean);
      return t;
    }
    const sums = new Map<number, { total: number; count: number }>();
    step.share.forEach((k, i) => {
      const sum = sums.get(k) ?? { total: 0, count: 0 };
      sums.set(k, { total: sum.total + means[i], count: sum.count + 1 });
    });
    step.share.forEach((k, i) => {
      const { total, count } = sums.get(k) as { total: number; count: number };
      multipliers[k] = t[i];
      theta[k] = Math.log((t[i] * count) / total);
    });
    return t;
  };
  return { theta, multipliers, choose };
}
