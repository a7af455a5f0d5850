/** @file What a model of prescribed constant promises, held against what is proved of the network that was written. */
import type { Bracket } from "../bounds/bound.ts";
import { provedUpper } from "../bounds/bound.ts";
import type { Network } from "../graph/network.ts";
import { gammaKey } from "../layers/bounded.ts";

export interface Claim {
  /** gamma: prescribed, or as it was learnt. */
  readonly constant: number;
  /** What float32 weights, and the norms that are proved of them, may take more: a part of the constant. */
  readonly rounding: number;
  /** The smallest proved upper bound of the constant; null where nothing is proved. */
  readonly proved: number | null;
  /** proved <= constant (1 + rounding). */
  readonly holds: boolean;
}

/** The claim of a network, if it makes one in the norm of a bracket of it. */
export function claimOf({ metadata }: Pick<Network, "metadata">, bracket: Bracket): Claim | null {
  const constant = Number(metadata[gammaKey] ?? Number.NaN);
  if (!(constant > 0) || bracket.norm !== "2" || bracket.domain !== "global") return null;
  const proved = provedUpper(bracket)?.value ?? null;
  const rounding = perMap * Math.max(1, bracket.layers.length);
  return { constant, rounding, proved, holds: proved !== null && proved <= constant * (1 + rounding) };
}

// --- internal ---

/** Float32 moves a norm by 1e-7 or so; norms of large maps are proved to a part in a million. */
const perMap = 4e-6;
