/**
 * @file CLIP, cheap Lipschitz training: the steepest of a set of pairs is a penalty, and the step that trains the network moves the
 * pairs too. What it lowers is a lower bound of the Lipschitz constant: nothing is proved by it.
 */
import { grad } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { add, greater, mul, stopGradient, where } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { argMax, gather } from "../ops/gather.ts";
import { reshape } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { scalar } from "../tensor/tensor.ts";
import { checkDiscrepancy, nextWeight } from "./discrepancy.ts";
import type { Method, Step } from "./method.ts";
import { adapted, checkPairs, freshPairs, type PairStart, quotients, respawn, worst } from "./pairSet.ts";

export const clipPenalties = ["quotient", "square"] as const;
export const clipAscents = ["plain", "accepted"] as const;

export interface ClipOptions {
  /** Training accuracy to keep, in (0, 1): the weight of the penalty grows while it is reached. Default: the weight stays as it is. */
  readonly goal?: number;
  /** The first weight of the penalty. Default: 0.05, and with a goal 0. */
  readonly weight?: number;
  /** What the weight moves by after an epoch. Default: 0.05. */
  readonly increment?: number;
  /** Epochs at the start without penalty. Default: none. */
  readonly warmup?: number;
  /** Epochs between two moves of the weight. Default: none. */
  readonly cooldown?: number;
  /** Pairs in the set, at most the samples of a batch. Default: a quarter of those. */
  readonly pairs?: number;
  /** How many of the steepest pairs the penalty is the mean of; `pairs` is the mean of all. Default: 1. */
  readonly worst?: number;
  /** The quotient (default) or its square. */
  readonly penalty?: (typeof clipPenalties)[number];
  /** Step size of the pairs. Default: 1. */
  readonly step?: number;
  /** Move the pairs by every step ("plain", the default), or only where it raises the quotient, with a step size for each pair that adapts ("accepted"). */
  readonly ascent?: (typeof clipAscents)[number];
  /** How pairs begin. Default: "noisy". */
  readonly start?: PairStart;
  /** Probability of a pair to begin anew, in each step; collapsed pairs do so at once. Default: 0. */
  readonly respawn?: number;
}

/**
 * Penalise the steepest pair: loss + lambda max over pairs of ||f(x) - f(x')|| / ||x - x'||, the pairs moved by
 * x <- x + tau L grad_x L in each step, lambda by the discrepancy rule after each epoch.
 * Reference: Bungert et al. 2021, algorithms 1 and 2.
 */
export function clip(options: ClipOptions = {}): Method {
  const {
    goal,
    weight = options.goal === undefined ? 0.05 : 0,
    increment = 0.05,
    warmup = 0,
    cooldown = 0,
    worst: count = 1,
  } = options;
  const { penalty = "quotient", step: rate = 1, ascent = "plain", start = "noisy", respawn: chance = 0 } = options;
  const rule = goal === undefined ? undefined : { goal, increment, warmup, cooldown };
  if (rule) checkDiscrepancy("clip", rule);
  checkOptions({ weight, count, rate, chance, pairs: options.pairs });
  return {
    name: "clip",
    init({ data, batch, random }) {
      const pairs = options.pairs ?? Math.max(1, Math.floor(batch / 4));
      checkPairs("clip", pairs, batch);
      if (count > pairs) throw new UsageError(`clip: worst must not be more than the ${pairs} pairs, got ${count}`);
      return {
        ...freshPairs(data, { pairs, start, rate }, random),
        weight: scalar(rule && warmup > 0 ? 0 : weight),
        steepest: scalar(0),
      };
    },
    objective(step) {
      const { x, y, state } = step;
      const outputs = step.forward(x);
      const q = quotients(step.evaluated, state.first, state.second);
      const seen = count === 1 ? steepest(step, q) : q;
      const shares = count === 1 ? 1 : worst(stopGradient(q), count);
      const measured = penalty === "square" ? mul(seen, seen) : seen;
      const moved = climb(step, q, grad(sum(q), [state.first, state.second]));
      const next = ascent === "plain" ? moved : accepted(step, moved, q, rate);
      return {
        loss: add(step.loss(outputs, y), mul(sum(mul(measured, shares)), state.weight)),
        outputs,
        state: {
          steepest: sum(mul(seen, shares)),
          rate: next.rate,
          ...respawn(state, next, x, { start, chance, noise: step.noise }),
        },
      };
    },
    ...(rule && {
      after: (summary, state) => ({ weight: scalar(nextWeight(rule, Number(state.weight.data[0]), weight, summary)) }),
    }),
  };
}

// --- internal ---

interface Moved {
  readonly first: Node;
  readonly second: Node;
  readonly rate: Node;
}

/**
 * The largest quotient, [1], from the one pair that has it: the parameters' gradient then costs the pass of one pair, whatever the size of
 * the set.
 */
function steepest({ evaluated, state }: Step, q: Node): Node {
  const index = argMax(q, 0, true);
  return quotients(evaluated, gather(state.first, index, 0), gather(state.second, index, 0));
}

/** Both points of each pair by tau L grad L, from the gradients of the quotients L. */
function climb({ state }: Step, q: Node, [du, dv]: readonly Node[]): Moved {
  const factor = reshape(mul(state.rate, q), [q.shape[0], ...du.shape.slice(1).map(() => 1)]);
  return { first: add(state.first, mul(du, factor)), second: add(state.second, mul(dv, factor)), rate: state.rate };
}

/** The moves that raise the quotient; the others are taken back. */
function accepted({ evaluated, state }: Step, moved: Moved, before: Node, first: number): Moved {
  const better = greater(quotients(evaluated, moved.first, moved.second), before);
  const each = reshape(better, [better.shape[0], ...moved.first.shape.slice(1).map(() => 1)]);
  return {
    first: where(each, moved.first, state.first),
    second: where(each, moved.second, state.second),
    rate: adapted(state.rate, better, first),
  };
}

function checkOptions(options: {
  readonly weight: number;
  readonly count: number;
  readonly rate: number;
  readonly chance: number;
  readonly pairs: number | undefined;
}): void {
  const { weight, count, rate, chance, pairs } = options;
  if (!(weight >= 0 && Number.isFinite(weight))) throw new UsageError(`clip: weight must be >= 0, got ${weight}`);
  if (!(rate > 0 && Number.isFinite(rate))) throw new UsageError(`clip: step must be above 0, got ${rate}`);
  if (!(chance >= 0 && chance <= 1)) throw new UsageError(`clip: respawn must be from 0 to 1, got ${chance}`);
  for (const [what, value] of Object.entries({ worst: count, ...(pairs === undefined ? {} : { pairs }) })) {
    if (!(Number.isInteger(value) && value >= 1))
      throw new UsageError(`clip: ${what} must be a whole number >= 1, got ${value}`);
  }
}
