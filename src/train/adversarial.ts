/** @file Adversarial training: the loss where an attack inside the step has moved the batch to, by noise in a ball or by a transformation of the images. */
import { lossToRaise } from "../attack/loss.ts";
import { transformed } from "../attack/manifool.ts";
import { adversarial } from "../attack/step.ts";
import { imageShape, type TransformName, transformsOf } from "../attack/transforms.ts";
import type { Node } from "../graph/graph.ts";
import { greater, mul, stopGradient, sub, where } from "../ops/arith.ts";
import { broadcastTo } from "../ops/broadcast.ts";
import { concat, reshape } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Method, Step } from "./method.ts";

export interface AdversarialTrainingOptions {
  /** Of the l2 ball that a sample is moved in. Default: 0.1, and 0 beside a transformation. */
  readonly radius?: number;
  /** Steps of the attack in the ball. Default: 3. */
  readonly steps?: number;
  /** Largest angle that images are turned by, in degrees; shift in pixels along each axis; part by which they grow or shrink. Default: 0 each. */
  readonly rotation?: number;
  readonly translation?: number;
  readonly scaling?: number;
  /** Transformations that are drawn for each sample, of which the worst counts; so does the image as it is. Default: 4. */
  readonly tries?: number;
}

/**
 * Minimise the loss at the ends of projected gradient ascents in l2 balls around the samples; the training accuracy is the one there. With a transformation, the
 * samples are images, and the ball is around the worst of some that are drawn uniformly within the limits. With batch-norm the running statistics are those of the
 * clean batch. Throws UsageError for settings that make no sense.
 * Reference: Madry et al. 2018; Engstrom et al. 2019 (the worst of some draws); Kanbak, Moosavi-Dezfooli and Frossard 2018, section 5.
 */
export function adversarialTraining(options: AdversarialTrainingOptions = {}): Method {
  const { steps = 3, rotation = 0, translation = 0, scaling = 0, tries = 4 } = options;
  const limits = Object.entries({ rotation, translation, scaling }).filter(([, limit]) => limit !== 0);
  const { radius = limits.length > 0 ? 0 : 0.1 } = options;
  if (!(radius >= 0 && Number.isFinite(radius)))
    throw new UsageError(`adversarialTraining: radius must be >= 0, got ${radius}`);
  if (!(Number.isInteger(tries) && tries >= 1))
    throw new UsageError(`adversarialTraining: tries must be a whole number >= 1, got ${tries}`);
  const transforms =
    limits.length > 0
      ? transformsOf(
          limits.map(([name]) => name as TransformName),
          Object.fromEntries(limits),
        )
      : null;
  return {
    name: "adversarial",
    objective(step) {
      const { x, y, forward, loss } = step;
      const turned = transforms ? worst(step, transforms, tries) : x;
      const near = radius > 0 ? adversarial(turned, y, forward, loss, { norm: 2, radius, steps }) : turned;
      const outputs = forward(near);
      return { loss: loss(outputs, y), outputs };
    },
  };
}

// --- internal ---

/** Of each image the one of its drawn transformations, or itself, at which the cross-entropy is largest. */
function worst({ x, y, forward, noise }: Step, transforms: ReturnType<typeof transformsOf>, tries: number): Node {
  imageShape("adversarialTraining", x.shape.slice(1));
  const batch = x.shape[0];
  const own = greater(y, 0.5);
  const riskOf = (image: Node) => lossToRaise("cross-entropy", forward(image), own);
  let image = x;
  let risk = riskOf(x);
  for (let k = 0; k < tries; k++) {
    const drawn = transforms.parameters.map(({ limit }) => mul(sub(mul(noise([batch, 1]), 2), 1), limit));
    const candidate = stopGradient(transformed(x, concat(drawn, 1), transforms));
    const found = riskOf(candidate);
    const more = greater(found, risk);
    risk = where(more, found, risk);
    image = where(broadcastTo(reshape(more, [batch, 1, 1, 1]), x.shape), candidate, image);
  }
  return stopGradient(image);
}
