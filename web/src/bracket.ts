/** @file Brackets in words, and two brackets of the same question as one: what either proved or witnessed holds. */
import type { Bound, Bracket } from "lipschitz";
import { showAtLeast, showAtMost } from "lipschitz/report";

/** What is known, in a sentence. */
export function sentenceOf({ lower, upper, noConstant, domain }: Bracket): string {
  const where = domain === "global" ? "" : " on the box";
  if (noConstant && !upper) return `There is no constant${where}: ${noConstant.why} at ${noConstant.node}.`;
  const above = upper?.proved ? `proved to be at most ${showAtMost(upper.value)}` : "not bounded yet";
  const below = lower ? `; a pair of inputs shows that it is at least ${showAtLeast(lower.value)}` : "";
  return `The constant${where} is ${above}${below}.`;
}

/** The narrower of both on each side; of each method the better bound. */
export function together(before: Bracket, after: Bracket): Bracket {
  const lower = !after.lower || (before.lower && before.lower.value > after.lower.value) ? before.lower : after.lower;
  const upper = isBetter(before.upper, after.upper) ? before.upper : after.upper;
  const methods = new Map<string, Bound>();
  for (const bound of [...before.bounds, ...after.bounds]) {
    const key = `${bound.method} ${bound.side}`;
    const known = methods.get(key);
    const worse = known && (bound.side === "lower" ? bound.value < known.value : bound.value > known.value);
    if (!worse) methods.set(key, bound);
  }
  const layers = after.layers.length > 0 ? after.layers : before.layers;
  return { ...before, ...after, lower, upper, bounds: [...methods.values()], layers };
}

// --- internal ---

function isBetter(a: Bracket["upper"], b: Bracket["upper"]): boolean {
  if (!a || !b) return !b;
  if (a.proved !== b.proved) return a.proved;
  return a.value < b.value;
}
