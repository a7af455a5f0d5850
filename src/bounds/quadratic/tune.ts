/** @file Which part of the room an activation's multipliers should take, found where it costs little: on the coarsest grid that the strides of a program allow. */
import type { Engine } from "../../engine/engine.ts";
import type { Budget } from "../budget.ts";
import type { Program } from "./program.ts";
import { startRatios, wideWalk } from "./wide.ts";
import { wideSpending } from "./work.ts";

/** The program on a grid of few places, as if images ended there and began anew: a part of its frequencies, and what is proved of it holds for nothing else. */
export function thinned(program: Program): Program {
  const { sides } = program;
  const coarsest = program.steps.reduce(
    (last, step) => (step.kind === "coarsen" && step.sides.length > 0 ? step.sides : last),
    sides,
  );
  const total = sides.map((side, i) => side / (coarsest[i] ?? side));
  // A kernel of three taps looks the same at all frequencies where there are fewer.
  const few = sides.map((side, i) => Math.min(side, total[i] * Math.max(1, Math.ceil(fewest / total[i]))));
  return {
    ...program,
    sides: few,
    steps: program.steps.map((step) =>
      step.kind === "coarsen"
        ? { ...step, sides: step.sides.map((side, i) => Math.round((side * few[i]) / sides[i])) }
        : step,
    ),
  };
}

/** The best ratios by trial on the thinned program: the same for all first, then each alone, while there is time and a trial has something to gain. */
export async function tunedRatios(
  program: Program,
  { engine, clock, seconds }: { readonly engine: Engine; readonly clock: Budget; readonly seconds: number },
): Promise<readonly number[]> {
  const thin = thinned(program);
  const work = wideSpending(thin);
  const until = clock.elapsed() + seconds;
  let most = 0;
  const late = () => clock.expired || clock.elapsed() + most > until;
  const value = async (ratios: readonly number[]) => {
    const began = clock.elapsed();
    clock.spend(work);
    const found = await wideWalk(thin, { engine, clock, ratios });
    most = Math.max(most, clock.elapsed() - began);
    return found?.square ?? Number.POSITIVE_INFINITY;
  };
  let best = startRatios(program);
  let least = Number.POSITIVE_INFINITY;
  const offer = async (ratios: readonly number[]) => {
    const own = await value(ratios);
    if (own >= least) return false;
    [best, least] = [ratios, own];
    return true;
  };
  for (const usual of [0.75, 0.66, 0.85, 0.6]) {
    if (late()) return best;
    await offer(startRatios(program, usual));
  }
  for (let step = 0.12; step > 0.02; step /= 2) {
    for (let k = 0; k < best.length; k++) {
      for (const sign of [-1, 1]) {
        if (late()) return best;
        const own = Math.min(1.2, Math.max(0.52, best[k] * (1 + sign * step)));
        if (await offer(best.map((ratio, i) => (i === k ? own : ratio)))) break;
      }
    }
  }
  return best;
}

// --- internal ---

/** Places of a side that is thinned, at least. */
const fewest = 4;
