/**
 * @file Multipliers for convolutions that wrap around where a model brings none: one number for all neurons. It is all that a chain of sandwich
 * layers without Psi needs; for other networks it is a place to start from, and seldom a good one.
 */
import { scaleUp, sqrtUp } from "../../linalg/rounding.ts";
import type { Budget } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { timesUp } from "../norm/region.ts";
import type { CircularStage } from "./circular.ts";
import { type ReducedChain, reducedChain } from "./circularTail.ts";
import { formOf, multipliersOfForm } from "./form.ts";
import type { Multipliers } from "./matrix.ts";
import { settle } from "./proof.ts";

/** A proof, and the multipliers behind it. */
export interface Uniform {
  readonly reduced: ReducedChain;
  readonly multipliers: Multipliers;
}

/**
 * Search for the number 2 / g that proves the least. Where all multipliers 2 / gamma prove gamma, 2 / g proves sqrt(gamma g) for every g
 * above gamma, so that gamma is guessed from one proof; below it nothing is proved, and the search goes back half of the way.
 */
export async function uniformChain(
  stages: readonly CircularStage[],
  chain: Chain,
  upper: number,
  clock: Budget,
): Promise<Uniform | null> {
  let best: (Uniform & { readonly value: number }) | null = null;
  let [low, high] = [0, upper];
  let g = upper;
  for (let tries = 0; tries < mostTries && Number.isFinite(g) && !(clock.expired && best); tries++) {
    await clock.pause();
    const found = provedAt(stages, chain, 2 / g);
    if (found && !(best && found.value >= best.value)) {
      best = found;
      high = g;
    } else if (best) low = g;
    else break;
    const guess = (best.value * best.value) / high;
    g = guess > low * (1 + near) && guess < high * (1 - near) ? guess : Math.sqrt(Math.max(low, guess / 2) * high);
    if (high < low * (1 + near)) break;
  }
  return best;
}

// --- internal ---

const mostTries = 12;

/** How near to the best number is near enough; the value is off by half of it. */
const near = 0.005;

function provedAt(stages: readonly CircularStage[], chain: Chain, c: number) {
  const lists = [...stages, ...chain.activations].map(() => [c]);
  const reduced = reducedChain(stages, chain, lists);
  const form = reduced && formOf(reduced.chain);
  if (!reduced || !form) return null;
  const multipliers = chain.activations.map(({ low }) => new Float64Array(low.length).fill(c));
  const proof = form.sectors.length === 0 ? null : settle(form, multipliersOfForm(form, multipliers));
  if (!proof) return null;
  return { reduced, multipliers, value: timesUp(reduced.before, scaleUp(sqrtUp(proof.r), form.exponent)) };
}
