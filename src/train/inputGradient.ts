/** @file The gradient of the loss in the input, inside a training step: what smoothness penalties are made of. Training then differentiates twice. */
import { grad } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { mul } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import type { Step } from "./method.ts";

/**
 * The gradients of the samples' own losses, [batch, ...sample], where the loss is their mean. With batch-norm a sample's loss
 * depends on the others too; what flows between them is counted as the sample's own.
 */
export function inputGradients({ loss, y }: Step, x: Node, outputs: Node): Node {
  const [gradient] = grad(loss(outputs, y), [x]);
  return mul(gradient, x.shape[0]);
}

/** The mean over the batch of ||v_i||^2: whatever the batch size, a weight on it means the same. */
export const meanSquare = (v: Node): Node => mul(sum(mul(v, v)), 1 / v.shape[0]);
