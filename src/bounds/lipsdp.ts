/** @file LipSDP-Neuron without a solver for semidefinite programs: the best multipliers by descent, and a proof of what they give. */
import { scaleUp, sqrtUp } from "../linalg/rounding.ts";
import type { UpperBound } from "./bound.ts";
import { budget } from "./budget.ts";
import type { Chain } from "./chain.ts";
import { type ChainForm, chainForm, multipliersOfChain, multipliersOfForm } from "./chainForm.ts";
import { chainValue } from "./chainGradient.ts";
import type { Multipliers } from "./chainMatrix.ts";
import { settle } from "./chainProof.ts";
import { closedForms } from "./chainStart.ts";
import { descend, type Objective } from "./descent.ts";
import { normProduct } from "./frobenius.ts";

export interface LipsdpOptions {
  /** Stop the descent after so long; what it found is proved all the same. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** The bound so far (not yet proved) after each step. */
  onProgress?(value: number): void;
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
 * ln r is a smooth function of ln Lambda but for the largest eigenvalue at its end, for which a large power of the trace stands;
 * L-BFGS goes down on it, with a power that grows. Every point on the way is a bound. The last is moved inwards by a hair and
 * proved by a factorisation; the value is at most that of the product of norms.
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
  const given = options.start ? [multipliersOfForm(form, options.start)] : [];
  const found = await search(form, [...closedForms(form), ...given], options, clock);
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

// --- internal ---

/** How well the power of the trace stands for the largest eigenvalue, and the gain over ten steps below which the next stage begins. */
const stages = [
  { doublings: 5, gain: 1e-4 },
  { doublings: 9, gain: 1e-5 },
  { doublings: 13, gain: 1e-6 },
  { doublings: 17, gain: 1e-7 },
];

async function search(
  form: ChainForm,
  starts: readonly Multipliers[],
  { onProgress = () => {} }: LipsdpOptions,
  clock: ReturnType<typeof budget>,
): Promise<{ readonly multipliers: Multipliers; readonly ended: boolean } | undefined> {
  const final = stages[stages.length - 1].doublings;
  let best: { readonly x: Float64Array; readonly value: number } | undefined;
  for (const start of starts) {
    const value = chainValue(form, start, final)?.value;
    if (value !== undefined && (best === undefined || value < best.value)) best = { x: logarithms(start), value };
  }
  if (best === undefined) return undefined;
  const sizes = form.sectors.map((s) => s.mu.length);
  let ended = true;
  for (const { doublings, gain } of stages) {
    const objective: Objective = (x) => {
      const sample = chainValue(form, exponentials(x, sizes), doublings);
      return sample && { value: sample.value, gradient: joined(sample.gradient) };
    };
    const values: number[] = [];
    let last: Float64Array = best.x;
    for await (const point of descend(objective, best.x)) {
      await clock.pause();
      values.push(point.value);
      last = point.x;
      onProgress(scaleUp(Math.exp(point.value / 2), form.exponent));
      ended = !clock.expired;
      if (!ended) break;
      if (values.length > 10 && values[values.length - 11] - point.value < gain) break;
    }
    // A stage judges by its own power; the last one's counts.
    const value = chainValue(form, exponentials(last, sizes), final)?.value;
    if (value !== undefined && value < best.value) best = { x: last, value };
    if (!ended) break;
  }
  return { multipliers: exponentials(best.x, sizes), ended };
}

const logarithms = (multipliers: Multipliers): Float64Array => joined(multipliers).map((x) => Math.log(x));

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}

function exponentials(x: Float64Array, sizes: readonly number[]): Multipliers {
  let at = 0;
  return sizes.map((n) => {
    at += n;
    return x.subarray(at - n, at).map((v) => Math.exp(v));
  });
}
