/**
 * @file Sandwich layers: an activation between two halves of a matrix with orthonormal rows. One layer is 1-Lipschitz for all values of
 * its parameters, and a chain of them reaches every chain that the inequality of LipSDP proves to be.
 */
import { constant } from "../graph/leaf.ts";
import { add, div, mul } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape, transpose } from "../ops/movement.ts";
import { exp, sqrt, tanh } from "../ops/pointwise.ts";
import { zeros } from "../tensor/tensor.ts";
import { type Activation, activation } from "./activation.ts";
import {
  type Bounded,
  boundedFamily,
  checkActivation,
  type FamilyOptions,
  isHomogeneous,
  isMonotone,
  linked,
  nothing,
  taken,
} from "./bounded.ts";
import { cayleyOf, drawFree, freeOf } from "./cayley.ts";
import { checkVector } from "./dense.ts";
import type { Family } from "./family.ts";
import { checkCount, evalRun } from "./layer.ts";
import { sandwichConv } from "./sandwichConv.ts";

/** The family of sandwich layers. Activations must have slopes in [0, 1]. */
export const sandwich = (options: FamilyOptions = {}): Family =>
  boundedFamily({ name: "sandwich", dense: sandwichDense, conv: sandwichConv, last: sandwichLast }, options);

/**
 * A fully connected sandwich layer with activation s, [batch, p] -> [batch, q].
 *
 *     h_out = sqrt(2) A^T Psi s( sqrt(2) Psi^-1 B h + b ),   A A^T + B B^T = I (Cayley),   Psi = exp(5 tanh(d / 5))
 *
 * In a chain A^T Psi goes into the weights of the next layer. Psi is left out where s(c x) = c s(x) for c > 0: b says as much.
 * Reference: Wang and Manchester 2023, equation 10.
 */
export function sandwichDense(width: number, name: Activation = "relu"): Bounded {
  checkCount("sandwich", "width", width);
  checkActivation("sandwich", name, isMonotone);
  const act = activation(name);
  const scaled = !isHomogeneous(name);
  return linked({
    name: "sandwich",
    multiplier: scaled ? "psi" : "one",
    shape(input) {
      checkVector("sandwich", input);
      return [width];
    },
    init(random, [size]) {
      const free = drawFree(random, size, width);
      return { params: { ...free, bias: zeros([width]), ...(scaled && { logPsi: zeros([width]) }) }, state: {} };
    },
    link(variables, pending) {
      const { square, rest } = cayleyOf(freeOf(variables));
      const root = sqrt(constant(2));
      // As rows: h B^T, then z Psi A.
      const inner = mul(rest, root);
      const outer = mul(transpose(square), root);
      if (!scaled) {
        const weights = { weight: taken(pending, inner), bias: variables.bias };
        return { weights, pending: { kind: "matrix", map: outer } };
      }
      const psi = exp(mul(tanh(div(variables.logPsi, 5)), 5));
      return {
        weights: { weight: taken(pending, div(inner, psi)), bias: variables.bias, psi },
        pending: { kind: "matrix", map: mul(outer, reshape(psi, [width, 1])) },
      };
    },
    forward: (x, w) => act.forward(add(matmul(x, w.weight), w.bias), {}, evalRun),
  });
}

/** The linear end of a chain: y = B h + b with B of norm at most 1, any such B. Reference: the same, section 3.2. */
export function sandwichLast(outputs: number): Bounded {
  checkCount("sandwich", "outputs", outputs);
  return linked({
    name: "sandwichLast",
    shape(input) {
      checkVector("sandwich", input);
      return [outputs];
    },
    init: (random, [size]) => ({ params: { ...drawFree(random, size, outputs), bias: zeros([outputs]) }, state: {} }),
    link(variables, pending) {
      const { rest } = cayleyOf(freeOf(variables));
      return {
        weights: { weight: taken(pending, rest), bias: variables.bias },
        pending: nothing,
      };
    },
    forward: (x, w) => add(matmul(x, w.weight), w.bias),
  });
}
