/** @file eclipse-fast: the chain inequality with one multiplier per layer in closed form, no search. */
import { scaleUp, sqrtUp } from "../../linalg/rounding.ts";
import type { UpperBound } from "../bound.ts";
import { budget, type Clock } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { formOf } from "./form.ts";
import { atMostProduct, atMostQuickProduct } from "./frobenius.ts";
import { closedProof } from "./start.ts";

/**
 * Bound the constant of a chain in l2 by multipliers in closed form (`closedForm`), proved by factorisation like those of `lipsdp`.
 *
 * At most the product of norms, and for slopes in [0, b] at least 2^(-(L - 1) / 2) of it. Where a lower slope is above 0, knowing it
 * can make the closed form worse: the smaller of both is taken.
 *
 * Reference: Xu and Sivaranjani 2024, ECLipsE-Fast.
 */
export function eclipseFast(
  chain: Chain,
  options: { readonly seconds?: number; readonly clock?: Clock; readonly signal?: AbortSignal } = {},
): UpperBound {
  const clock = budget(options);
  let value = Number.POSITIVE_INFINITY;
  const variants = [chain];
  if (chain.activations.some(({ low, high }) => low.some((a, j) => a > 0 || high[j] < 0)))
    variants.push(widened(chain));
  for (const variant of variants) {
    const form = formOf(variant);
    if (form === null) value = 0;
    if (form === null || form.sectors.length === 0) continue;
    const proof = closedProof(form, clock);
    if (proof) value = Math.min(value, scaleUp(sqrtUp(proof.r), form.exponent));
  }
  const stated = { method: "eclipse-fast", side: "upper", proved: true } as const;
  if (clock.expired) {
    const why = "out of time: the bound may be a product of quick norms";
    value = atMostQuickProduct(chain, value);
    return { ...stated, value, seconds: clock.elapsed(), status: "stopped", why };
  }
  value = atMostProduct(chain, value);
  return { ...stated, value, seconds: clock.elapsed(), status: "done" };
}

// --- internal ---

/** The same chain with 0 among the slopes of every neuron. */
function widened(chain: Chain): Chain {
  const activations = chain.activations.map((a) => ({
    ...a,
    low: a.low.map((x) => Math.min(x, 0)),
    high: a.high.map((x) => Math.max(x, 0)),
  }));
  return { ...chain, activations };
}
