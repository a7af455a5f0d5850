/** @file Adversarial training: the loss where an attack inside the step has moved the batch to. */
import { adversarial } from "../attack/step.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Method } from "./method.ts";

export interface AdversarialTrainingOptions {
  /** Of the l2 ball that a sample is moved in. Default: 0.1. */
  readonly radius?: number;
  /** Steps of the attack. Default: 3. */
  readonly steps?: number;
}

/**
 * Minimise the loss at the ends of projected gradient ascents in l2 balls around the samples; the training accuracy is the one there.
 * With batch-norm the running statistics are those of the clean batch.
 * Reference: Madry et al. 2018.
 */
export function adversarialTraining({ radius = 0.1, steps = 3 }: AdversarialTrainingOptions = {}): Method {
  if (!(radius >= 0 && Number.isFinite(radius)))
    throw new UsageError(`adversarialTraining: radius must be >= 0, got ${radius}`);
  return {
    name: "adversarial",
    objective({ x, y, forward, loss }) {
      const outputs = forward(adversarial(x, y, forward, loss, { norm: 2, radius, steps }));
      return { loss: loss(outputs, y), outputs };
    },
  };
}
