/** @file LipSDP-Neuron without a solver for semidefinite programs: the best multipliers by descent, and a proof of what they give. */
import type { Engine } from "../engine/engine.ts";
import { scaleUp, sqrtUp } from "../linalg/rounding.ts";
import type { UpperBound } from "./bound.ts";
import { budget } from "./budget.ts";
import type { Chain } from "./chain.ts";
import { chainForm, multipliersOfChain, multipliersOfForm } from "./chainForm.ts";
import type { Multipliers } from "./chainMatrix.ts";
import { settle } from "./chainProof.ts";
import { searchMultipliers } from "./chainSearch.ts";
import { normProduct } from "./frobenius.ts";

export interface LipsdpOptions {
  /** Stop the descent after so long; what it found is proved all the same. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** The bound so far (not yet proved) after each step. */
  onProgress?(value: number): void;
  /** Where the descent computes; plain loops unless told, which take three to five times as long. */
  readonly engine?: Engine;
  /** Multipliers of a chain of the same widths to start from, beside the closed forms. */
  readonly start?: Multipliers;
}

export interface LipsdpResult {
  readonly bound: UpperBound;
  /** Of the chain, layer by layer, on the scale where the input block is the identity; 0 for a neuron that cannot matter. Empty where nothing hidden is left. */
  readonly multipliers: Multipliers;
}

/**
 * Bound the Lipschitz constant of a chain by LipSDP-Neuron.
 *
 *     min r  over Lambda > 0  with  K(Lambda, r) >= 0  (chainMatrix.ts);  L <= sqrt(r)
 *
 * L-BFGS goes down on ln r over ln Lambda, from multipliers in closed form; every point on the way is a bound. The last is moved
 * inwards by a hair and proved by a factorisation. The value is at most that of the product of norms.
 *
 * Reference: Fazlyab, Robey, Hassani, Morari, Pappas 2019; Xu and Sivaranjani 2024 for the elimination.
 */
export async function lipsdp(chain: Chain, options: LipsdpOptions = {}): Promise<LipsdpResult> {
  const clock = budget(options);
  const product = normProduct(chain).value;
  const form = chainForm(chain);
  const stated = { method: "lipsdp", side: "upper", proved: true } as const;
  if (form === null || form.sectors.length === 0) {
    const value = form === null ? 0 : product;
    return { bound: { ...stated, value, seconds: clock.elapsed(), status: "done" }, multipliers: [] };
  }
  const { start, engine, onProgress = () => {} } = options;
  const found = await searchMultipliers(form, clock, {
    ...(engine ? { engine } : {}),
    starts: start ? [multipliersOfForm(form, start)] : [],
    onProgress: (r) => onProgress(scaleUp(sqrtUp(r), form.exponent)),
  });
  const proof = found && settle(form, found.multipliers);
  const value = proof ? scaleUp(sqrtUp(proof.r), form.exponent) : Number.POSITIVE_INFINITY;
  const end =
    found === undefined || proof === undefined
      ? { status: "stopped" as const, why: "no multipliers could be proved: the bound is the product of norms" }
      : found.ended
        ? { status: "done" as const }
        : { status: "stopped" as const, why: "out of time: more would lower it" };
  return {
    bound: { ...stated, value: Math.min(value, product), seconds: clock.elapsed(), ...end },
    multipliers: proof ? multipliersOfChain(form, proof.multipliers) : [],
  };
}
