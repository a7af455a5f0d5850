/** @file The constant of a network that is too large for a search of multipliers: segments that are walked by products, and what stands between them. */
import type { Engine } from "../../engine/engine.ts";
import { flowOf } from "../../graph/behaviour.ts";
import { sqrtUp } from "../../linalg/rounding.ts";
import { type Propagation, propagate } from "../autoLip.ts";
import { budget, type Clock } from "../budget.ts";
import type { NormStore } from "../norm/node.ts";
import { timesUp } from "../norm/region.ts";
import type { Program } from "./program.ts";
import { namesBetween, type Segment, segmentsOf } from "./segments.ts";
import { tunedRatios } from "./tune.ts";
import { wideWalk } from "./wide.ts";
import { wideSpeed, wideSpending } from "./work.ts";

export interface WideBoundOptions {
  readonly engine: Engine;
  readonly seconds: number;
  readonly clock: Clock;
  readonly norms?: NormStore;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(part: number): void;
}

export interface WideBound {
  /** Proved. */
  readonly value: number;
  /** Where one number stands for the matrix, in words; none where the whole was walked. */
  readonly numbers: readonly string[];
  /** Was there no time for segments that have a program? */
  readonly late: boolean;
}

/** Bound what a propagation has walked; null where no segment has a program for which there is time. */
export async function wideBound(
  { flow, norms }: Pick<Propagation, "flow" | "norms">,
  { engine, seconds, clock: passing, norms: store, signal, onProgress = () => {} }: WideBoundOptions,
): Promise<WideBound | null> {
  const clock = budget({ seconds, clock: passing, signal });
  // A part of the time finds out which multipliers to take, and some is left over.
  const segments = segmentsOf(flow, norms, 0.8 * seconds * wideSpeed);
  const total = segments.reduce((sum, { work }) => sum + work, 0);
  if (total === 0) return null;
  let value = 1;
  let late = false;
  let ahead = total;
  // What has no program first: its norms are worth more than better multipliers.
  for (const segment of [...segments].sort((a, b) => Number(a.program !== null) - Number(b.program !== null))) {
    const { program, work } = segment;
    const spare = Math.max(0, seconds - clock.elapsed() - (1.1 * ahead) / wideSpeed);
    const own = program && (await walked(program, (spare * work) / ahead));
    if (program && own === null) late = true;
    value = timesUp(value, own ?? (await productOf(segment)));
    ahead -= work;
    onProgress(1 - ahead / total);
  }
  return { value, numbers: namesBetween(segments), late };

  async function walked(program: Program, spare: number): Promise<number | null> {
    const ratios = await tunedRatios(program, { engine, clock, seconds: spare });
    clock.spend(wideSpending(program));
    const found = await wideWalk(program, { engine, clock, ratios });
    return found && sqrtUp(found.square);
  }

  async function productOf({ from, to }: Segment): Promise<number> {
    const { constantOf } = await propagate(flowOf(from, to), 2, clock, undefined, undefined, store);
    return constantOf(to);
  }
}
