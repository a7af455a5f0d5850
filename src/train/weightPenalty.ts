/** @file The baseline of CLIP: a penalty on the weights, as strong as the same discrepancy rule allows. */
import type { Node } from "../graph/graph.ts";
import { add, mul } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { UsageError } from "../tensor/errors.ts";
import { scalar } from "../tensor/tensor.ts";
import { checkDiscrepancy, nextWeight } from "./discrepancy.ts";
import type { Method } from "./method.ts";

export interface WeightPenaltyOptions {
  /** Training accuracy to keep, in (0, 1): the weight of the penalty grows while it is reached. Default: the weight stays as it is. */
  readonly goal?: number;
  /** The first weight of the penalty. Default: 0. */
  readonly weight?: number;
  /** What the weight moves by after an epoch. Default: 1e-4. */
  readonly increment?: number;
  /** Epochs at the start without penalty. Default: none. */
  readonly warmup?: number;
  /** Epochs between two moves of the weight. Default: none. */
  readonly cooldown?: number;
}

/**
 * Penalise the squared weights: loss + mu sum ||W||_F^2, mu by the discrepancy rule after each epoch; biases go free.
 * Reference: Bungert et al. 2021, section 3.2, the baseline "weight regularisation".
 */
export function weightPenalty(options: WeightPenaltyOptions = {}): Method {
  const { goal, weight = 0, increment = 1e-4, warmup = 0, cooldown = 0 } = options;
  if (!(weight >= 0 && Number.isFinite(weight)))
    throw new UsageError(`weightPenalty: weight must be >= 0, got ${weight}`);
  const rule = goal === undefined ? undefined : { goal, increment, warmup, cooldown };
  if (rule) checkDiscrepancy("weightPenalty", rule);
  return {
    name: "weight-penalty",
    init: () => ({ weight: scalar(rule && warmup > 0 ? 0 : weight) }),
    objective({ x, y, forward, loss, params, state }) {
      const outputs = forward(x);
      const squares = Object.entries(params).flatMap(([name, p]): Node[] =>
        name === "weight" || name.endsWith("/weight") ? [sum(mul(p, p))] : [],
      );
      const penalty = squares.length === 0 ? 0 : squares.reduce((a, b) => add(a, b));
      return { loss: add(loss(outputs, y), mul(state.weight, penalty)), outputs };
    },
    ...(rule && {
      after: (summary, state) => ({ weight: scalar(nextWeight(rule, Number(state.weight.data[0]), weight, summary)) }),
    }),
  };
}
