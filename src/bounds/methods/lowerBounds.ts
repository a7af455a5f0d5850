/** @file Searches over inputs, each from the best place that is known already. */
import type { LowerBound, Norm } from "../bound.ts";
import { budget } from "../budget.ts";
import { annealing } from "../lowerBounds/annealing.ts";
import { jacobian } from "../lowerBounds/jacobian.ts";
import { pairs } from "../lowerBounds/pairs.ts";
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
    return jacobian(subject, norm, { engine, seed, domain, points: 4, rounds: 1, signal });
  },
  ask: (question: Question) => searched(jacobian, question),
});

export const pairsMethod = method({
  ...common,
  name: "pairs",
  usual: () => true,
  turn: 3,
  ask: (question: Question) => searched(pairs, question),
});

export const annealingMethod = method({
  ...common,
  name: "annealing",
  usual: () => false,
  turn: 9,
  ask: (question: Question) => searched(annealing, question),
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
