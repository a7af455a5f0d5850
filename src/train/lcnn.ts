/** @file LCNN: low curvature by layers whose curvature and slope are parameters, and penalties that bring both down. */
import type { Node } from "../graph/graph.ts";
import { betaOf } from "../layers/centeredSoftplus.ts";
import { lowCurvatureFamily } from "../layers/lowCurvature.ts";
import { add, mul } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { abs } from "../ops/pointwise.ts";
import type { Named } from "../tensor/named.ts";
import { inputGradients, meanSquare } from "./inputGradient.ts";
import type { Method } from "./method.ts";
import { checkWeights } from "./penalty.ts";

export interface LcnnOptions {
  /** Weight of the sum of all betas. Default: 0.01. */
  readonly betaWeight?: number;
  /** Weight of the sum of all |log gamma|. Default: 0.1. */
  readonly gammaWeight?: number;
  /** Weight of the mean squared norm of the loss's gradient in the input. Default: 0, and then it is not computed. */
  readonly gradientWeight?: number;
}

/** How much faster than weights beta and gamma move: at the rate of the weights they all but stay where they start. */
const pace = 20;

/**
 * Train a model of the low-curvature family on
 *
 *     loss + betaWeight sum_i beta_i + gammaWeight sum_j |log gamma_j| + gradientWeight mean_k ||grad_x loss_k||^2.
 *
 * beta and gamma learn 20 times as fast as weights; nothing decays. The authors scale the last term by 1e5 / batch^2: their 1e-3 at
 * batch 128 is a gradientWeight of 6.1e-3.
 * Reference: Srinivas et al. 2022, section 4.
 */
export function lcnn({ betaWeight = 0.01, gammaWeight = 0.1, gradientWeight = 0 }: LcnnOptions = {}): Method {
  checkWeights("lcnn", { betaWeight, gammaWeight, gradientWeight });
  return {
    name: "lcnn",
    family: lowCurvatureFamily(),
    pace: (name) => (isBeta(name) || isGamma(name) ? pace : 1),
    objective(step) {
      const { x, y, params, forward } = step;
      const outputs = forward(x);
      const terms = [
        ...named(params, isBeta).map((p) => mul(betaOf(p), betaWeight)),
        ...named(params, isGamma).map((p) => mul(abs(p), gammaWeight)),
        ...(gradientWeight > 0 ? [mul(meanSquare(inputGradients(step, x, outputs)), gradientWeight)] : []),
      ];
      return { loss: terms.reduce((total, term) => add(total, sum(term)), step.loss(outputs, y)), outputs };
    },
  };
}

// --- internal ---

const isBeta = (name: string): boolean => name.endsWith("logBeta");
const isGamma = (name: string): boolean => name.endsWith("logGamma");

const named = (params: Named<Node>, is: (name: string) => boolean): Node[] =>
  Object.entries(params).flatMap(([name, p]) => (is(name) ? [p] : []));
