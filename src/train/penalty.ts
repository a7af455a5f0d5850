/** @file The methods that LCNN is compared with: penalties on the loss's gradient in the input and on its change, and a soft activation. */
import { softplusFamily } from "../layers/lowCurvature.ts";
import { add, div, mul, stopGradient, sub } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { sign, sqrt } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";
import { inputGradients, meanSquare } from "./inputGradient.ts";
import type { Method } from "./method.ts";
import { weightDecay } from "./plain.ts";

/**
 * Penalise the slope of the loss: loss + gradientWeight mean_k ||grad_x loss_k||^2. Default weight: 0.1.
 * Reference: Drucker and Le Cun 1992; Ross and Doshi-Velez 2018.
 */
export function gradReg({ gradientWeight = 0.1 }: { readonly gradientWeight?: number } = {}): Method {
  checkWeights("gradReg", { gradientWeight });
  return {
    name: "grad-reg",
    objective(step) {
      const outputs = step.forward(step.x);
      const penalty = meanSquare(inputGradients(step, step.x, outputs));
      return { loss: add(step.loss(outputs, step.y), mul(penalty, gradientWeight)), outputs };
    },
  };
}

export interface CureOptions {
  /** Weight of the penalty. Default: 0.1. */
  readonly curvatureWeight?: number;
  /** How far apart the two gradients are taken, in l2. Default: 1. */
  readonly distance?: number;
}

/**
 * Penalise how the gradient changes on the way along its own sign:
 * loss + curvatureWeight mean_k ||g_k(x_k + h z_k) - g_k(x_k)||^2, g the gradient in the input, z = sign(g) / ||sign(g)||, held fixed.
 * Reference: Moosavi-Dezfooli et al. 2019, section 4.
 */
export function cure({ curvatureWeight = 0.1, distance = 1 }: CureOptions = {}): Method {
  checkWeights("cure", { curvatureWeight });
  if (!(distance > 0 && Number.isFinite(distance)))
    throw new UsageError(`cure: distance must be above 0, got ${distance}`);
  return {
    name: "cure",
    objective(step) {
      const { x, y, forward, loss } = step;
      const outputs = forward(x);
      const here = inputGradients(step, x, outputs);
      const signs = sign(here);
      const axes = x.shape.slice(1).map((_, i) => i + 1);
      // Where the gradient is 0 so is its sign: such a sample stays where it is.
      const length = sqrt(add(sum(mul(signs, signs), axes, true), 1e-12));
      const near = add(x, stopGradient(mul(div(signs, length), distance)));
      const there = inputGradients(step, near, forward(near));
      return { loss: add(loss(outputs, y), mul(meanSquare(sub(there, here)), curvatureWeight)), outputs };
    },
  };
}

export interface SoftplusDecayOptions {
  /** Of the centred softplus that stands for every activation. Default: 10. */
  readonly beta?: number;
  /** Weight decay. Default: 5e-4. */
  readonly decay?: number;
}

/**
 * Train plain layers with a soft activation and weight decay.
 * Reference: Srinivas et al. 2022, section 5, "Softplus + Wt. Decay".
 */
export function softplusDecay({ beta = 10, decay = 5e-4 }: SoftplusDecayOptions = {}): Method {
  return { ...weightDecay({ decay }), name: "softplus-decay", family: softplusFamily(beta) };
}

/** Weights of penalties are numbers >= 0. */
export function checkWeights(who: string, weights: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(weights)) {
    if (!(value >= 0 && Number.isFinite(value))) throw new UsageError(`${who}: ${name} must be >= 0, got ${value}`);
  }
}
