/** @file Bounds from slopes alone, loaded when they are asked. */
import type { Bound } from "../bound.ts";
import { type Budget, budget } from "../budget.ts";
import type { ChainPart } from "../chain/question.ts";
import { method, type Question } from "../question.ts";
import { onChain } from "./ofChain.ts";

export const intervalMethod = method({
  name: "interval",
  side: "upper",
  norms: "all",
  domains: "all",
  usual: (_, { kind }) => kind !== "global",
  turn: 9,
  work: Number.POSITIVE_INFINITY,
  needs: "chains",
  ask: onChain("interval", async (part, question) => {
    const { intervalBound } = await import("../local/interval.ts");
    return timed("interval", question, () => intervalBound(part.chain, part.slopes, question.norm));
  }),
});

export const recurJacMethod = method({
  name: "recurjac",
  side: "upper",
  norms: "all",
  domains: "all",
  usual: (norm, { kind }) => kind !== "global" || norm !== 2,
  turn: 4,
  work: 0.6,
  needs: "chains",
  ask: onChain("recurjac", async (part: ChainPart, question) => {
    const { recurJacBound } = await import("../local/recurJac.ts");
    let late = false;
    const bound = await timed("recurjac", question, (clock) => {
      const value = recurJacBound(part.chain, part.slopes, question.norm, clock);
      late = clock.expired;
      return value;
    });
    return late ? { ...bound, status: "stopped", why: "out of time: some entries are those of the interval" } : bound;
  }),
});

// --- internal ---

async function timed(
  name: string,
  { seconds, clock: passing, signal }: Question,
  of: (clock: Budget) => number,
): Promise<Bound> {
  const clock = budget({ seconds, clock: passing, signal });
  await clock.pause();
  const value = of(clock);
  return { method: name, side: "upper", proved: true, value, seconds: clock.elapsed(), status: "done" };
}
