/** @file LipSDP-Neuron without a solver for semidefinite programs: the best multipliers by descent, and a proof of what they give. */
import type { Engine } from "../../engine/engine.ts";
import { scaleUp, sqrtUp } from "../../linalg/rounding.ts";
import type { UpperBound } from "../bound.ts";
import { budget, type Clock, reserving } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { formOf, multipliersOfChain, multipliersOfForm } from "./form.ts";
import { atMostProduct, atMostQuickProduct, productInTime } from "./frobenius.ts";
import type { Multipliers } from "./matrix.ts";
import { type Proved, settle } from "./proof.ts";
import { searchMultipliers } from "./search.ts";
import { closedProof, isSmall } from "./start.ts";

export interface LipsdpOptions {
  /** Time for descent and proof together; what was found by then is proved all the same. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** The machine's unless told. */
  readonly clock?: Clock;
  /** The bound so far (not yet proved) after each step. */
  onProgress?(value: number): void;
  /** Each smaller value as soon as it is proved: the first soon after the start, then whenever a proof is worth its time. */
  onImprove?(value: number): void;
  /** Where the descent computes; plain loops unless told, which take two to three times as long for layers of 64 neurons and more. */
  readonly engine?: Engine;
  /** Multipliers of a chain of the same widths to start from, beside the closed forms. */
  readonly starts?: readonly Multipliers[];
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
 * inwards by a hair and proved by a factorisation. The value is at most that of the product of norms; of quick upper bounds of
 * them where time ran out.
 *
 * Reference: Fazlyab, Robey, Hassani, Morari, Pappas 2019; Xu and Sivaranjani 2024 for the elimination.
 */
export async function lipsdp(chain: Chain, options: LipsdpOptions = {}): Promise<LipsdpResult> {
  const clock = budget(options);
  await clock.pause();
  const form = formOf(chain);
  const stated = { method: "lipsdp", side: "upper", proved: true } as const;
  if (form === null || form.sectors.length === 0) {
    const value = form === null ? 0 : productInTime(chain, clock);
    return { bound: { ...stated, value, seconds: clock.elapsed(), status: "done" }, multipliers: [] };
  }
  const { starts = [], engine, onProgress = () => {}, onImprove = () => {} } = options;
  const scaled = (r: number) => scaleUp(sqrtUp(r), form.exponent);
  let best: Proved | undefined;
  let cost = 0;
  let points = 0;
  let next = firstProof;
  const prove = (make: () => Proved | undefined) => {
    const began = clock.elapsed();
    const proof = make();
    cost = clock.elapsed() - began;
    if (proof === undefined || (best && best.r <= proof.r)) return;
    best = proof;
    onImprove(scaled(proof.r));
  };
  const patience = isSmall(form) ? undefined : clock;
  prove(() => closedProof(form, patience));
  await clock.pause();
  const found = await searchMultipliers(
    form,
    reserving(clock, options.seconds, () => cost),
    {
      ...(engine ? { engine } : {}),
      ...(patience ? { patience } : {}),
      starts: starts.map((start) => multipliersOfForm(form, start)),
      onPoint(r, multipliers) {
        onProgress(scaled(r));
        points++;
        if (points < next || (best && r > worthwhile * best.r)) return;
        next = 2 * points;
        prove(() => settle(form, multipliers, patience));
      },
    },
  );
  await clock.pause();
  if (found) prove(() => settle(form, found.multipliers));
  const end =
    found === undefined || best === undefined
      ? { status: "stopped" as const, why: "no multipliers could be proved: the bound is the product of norms" }
      : found.ended
        ? { status: "done" as const }
        : { status: "stopped" as const, why: "out of time: more would lower it" };
  const own = best ? scaled(best.r) : Number.POSITIVE_INFINITY;
  const value = patience?.expired ? atMostQuickProduct(chain, own) : atMostProduct(chain, own);
  return {
    bound: { ...stated, value, seconds: clock.elapsed(), ...end },
    multipliers: best ? multipliersOfChain(form, best.multipliers) : [],
  };
}

// --- internal ---

/**
 * Points of the descent before the first proof on the way; each later one waits for twice as many. A proof costs three to ten points.
 * It is points that are counted, not seconds: the proof that ends up best must not depend on how busy the machine is.
 */
const firstProof = 4;

/** A proof on the way must lower r to this part of what is proved. */
const worthwhile = 0.99;
