/** @file Radii sample by sample, where the global constant leaves them short: the linear walk around each sample. */
import type { Propagation } from "../bounds/autoLip.ts";
import type { Norm } from "../bounds/bound.ts";
import { type Budget, budget } from "../bounds/budget.ts";
import { constantsOf } from "../bounds/linear/constants.ts";
import { type Plan, planOf } from "../bounds/linear/plan.ts";
import { largestRadii } from "../bounds/linear/radius.ts";
import { compileWork, engineSpeed, runWork } from "../bounds/lowerBounds/slopes.ts";
import type { Subject } from "../bounds/subject.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type Completed, complete } from "./complete.ts";

/** How much is done for every sample beside the constant. */
export interface LocalEffort {
  /** Float64 operations, roughly; the same on every machine. Default 2e11, a minute or less on two cores. */
  readonly work?: number;
  /** Steps of tuning for each pair of classes at each radius; default 20. */
  readonly steps?: number;
  /** After so long radii stay as they are, so that they depend on the machine; default no limit. */
  readonly seconds?: number;
  /**
   * Decide what is still open at the radii that are asked for by branch and bound, with as many parts of the ball for each pair of classes: complete answers on small
   * networks. Default 0: do not.
   */
  readonly parts?: number;
}

/** What all samples get together by default. */
export const localWork = 2e11;

export interface LocalQuestion {
  readonly subject: Subject;
  readonly engine: Engine;
  readonly data: Dataset;
  readonly norm: Norm;
  /** In the norm, of the flow of one sample (`fusedFlow`). */
  readonly propagation: Propagation;
  readonly predicted: readonly number[];
  /** What is known of a sample against another class. */
  known(index: number, other: number): number;
  readonly radii: readonly number[];
  readonly effort: LocalEffort;
  /** Of everything; its signal aborts. */
  readonly clock: Budget;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** Radii of the linear walk, or why there are none. */
export type LocalRadii =
  | {
      readonly radii: Float64Array;
      /** Samples that there was no work left for. */
      readonly left: number;
      /** What branching found, where it was asked. */
      readonly completed?: Completed;
    }
  | { readonly why: string };

/** Enlarge radii by the linear walk (`largestRadii`). */
export async function localRadii(question: LocalQuestion): Promise<LocalRadii> {
  const { subject, engine, data, norm, propagation, predicted, known, radii, effort, onProgress } = question;
  if (subject.size !== sizeOf(data.shape)) return { why: "several samples make one run" };
  let plan: Plan;
  try {
    plan = planOf(subject, propagation.flow);
  } catch (cause) {
    if (cause instanceof UsageError || cause instanceof ShapeError) return { why: cause.message };
    throw cause;
  }
  const { work = localWork, steps = 20, parts = 0, seconds } = effort;
  const own = budget(seconds === undefined ? {} : { seconds });
  const clock: Budget = {
    ...question.clock,
    get expired() {
      return own.expired || question.clock.expired;
    },
    fits: (operations) => own.fits(operations) && question.clock.fits(operations),
  };
  if (!question.clock.fits(firstWalk(subject, data.count))) return { why: "there was no time for it" };
  const constantOf = await constantsOf(plan, norm, clock, propagation);
  const walking = parts > 0 ? 0.5 : 1;
  const found = await largestRadii({
    ...{ engine, plan, norm, constantOf, predicted, known, radii, steps, work, clock },
    x: Float64Array.from(data.x),
    onProgress: (part) => onProgress?.(walking * part),
  });
  if (parts === 0) return found;
  const completed = await complete({
    ...{ subject, engine, plan, norm, constantOf, predicted, radii, parts, work, clock },
    x: Float32Array.from(data.x),
    proved: found.radii,
    known: (index, other) => Math.max(found.radii[index], known(index, other)),
    onProgress: (part) => onProgress?.(walking + (1 - walking) * part),
  });
  return { ...found, completed };
}

// --- internal ---

/** Operations of the first walk for the first samples, with what it has to compile. */
const firstWalk = (subject: Subject, count: number): number =>
  4 * compileWork(subject) + (8 * Math.min(8, count) * subject.outputs * runWork(subject)) / engineSpeed;
