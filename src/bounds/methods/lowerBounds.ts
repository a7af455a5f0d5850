/** @file Searches over inputs, each from the best place that is known already. Their code is loaded when they begin, since upper bounds need none of it. */
import type { LowerBound, Norm } from "../bound.ts";
import { budget } from "../budget.ts";
import type { LowerOptions } from "../lowerBounds/search.ts";
import { runWork } from "../lowerBounds/slopes.ts";
import { method, type Question } from "../question.ts";
import type { Subject } from "../subject.ts";

const common = {
  side: "lower",
  norms: "all",
  domains: "all",
  // Its rounds are counted.
  work: Number.POSITIVE_INFINITY,
  share: 0.8,
  needs: "nothing",
} as const;

export const jacobianMethod = method({
  ...common,
  name: "jacobian",
  usual: () => true,
  turn: 2,
  /** From a few points. */
  async glance({ subject, norm, engine, seed, domain, signal, seconds, clock }) {
    const work = runWork(subject);
    if (work >= quickRun || !budget({ seconds, clock }).fits(20 * work)) return null;
    const { jacobian } = await import("../lowerBounds/jacobian.ts");
    return jacobian(subject, norm, { engine, seed, domain, points: 4, rounds: 1, signal });
  },
  ask: async (question: Question) => searched((await import("../lowerBounds/jacobian.ts")).jacobian, question),
});

export const pairsMethod = method({
  ...common,
  name: "pairs",
  usual: () => true,
  turn: 3,
  ask: async (question: Question) => searched((await import("../lowerBounds/pairs.ts")).pairs, question),
});

export const annealingMethod = method({
  ...common,
  name: "annealing",
  usual: () => false,
  turn: 9,
  ask: async (question: Question) => searched((await import("../lowerBounds/annealing.ts")).annealing, question),
});

// --- internal ---

/** Multiply-adds of a run below which a first look costs next to nothing. */
const quickRun = 1e8;

async function searched(
  search: (subject: Subject, norm: Norm, options: LowerOptions) => Promise<LowerBound>,
  { subject, norm, progress, improve, ...rest }: Question,
) {
  return { bounds: [await search(subject, norm, { ...rest, onProgress: progress, onFirst: improve })] };
}
