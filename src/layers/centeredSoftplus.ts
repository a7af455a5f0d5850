/** @file Centred softplus as a layer: one beta for all its elements, learned or given. */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { add, stopGradient } from "../ops/arith.ts";
import { centeredSoftplus as centeredSoftplusOp } from "../ops/centeredSoftplus.ts";
import { exp } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";
import { scalar } from "../tensor/tensor.ts";
import { fixed, type Layer } from "./layer.ts";

export interface CenteredSoftplusOptions {
  /** What beta is, or is at first; above 1e-3. Default: 5. */
  readonly beta?: number;
  /** Whether training changes it. Default: "learned". */
  readonly kind?: "learned" | "fixed";
}

/** The least beta that can be learned. */
const least = 1e-3;

/** The beta that a parameter "logBeta" stands for: e^logBeta + 1e-3. */
export const betaOf = (logBeta: Node): Node => add(exp(logBeta), least);

/**
 * Apply the centred softplus (ln(1 + e^(beta x)) - ln 2) / beta to every element: slope in [0, 1], curvature at most beta / 4.
 * A learned beta is e^logBeta + 1e-3 for the one parameter logBeta. Once frozen, beta is a number and bounds know both facts.
 * Reference: Srinivas et al. 2022, section 4.1.
 */
export function centeredSoftplus({ beta = 5, kind = "learned" }: CenteredSoftplusOptions = {}): Layer {
  if (!(beta > least && Number.isFinite(beta))) {
    throw new UsageError(`centeredSoftplus: beta must be above ${least}, got ${beta}`);
  }
  if (kind === "fixed") {
    return fixed("centeredSoftplus", {
      shape: (input) => input,
      // In training as if it were learned: a number would be written as a Softplus, which takes ONNX Runtime three times as long.
      forward: (x, run) => centeredSoftplusOp(x, run.mode === "train" ? stopGradient(constant(beta, x.dtype)) : beta),
    });
  }
  return {
    name: "centeredSoftplus",
    shape: (input) => input,
    init: () => ({ params: { logBeta: scalar(Math.log(beta - least)) }, state: {} }),
    weights: (v) => ({ beta: betaOf(v.logBeta) }),
    forward: (x, w) => centeredSoftplusOp(x, w.beta),
  };
}
