/** @file Almost-orthogonal layers: any weights, rescaled so that their Gram matrix is dominated by the identity. */
import type { Node } from "../graph/graph.ts";
import { add, div, maximum, mul } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { conv } from "../ops/conv.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape, transpose } from "../ops/movement.ts";
import { abs, sqrt } from "../ops/pointwise.ts";
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
import { type ConvOptions, conv as plainConv } from "./conv.ts";
import { checkVector, dense } from "./dense.ts";
import type { Family } from "./family.ts";
import { glorotUniform } from "./initializer.ts";
import { checkCount } from "./layer.ts";

/** The family of almost-orthogonal layers. Activations must have slopes in [-1, 1]. */
export const aol = (options: FamilyOptions = {}): Family =>
  boundedFamily({ name: "aol", dense: aolDense, conv: aolConv, last: aolDense }, options);

/**
 * y = s(x W + b), [batch, in] -> [batch, width], with W = diag(t) P and t_i = (sum_j |P P^T|_ij)^(-1/2); linear without an activation.
 *
 * diag(row sums of |P P^T|) - P P^T is diagonally dominant, hence W^T W <= I.
 * Reference: Prach and Lampert 2022.
 */
export function aolDense(width: number, name: Activation = "identity"): Bounded {
  checkCount("aol", "width", width);
  checkActivation("aol", name, isContraction);
  const act = actOf(name);
  const plain = dense(width, { initializer: glorotUniform });
  return linked({
    name: "aol",
    ...(isMonotone(name) && { multiplier: "one" as const }),
    shape(input) {
      checkVector("aol", input);
      return [width];
    },
    init: (random, input) => act.beside(plain.init(random, input), random, [width]),
    link(variables, pending, mode) {
      const { weight, bias } = variables;
      const sums = sum(abs(matmul(weight, transpose(weight))), [1], true);
      const scaled = taken(pending, mul(weight, inverseRoot(sums)));
      return { weights: { weight: scaled, bias, ...act.weights(variables, mode) }, pending: nothing };
    },
    forward: (x, w) => act.forward(add(matmul(x, w.weight), w.bias), w),
  });
}

/**
 * The same for a convolution with zeros around: input channel i of the kernel is divided by the root of the sum of all numbers of
 * its correlations with every input channel. It holds for every size, stride and padding.
 * Reference: Prach and Lampert 2022, section 4.
 */
export function aolConv(channels: number, options: ConvOptions, name: Activation = "identity"): Bounded {
  checkActivation("aol", name, isContraction);
  const act = actOf(name);
  const plain = plainConv(channels, { initializer: glorotUniform, ...options, bias: true, groups: 1, dilation: 1 });
  return linked({
    name: "aol",
    shape: plain.shape,
    init: (random, input) => act.beside(plain.init(random, input), random, plain.shape(input)),
    link(variables, pending, mode) {
      const { weight, bias } = variables;
      const turned = transpose(weight, [1, 0, ...weight.shape.slice(2).map((_, i) => i + 2)]);
      const sums = rowSums(correlations(turned));
      const scaled = mul(weight, inverseRoot(reshape(sums, [1, sums.shape[0], ...weight.shape.slice(2).map(() => 1)])));
      const factor = pending.kind === "scale" ? pending.factor : null;
      const whole = factor ? mul(scaled, factor) : scaled;
      return { weights: { weight: whole, bias, ...act.weights(variables, mode) }, pending: nothing };
    },
    forward: (x, w, run) => act.forward(plain.forward(x, w, run), w),
  });
}

/** The correlations of the rows of a kernel [rows, columns, ...space] with each other: [rows, rows, ...2 space - 1]. */
export function correlations(kernel: Node): Node {
  const space = kernel.shape.slice(2);
  const whole = space.map((d) => d - 1);
  return conv(kernel, kernel, {
    strides: space.map(() => 1),
    pads: [...whole, ...whole],
    dilations: space.map(() => 1),
    groups: 1,
  });
}

/** sum over all but the first axis of |x|. */
export const rowSums = (x: Node): Node =>
  sum(
    abs(x),
    x.shape.slice(1).map((_, i) => i + 1),
  );

/** x^(-1/2); what is 0 stays out of the way. */
export const inverseRoot = (x: Node): Node => div(1, sqrt(maximum(x, 1e-30)));
