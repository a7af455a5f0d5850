/**
 * @file Multipliers for convolutions that wrap around where a model brings none: one number for all neurons. It is all that a chain of sandwich
 * layers without Psi needs; for other networks it is a place to start from, and seldom a good one.
 */
import type { Budget } from "../budget.ts";
import type { Chain } from "../chain.ts";
import type { CircularStage } from "./circular.ts";
import { type CircularJudge, sizesOf } from "./circularGraph.ts";
import type { Multipliers } from "./matrix.ts";

/** Multipliers, and the constant that they give, not proved. */
export interface Uniform {
  readonly multipliers: Multipliers;
  readonly value: number;
}

/**
 * Search for the number 2 / g that gives the least. Where all multipliers 2 / gamma give gamma, 2 / g gives sqrt(gamma g) for every g
 * above gamma, so that gamma is guessed from one value; below it nothing is feasible, and the search goes back half of the way.
 */
export async function uniformMultipliers(
  judge: CircularJudge,
  stages: readonly CircularStage[],
  chain: Chain,
  upper: number,
  clock: Budget,
): Promise<Uniform | null> {
  const sizes = sizesOf(stages, chain);
  const count = sizes.reduce((sum, n) => sum + n, 0);
  let best: { readonly g: number; readonly value: number } | null = null;
  let [low, high] = [0, upper];
  let g = upper;
  for (let tries = 0; tries < mostTries && Number.isFinite(g) && !(clock.expired && best); tries++) {
    await clock.pause();
    clock.spend(judge.cost);
    const sample = await judge.at(new Float64Array(count).fill(Math.log(2 / g)));
    const value = sample && Math.exp(sample.value / 2);
    if (value !== undefined && !(best && value >= best.value)) {
      best = { g, value };
      high = g;
    } else if (best) low = g;
    else break;
    const guess = (best.value * best.value) / high;
    g = guess > low * (1 + near) && guess < high * (1 - near) ? guess : Math.sqrt(Math.max(low, guess / 2) * high);
    if (high < low * (1 + near)) break;
  }
  if (best === null) return null;
  const number = 2 / best.g;
  return { multipliers: sizes.map((n) => new Float64Array(n).fill(number)), value: best.value };
}

// --- internal ---

const mostTries = 12;

/** How near to the best number is near enough; the value is off by half of it. */
const near = 0.005;
