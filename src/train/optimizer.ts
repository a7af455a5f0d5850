/** @file Optimisers as graph: from parameters, gradients and state to the next parameters and state, inside the training step. */
import type { Node } from "../graph/graph.ts";
import { add, div, mul, neg, pow, sub } from "../ops/arith.ts";
import { addScaled } from "../ops/matmul.ts";
import { sqrt } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";
import { mapNamed, type Named, under, within } from "../tensor/named.ts";
import { type Tensor, zeros } from "../tensor/tensor.ts";

export interface Update {
  readonly params: Named<Node>;
  readonly gradients: Named<Node>;
  readonly state: Named<Node>;
  /** The loss of the batch, a scalar, and the outputs that it is of, both of the parameters: for optimisers that differentiate themselves. */
  readonly loss: Node;
  readonly outputs: Node;
  /** Learning rate, a scalar. */
  readonly rate: Node;
  /** Number of this step, from 1, a scalar. */
  readonly step: Node;
  /** Weight decay of a parameter, by name; 0 for none. */
  decay(name: string): number;
  /** What the learning rate of a parameter is times, by name; 1 for the rate as it is. */
  pace(name: string): number;
}

export interface Optimizer {
  readonly name: string;
  /** Fresh state: zeros, some for each parameter. */
  init(params: Named<Tensor>): Named<Tensor>;
  /** The next parameters and state, under the names that they came with. */
  update(update: Update): { readonly params: Named<Node>; readonly state: Named<Node> };
}

export interface SgdOptions {
  readonly momentum?: number;
  readonly nesterov?: boolean;
}

/**
 * Descend along the gradient: v <- momentum v + g, p <- p - rate v; with nesterov p <- p - rate (g + momentum v) for the new v.
 * Weight decay is part of g: g + decay p. Unlike in the reference, the rate is outside of v, as is common now.
 * Reference: Sutskever et al. 2013, equations 1 to 4.
 */
export function sgd({ momentum = 0, nesterov = false }: SgdOptions = {}): Optimizer {
  checkFraction("sgd", "momentum", momentum);
  if (nesterov && momentum === 0) throw new UsageError("sgd: nesterov needs a momentum above 0, got 0");
  return {
    name: nesterov ? "nesterov" : "sgd",
    init: (params) => (momentum === 0 ? {} : mapNamed(params, (p) => zeros(p.shape))),
    update({ params, gradients, state, rate, decay, pace }) {
      const velocity: Record<string, Node> = {};
      const next = mapNamed(params, (p, name) => {
        const rule = decay(name);
        const own = paced(rate, pace(name));
        const g = rule === 0 ? gradients[name] : add(gradients[name], mul(p, rule));
        if (momentum === 0) return addScaled(p, g, neg(own));
        const v = add(mul(state[name], momentum), g);
        velocity[name] = v;
        return sub(p, mul(nesterov ? add(g, mul(v, momentum)) : v, own));
      });
      return { params: next, state: velocity };
    },
  };
}

export interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
}

/**
 * Descend along running means of the gradient and of its square, by element: m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2,
 * p <- p - rate (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon) + decay p), at step t from 1. The decay is decoupled: AdamW.
 * Reference: Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2.
 */
export function adam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 }: AdamOptions = {}): Optimizer {
  checkFraction("adam", "beta1", beta1);
  checkFraction("adam", "beta2", beta2);
  if (!(epsilon > 0)) throw new UsageError(`adam: epsilon must be above 0, got ${epsilon}`);
  return {
    name: "adam",
    init: (params) => {
      const blank = mapNamed(params, (p) => zeros(p.shape));
      return { ...under("mean", blank), ...under("square", blank) };
    },
    update({ params, gradients, state, rate, step, decay, pace }) {
      const [means, squares] = [within("mean", state), within("square", state)];
      const mean = mapNamed(params, (_, name) => add(mul(means[name], beta1), mul(gradients[name], 1 - beta1)));
      const square = mapNamed(params, (_, name) => {
        const g = gradients[name];
        return add(mul(squares[name], beta2), mul(mul(g, g), 1 - beta2));
      });
      // Both corrections are scalars, so they are worked out once and not per parameter.
      const meanScale = div(rate, sub(1, pow(beta1, step)));
      const squareScale = div(1, sub(1, pow(beta2, step)));
      const next = mapNamed(params, (p, name) => {
        const own = paced(meanScale, pace(name));
        const move = div(mul(mean[name], own), add(sqrt(mul(square[name], squareScale)), epsilon));
        const rule = decay(name);
        return sub(rule === 0 ? p : sub(p, mul(p, mul(paced(rate, pace(name)), rule))), move);
      });
      return { params: next, state: { ...under("mean", mean), ...under("square", square) } };
    },
  };
}

// --- internal ---

const paced = (rate: Node, pace: number): Node => (pace === 1 ? rate : mul(rate, pace));

function checkFraction(who: string, what: string, value: number): void {
  if (!(value >= 0 && value < 1)) throw new UsageError(`${who}: ${what} must be in [0, 1), got ${value}`);
}
