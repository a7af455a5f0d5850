/** @file Constants of pairs of outputs from the chain at the end of a network: multipliers are sought once, and every pair is proved with them. */
import type { Engine } from "../engine/engine.ts";
import { up } from "../linalg/rounding.ts";
import type { Propagation } from "./autoLip.ts";
import type { UpperBound } from "./bound.ts";
import { workClock } from "./budget.ts";
import { lipsdp } from "./chain/lipsdp.ts";
import { pairConstants } from "./chain/pairConstants.ts";
import { addUp, timesUp } from "./norm/region.ts";
import { questionTail } from "./question.ts";

export interface ChainPairs {
  /** Of all outputs as one vector. */
  readonly bound: UpperBound;
  /** K with |(f_y - f_j)(x) - (f_y - f_j)(x')| <= K ||x - x'||_2. */
  pair(y: number, j: number): number;
}

export interface ChainPairsOptions {
  readonly engine: Engine;
  /** Of the search, as work that is counted (`nominalSpeed` operations a second): radii do not depend on the machine. Default 3. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
}

/**
 * Bound f and all differences of its outputs in l2. With the chain W_L act ... W_1 behind a node of constant L and rounding `slack` in its
 * written-out matrices,
 *
 *     K_yj = L (K'_yj + sqrt(2) slack),   K'_yj from `pairConstants`
 *
 * Null where the network does not end in a chain, or its multipliers prove nothing.
 */
export async function chainPairs(propagation: Propagation, options: ChainPairsOptions): Promise<ChainPairs | null> {
  const { seconds = 3, ...rest } = options;
  const tail = questionTail(propagation.flow, propagation, { kind: "global" }, propagation.lastBlock);
  if (typeof tail === "string" || !(tail.before < Number.POSITIVE_INFINITY)) return null;
  const { chain, before } = tail;
  const { bound, multipliers } = await lipsdp(chain, { ...rest, seconds, clock: workClock() });
  const K = pairConstants(chain, multipliers);
  const slack = tail.slack(2);
  const whole = timesUp(before, addUp(bound.value, slack));
  const stated: UpperBound = { ...bound, value: whole, proved: bound.proved && whole < Number.POSITIVE_INFINITY };
  if (!K) return null;
  const apart = timesUp(up(Math.SQRT2), slack);
  return { bound: stated, pair: (y, j) => (y === j ? 0 : timesUp(before, addUp(K.data[y * K.cols + j], apart))) };
}
