/** @file The bound of Combettes and Pesquet: the average over all ways of cutting the chain at its activations. Summed by dynamic programming, not one way after the other. */
import { scaleUp } from "../../linalg/rounding.ts";
import type { UpperBound } from "../bound.ts";
import { budget } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { addUp, timesUp } from "../norm/region.ts";
import { columnsTimes, exact, normOf, product, rowsTimes } from "./approximate.ts";
import { type ChainForm, chainForm } from "./form.ts";
import { normProduct } from "./frobenius.ts";

export interface CombettesPesquetOptions {
  /** Most affine layers, default 32: the number of products of matrices grows with the square of it. */
  readonly layers?: number;
}

/**
 * Bound the constant of a chain in l2.
 *
 * A diagonal D of slopes is M + R^(1/2) S R^(1/2), M the middle of the slopes, R half their width, |s_j| <= 1. Multiplied out,
 *
 *     ||W_L D_{L-1} ... D_1 W_1|| <= sum over cuts  prod over segments (i..j)  ||R_j^(1/2) W_j M_{j-1} W_{j-1} ... M_i W_i R_{i-1}^(1/2)||,
 *
 * without R at the two ends of the chain. For slopes in [0, 1] it is 2^-(L-1) times the sum of products of norms of the paper.
 *
 * Reference: Combettes and Pesquet 2020, "Lipschitz certificates for layered network structures", theorem 4.2 and after.
 */
export function combettesPesquet(chain: Chain, { layers = 32 }: CombettesPesquetOptions = {}): UpperBound {
  const clock = budget();
  const form = chain.affine.length > layers ? null : chainForm(chain);
  const whole = normProduct(chain).value;
  const value = form === null ? whole : Math.min(whole, scaleUp(sumOfCuts(form), form.exponent));
  const stated = { method: "combettes-pesquet", side: "upper", proved: true, value } as const;
  if (chain.affine.length <= layers) return { ...stated, seconds: clock.elapsed(), status: "done" };
  const why = `${chain.affine.length} layers are more than ${layers}: the value is the product of norms`;
  return { ...stated, seconds: clock.elapsed(), status: "too large", why };
}

// --- internal ---

function sumOfCuts({ weights, sectors }: ChainForm): number {
  const roots = sectors.map(({ rho }) => rho.map((r) => Math.sqrt(r)));
  // sums[j]: everything up to and with layer j, cut after it.
  const sums: number[] = [];
  for (let i = 0; i < weights.length; i++) {
    const start = i === 0 ? 1 : sums[i - 1];
    let segment = i === 0 ? exact(weights[0]) : columnsTimes(exact(weights[i]), roots[i - 1]);
    for (let j = i; j < weights.length; j++) {
      if (j > i) segment = product(weights[j], rowsTimes(segment, sectors[j - 1].mu));
      const end = j < roots.length ? rowsTimes(segment, roots[j]) : segment;
      sums[j] = addUp(sums[j] ?? 0, timesUp(start, normOf(end)));
    }
  }
  return sums[weights.length - 1];
}
