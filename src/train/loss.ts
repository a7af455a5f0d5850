/** @file Losses: the mean over a batch of a loss per sample. Targets are one-hot rows for classes, plain rows for regression. */
import type { Node } from "../graph/graph.ts";
import { add, maximum, mul, neg, sub } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { mean } from "../ops/reduce.ts";
import { logSoftmax } from "../ops/softmax.ts";
import { UsageError } from "../tensor/errors.ts";

/** outputs [batch, k], targets [batch, k] -> a scalar. */
export type Loss = (outputs: Node, targets: Node) => Node;

/** The cross-entropy of the softmax: -log softmax(outputs) at the true class, in nats. */
export const crossEntropy: Loss = (outputs, targets) => neg(mean(sum(mul(logSoftmax(outputs, 1), targets), [1])));

/** The sum over the outputs of half the squared error, so that the gradient is the error. */
export const squaredError: Loss = (outputs, targets) => {
  const error = sub(outputs, targets);
  return mul(mean(sum(mul(error, error), [1])), 0.5);
};

/** The mean shortfall from a margin: (1 / classes) sum over the wrong classes of max(0, margin - (true logit - wrong logit)). */
export function multiMargin(margin = 1): Loss {
  checkPositive("multiMargin", "margin", margin);
  return (outputs, targets) => {
    const classes = outputs.shape[1];
    const truth = sum(mul(outputs, targets), [1], true);
    const short = maximum(add(sub(outputs, truth), margin), 0);
    // The true class itself is always short by the margin: leave it out.
    return mul(mean(sum(mul(short, sub(1, targets)), [1])), 1 / classes);
  };
}

/**
 * The cross-entropy that asks for a margin of `offset` between logits: temperature * crossEntropy((outputs - offset * targets) / temperature).
 * Reference: Prach and Lampert 2022, section 5; the defaults are those of Wang and Manchester 2023 for CIFAR-100.
 */
export function offsetCrossEntropy({ offset = 1.5 * Math.SQRT2, temperature = 0.25 } = {}): Loss {
  checkPositive("offsetCrossEntropy", "temperature", temperature);
  if (!Number.isFinite(offset)) throw new UsageError(`offsetCrossEntropy: offset must be finite, got ${offset}`);
  return (outputs, targets) =>
    mul(crossEntropy(mul(sub(outputs, mul(targets, offset)), 1 / temperature), targets), temperature);
}

// --- internal ---

function checkPositive(who: string, what: string, value: number): void {
  if (!(value > 0 && Number.isFinite(value))) throw new UsageError(`${who}: ${what} must be above 0, got ${value}`);
}
