/** @file The discrepancy rule: a regularisation as strong as the goal on the training data allows, and no stronger. */
import { UsageError } from "../tensor/errors.ts";
import type { EpochSummary } from "./method.ts";

export interface Discrepancy {
  /** Training accuracy to keep, in (0, 1). */
  readonly goal: number;
  /** What the weight moves by. */
  readonly increment: number;
  /** Epochs at the start with weight 0. */
  readonly warmup: number;
  /** Epochs between two moves in which the weight rests. */
  readonly cooldown: number;
}

/**
 * The weight of the regularisation after an epoch: more by the increment where the training accuracy is above the goal, else less by it,
 * never below 0; unchanged in a cooldown; 0 in the warm-up, and `start` when it ends.
 * Reference: Bungert et al. 2021, algorithm 2; warm-up and cooldown are those of the authors' code.
 */
export function nextWeight(rule: Discrepancy, weight: number, start: number, summary: EpochSummary): number {
  const { epoch, trainAccuracy } = summary;
  if (trainAccuracy === null)
    throw new UsageError("goal: is a training accuracy, and a regression has none; leave it out");
  if (epoch < rule.warmup) return 0;
  if (epoch === rule.warmup) return start;
  if ((epoch - rule.warmup - 1) % (rule.cooldown + 1) !== 0) return weight;
  return Math.max(0, weight + (trainAccuracy > rule.goal ? rule.increment : -rule.increment));
}

/** Check the rule; throws UsageError. */
export function checkDiscrepancy(who: string, { goal, increment, warmup, cooldown }: Discrepancy): void {
  if (!(goal > 0 && goal < 1)) throw new UsageError(`${who}: goal must be between 0 and 1, got ${goal}`);
  if (!(increment > 0 && Number.isFinite(increment)))
    throw new UsageError(`${who}: increment must be above 0, got ${increment}`);
  for (const [what, value] of Object.entries({ warmup, cooldown })) {
    if (!(Number.isInteger(value) && value >= 0))
      throw new UsageError(`${who}: ${what} must be a whole number >= 0, got ${value}`);
  }
}
