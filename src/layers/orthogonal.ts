/** @file Layers whose weights have orthonormal rows or columns, whichever are fewer, by the Cayley map. */
import { add } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { zeros } from "../tensor/tensor.ts";
import type { Activation } from "./activation.ts";
import {
  actOf,
  type Bounded,
  boundedFamily,
  checkActivation,
  type FamilyOptions,
  isContraction,
  isMonotone,
  linked,
  nothing,
  taken,
} from "./bounded.ts";
import { drawFree, freeOf, orthonormal } from "./cayley.ts";
import { checkVector } from "./dense.ts";
import type { Family } from "./family.ts";
import { checkCount } from "./layer.ts";
import { orthogonalConv } from "./orthogonalConv.ts";

/** The family of orthogonal layers. Activations must have slopes in [-1, 1]. */
export const orthogonal = (options: FamilyOptions = {}): Family =>
  boundedFamily({ name: "orthogonal", dense: orthogonalDense, conv: orthogonalConv, last: orthogonalDense }, options);

/**
 * y = s(x Q + b), [batch, in] -> [batch, width], with Q^T Q = I or Q Q^T = I; linear without an activation.
 * Reference: Trockman and Kolter 2021.
 */
export function orthogonalDense(width: number, name: Activation = "identity"): Bounded {
  checkCount("orthogonal", "width", width);
  checkActivation("orthogonal", name, isContraction);
  const act = actOf(name);
  return linked({
    name: "orthogonal",
    ...(isMonotone(name) && { multiplier: "one" as const }),
    shape(input) {
      checkVector("orthogonal", input);
      return [width];
    },
    init(random, [size]) {
      const small = Math.min(size, width);
      const free = drawFree(random, Math.max(size, width) - small, small);
      return act.beside({ params: { ...free, bias: zeros([width]) }, state: {} }, random, [width]);
    },
    link(variables, pending, mode) {
      const { direction, bias } = variables;
      const [tall, short] = direction.shape;
      const Q = orthonormal(
        freeOf(variables),
        ...(width === short ? ([tall, short] as const) : ([short, tall] as const)),
      );
      return { weights: { weight: taken(pending, Q), bias, ...act.weights(variables, mode) }, pending: nothing };
    },
    forward: (x, w) => act.forward(add(matmul(x, w.weight), w.bias), w),
  });
}
