/** @file The search for the best multipliers of a program, by counted steps. Every point is a bound once it is proved. */
import type { Engine } from "../../engine/engine.ts";
import type { Budget } from "../budget.ts";
import { descend } from "./descent.ts";
import { type Aim, doublings, type Evaluation, objectiveOf, unknownsOf } from "./objective.ts";
import type { Program } from "./program.ts";

export interface Point {
  readonly multipliers: Float64Array;
  readonly scales?: Float64Array;
  /** ln L^2, smoothed from above. */
  readonly value: number;
}

export interface SearchOptions extends Aim {
  readonly engine: Engine;
  readonly clock: Budget;
  /** Multiply-adds of the walk, for a clock that counts work. */
  readonly work?: number;
  /** Evaluations of the objective at most. */
  readonly steps: number;
  onPoint?(point: Point): void;
  /** The end of a level: further from the edge of what is feasible than the next one's. */
  onLevel?(point: Point): Promise<void>;
}

/** Why a search came to its end: nothing to gain, all of its steps taken, out of time, or no point to begin at that the engine's arithmetic carries. */
export type Ending = "converged" | "steps" | "time" | "no start";

/**
 * Go down on ln L^2 by L-BFGS from a point, or, where there is none that is feasible in the engine's arithmetic, from multipliers that are all alike and
 * large enough; null where not even those are.
 *
 * Two things stand in the way of a descent: the largest eigenvalue has no derivative where it is double, as it is at many an optimum, and the optimum may
 * lie at the edge of what is feasible. For the first a power of the trace stands, for the second a barrier; both draw closer to the truth level by level.
 */
export async function searchMultipliers(
  program: Program,
  start: Float64Array | null,
  { engine, clock, work = 0, steps, onPoint = () => {}, onLevel = async () => {}, ...aim }: SearchOptions,
): Promise<{ readonly best: Point; readonly ending: Ending; readonly steps: number } | null> {
  const objective = await objectiveOf(engine, program, aim);
  let best: Point | undefined;
  let used = 0;
  let ending: Ending = "converged";
  try {
    const alike = new Float64Array(unknownsOf(program, aim).count);
    let theta = start && (await objective.at(start, 0, 0)) ? start : alike;
    if (theta === alike && !(await objective.at(alike, 0, 0))) return null;
    for (let level = 0; level < doublings.length && ending === "converged"; level++) {
      const found = new WeakMap<Float64Array, Evaluation>();
      const evaluate = async (x: Float64Array) => {
        used++;
        await clock.pause();
        // With the gradient it is three walks, on an engine.
        clock.spend(3e5 + work / 3);
        const evaluation = await objective.at(x, level, barriers[level]);
        if (evaluation) found.set(x, evaluation);
        return evaluation;
      };
      let reference = Number.POSITIVE_INFINITY;
      let count = 0;
      let last: Point | undefined;
      for await (const { x, value } of descend(evaluate, theta, { memory: 100, least: 1e-3 * gains[level] })) {
        const { multipliers, scales, plain } = found.get(x) as Evaluation;
        theta = x;
        last = { multipliers, value: plain, ...(scales && { scales }) };
        if (!best || plain < best.value) best = last;
        onPoint(last);
        if (used >= steps) ending = "steps";
        if (clock.expired) ending = "time";
        if (ending !== "converged") break;
        if (++count % 10 !== 0) continue;
        if (reference - value < gains[level]) break;
        reference = value;
      }
      if (last && ending === "converged") await onLevel(last);
    }
  } finally {
    await objective.dispose();
  }
  return best ? { best, ending, steps: used } : null;
}

// --- internal ---

/** Ten steps must gain a part of what the smoothing of a level may be off, ln n / 2^doublings: when they do not, the next level begins. */
const gains: readonly number[] = doublings.map((d) => 0.1 / 2 ** d);

/** The weight of the barrier, level by level. */
const barriers: readonly number[] = doublings.map((_, level) => 0.001 * 10 ** -level);
