/** @file Products of one number per layer: Frobenius norms, which cost nothing, and spectral norms, which every bound that knows more must beat. */
import { frobeniusUp, normalised } from "../../linalg/enclosure.ts";
import type { Matrix } from "../../linalg/matrix.ts";
import { inducedNorm, spectralNorm } from "../../linalg/norm.ts";
import { matrixOperator } from "../../linalg/operator.ts";
import { powerIteration } from "../../linalg/power.ts";
import { down, scaleDown, scaleUp, sqrtUp } from "../../linalg/rounding.ts";
import type { UpperBound } from "../bound.ts";
import { budget } from "../budget.ts";
import type { ActivationLayer, Chain } from "../chain.ts";
import { timesUp } from "../norm/region.ts";
import { checkChain } from "./form.ts";

/** Bound the constant of a chain by  prod_i ||W_i||_F  prod_i sup |slope|, in l2. */
export function frobenius(chain: Chain): UpperBound {
  return productOf(chain, "frobenius", frobeniusNormUp);
}

/** Bound the constant of a chain by  prod_i ||W_i||_2  prod_i sup |slope|: AutoLip on a chain. */
export function normProduct(chain: Chain): UpperBound {
  return productOf(chain, "product", (W) => spectralNorm(W).upper);
}

/** min(value, product of norms), in which the norms are looked at closely only if that could change the result. */
export function atMostProduct(chain: Chain, value: number): number {
  const least = chain.affine.reduce((product, { weight }) => {
    const { data, exponent } = normalised(weight.data);
    const { value: lower } = powerIteration(matrixOperator({ ...weight, data }), { iterations: 10, tolerance: 1e-3 });
    return timesDown(product, scaleDown(lower, exponent));
  }, 1);
  const slopes = chain.activations.reduce((product, layer) => timesDown(product, steepestOf(layer)), 1);
  return value <= timesDown(least, slopes) ? value : Math.min(value, normProduct(chain).value);
}

/** min(value, product of quick upper bounds of the norms): one look at every entry. */
export function atMostQuickProduct(chain: Chain, value: number): number {
  const quick = (W: Matrix) =>
    Math.min(frobeniusNormUp(W), sqrtUp(timesUp(inducedNorm(W, 1).upper, inducedNorm(W, "inf").upper)));
  return Math.min(value, productOf(chain, "product", quick).value);
}

/** The largest |slope| of a layer. */
export function steepestOf({ low, high }: Pick<ActivationLayer, "low" | "high">): number {
  let top = 0;
  for (let j = 0; j < low.length; j++) top = Math.max(top, Math.abs(low[j]), Math.abs(high[j]));
  return top;
}

// --- internal ---

function frobeniusNormUp(W: Matrix): number {
  const scaled = normalised(W.data);
  return scaleUp(frobeniusUp(scaled.data), scaled.exponent);
}

const timesDown = (x: number, y: number): number => Math.max(0, down(x * y));

function productOf(chain: Chain, method: string, norm: (W: Chain["affine"][number]["weight"]) => number): UpperBound {
  checkChain(chain);
  const clock = budget();
  let value = 1;
  for (const { weight } of chain.affine) value = timesUp(value, norm(weight));
  for (const layer of chain.activations) value = timesUp(value, steepestOf(layer));
  return { method, side: "upper", proved: true, value, seconds: clock.elapsed(), status: "done" };
}
