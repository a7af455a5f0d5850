/** @file The search for multipliers of wrapped convolutions before a chain, and where it may begin. What is found must be proved. */
import type { Engine } from "../../engine/engine.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import type { Budget } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { type CircularStage, circularNorm } from "./circular.ts";
import { circularJudge, joined, sizesOf, split } from "./circularGraph.ts";
import { goDown } from "./judge.ts";
import type { Multipliers } from "./matrix.ts";

/** Go down on ln r over ln Lambda from a start, as far as there is time; `ended` says whether there was to the end. Null where there is no judge or the start is not feasible. */
export async function circularSearch(
  engine: Engine,
  stages: readonly CircularStage[],
  chain: Chain,
  start: Multipliers,
  clock: Budget,
): Promise<{ readonly multipliers: Multipliers; readonly ended: boolean } | null> {
  let from = joined(start.map((list) => list.map(Math.log)));
  let feasible = false;
  for (const { doublings, gain } of stagesOfDescent) {
    const judge = await circularJudge(engine, stages, chain, doublings);
    if (judge === null) return null;
    try {
      const last = await goDown(judge, from, clock, gain);
      feasible ||= last !== undefined;
      // At the edge of what is feasible rounding may decide.
      if (last === undefined) break;
      from = last;
      if (clock.expired) break;
    } finally {
      await judge.dispose();
    }
  }
  if (!feasible) return null;
  return { multipliers: split(from, sizesOf(stages, chain)).map((l) => l.map(Math.exp)), ended: !clock.expired };
}

/** Multipliers of everything from those of the chain alone, and their factor on its constant. */
export interface NormStart {
  readonly multipliers: Multipliers;
  /** The product of the norms of the convolutions. */
  readonly before: number;
}

/**
 * Take every convolution by its norm: 2 / T for its channels, T the product of the squared norms so far, leaves at least 1 / T over, so that multipliers of
 * the chain go on with 1 / T times what they are. A hair less of each keeps the matrices definite.
 */
export function normStart(stages: readonly CircularStage[], behind: Multipliers): NormStart {
  let T = 1;
  const own = stages.map((stage) => {
    T *= circularNorm(stage, 1e-3) ** 2;
    return new Float64Array(stage.channels).fill((2 * (1 - hair)) / T);
  });
  // 0 is for neurons that cannot matter.
  const rest = behind.map((list) => {
    const top = list.reduce((a, b) => Math.max(a, b), 0);
    return list.map((l) => (Math.max(l, 1e-9 * top) * (1 - hair)) / T);
  });
  return { multipliers: [...own, ...rest], before: Math.sqrt(T) };
}

/** The same where nothing is known of the chain but the norms of its maps. */
export function productStart(stages: readonly CircularStage[], { affine, activations }: Chain): NormStart {
  let T = 1;
  const behind = activations.map(({ high }, i) => {
    const slope = high.reduce((a, b) => Math.max(a, b), 1e-9);
    T *= (spectralNorm(affine[i].weight, { tolerance: 1e-3 }).upper * slope) ** 2;
    return new Float64Array(high.length).fill(2 / T);
  });
  return normStart(stages, behind);
}

// --- internal ---

const hair = 1e-6;

/** As in `searchMultipliers`; it ends sooner, for the chain behind the convolutions is searched once more. */
const stagesOfDescent = [
  { doublings: 5, gain: 1e-3 },
  { doublings: 9, gain: 1e-4 },
  { doublings: 13, gain: 1e-5 },
];
