/** @file The smallest value of a setting with which a goal is reached: bisection between two values, each run after the first two starting from the parameters of the nearest one. */
import { type Measure, measureOf } from "../experiment/comparison.ts";
import type { RunRecord } from "../experiment/record.ts";
import { UsageError } from "../tensor/errors.ts";

export interface Goal {
  /** As it was said. */
  readonly words: string;
  readonly relation: ">=" | "<=";
  /** In the measure's own unit: 0.8 for 80 %. */
  readonly value: number;
  readonly measure: Measure;
}

/** A measure of runs by its name, radii by an @: `accuracy`, `certified@0.5`, `radius`, `upper`; UsageError otherwise. */
export function parseMeasure(option: string, word: string, radii: readonly number[]): Measure {
  const found = measureOf(word.replace("@", " "), radii);
  if (found) return found;
  const known = [
    "accuracy",
    "radius",
    "upper",
    "testLoss",
    ...radii.flatMap((r) => [`certified@${r}`, `attacked@${r}`]),
  ];
  throw new UsageError(`${option}: unknown measure "${word}"; known: ${known.join(", ")}`);
}

/** A goal: `certified@0.5>=80`, parts of the samples in per cent. */
export function parseGoal(words: string, radii: readonly number[]): Goal {
  const [, name, relation, number] = /^\s*([\w@.]+)\s*(>=|<=)\s*(\S+)\s*$/.exec(words) ?? [];
  const value = Number(number);
  if (name === undefined || !Number.isFinite(value)) {
    throw new UsageError(`--goal: must be as certified@0.5>=80, got "${words}"`);
  }
  const measure = parseMeasure("--goal", name, radii);
  const percent = /^(accuracy|certified|attacked)/.test(name);
  return { words, relation: relation as Goal["relation"], value: percent ? value / 100 : value, measure };
}

/** What a run of several seeds has of a measure: its mean; null where a seed has none. */
export function meanOf(records: readonly RunRecord[], measure: Measure): number | null {
  const values = records.map((record) => measure.of(record));
  if (values.length === 0 || values.some((v) => v === null)) return null;
  return (values as number[]).reduce((a, b) => a + b, 0) / values.length;
}

export const reaches = ({ relation, value }: Goal, found: number | null): boolean =>
  found !== null && (relation === ">=" ? found >= value : found <= value);

export interface Tried {
  readonly value: number;
  readonly found: number | null;
  readonly reached: boolean;
}

/** The smallest value that was found to reach the goal, with all that were tried, in this order. */
export interface Searched {
  readonly smallest: number | null;
  readonly tried: readonly Tried[];
}

/** What is tried next is so much larger than what is too small, at most, when a search ends. */
export const tolerance = 1.03;

export interface BisectOptions {
  readonly low: number;
  readonly high: number;
  readonly goal: Goal;
  /** Runs after the first two. Default: 6. */
  readonly steps?: number;
  /** The measure of a run with a value, started from that with another; null where it failed. */
  run(value: number, from: number | null): Promise<number | null>;
}

/**
 * Search. It takes for granted that what reaches the goal with a value does so with every larger one up to `high`; where that is not so, a value is found
 * that reaches it and a smaller one that does not.
 */
export async function bisect({ low, high, goal, steps = 6, run }: BisectOptions): Promise<Searched> {
  const tried: Tried[] = [];
  const note = (value: number, found: number | null): boolean => {
    const reached = reaches(goal, found);
    tried.push({ value, found, reached });
    return reached;
  };
  const ends = await Promise.all([run(low, null), run(high, null)]);
  if (note(low, ends[0])) return { smallest: low, tried };
  if (!note(high, ends[1])) return { smallest: null, tried };
  let [below, above] = [low, high];
  for (let step = 0; step < steps && above > tolerance * below; step++) {
    const middle = Number((below > 0 ? Math.sqrt(below * above) : (below + above) / 2).toPrecision(4));
    if (middle <= below || middle >= above) break;
    // Parameters that reach the goal with more freedom are nearer to some that do with less.
    if (note(middle, await run(middle, above))) above = middle;
    else below = middle;
  }
  return { smallest: above, tried };
}
