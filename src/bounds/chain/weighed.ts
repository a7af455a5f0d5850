/**
 * @file LipSDP for l1 and l-inf: the chain inequality with a weight for every input, which is sought together with the multipliers.
 * l1 is l-inf of the chain from its other end, since nothing but ranges of slopes is known of the activations.
 */
import type { Engine } from "../../engine/engine.ts";
import { transpose } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { scale, sqrtUp, sumUp, unit, up } from "../../linalg/rounding.ts";
import type { UpperBound } from "../bound.ts";
import { budget, type Clock, reserving } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { addUp, timesUp } from "../norm/region.ts";
import { type ChainForm, chainForm, multipliersOfChain, multipliersOfForm } from "./form.ts";
import { steepestOf } from "./frobenius.ts";
import { hasSymmetry } from "./guard.ts";
import { outputConstants } from "./pairConstants.ts";
import { movedInward } from "./proof.ts";
import { searchMultipliers } from "./search.ts";
import { isSmall } from "./start.ts";
import type { WeighedPoint } from "./weigh.ts";
import { searchWeights } from "./weightSearch.ts";

export interface WeighedOptions {
  /** Time for descent and proofs; what was found by then is proved all the same. */
  readonly seconds?: number;
  readonly clock?: Clock;
  readonly signal?: AbortSignal;
  /** Where the descent computes; plain loops unless told. */
  readonly engine?: Engine;
  /** What is known of the constant already: what does not promise less is not proved. */
  readonly known?: number;
  /** After each step. */
  readonly onPoint?: (() => void) | undefined;
  /** Each smaller value as soon as it is proved. */
  onImprove?(value: number): void;
}

/**
 * Bound the constant of a chain in l-inf, or in l1.
 *
 *     |f_r(x) - f_r(x')| <= K_r (sum_j q_j (x - x')_j^2)^(1/2) <= K_r (sum_j q_j)^(1/2) ||x - x'||_inf,   q > 0
 *
 * K_r is what multipliers prove of output r in l2 where |q^(1/2) x| stands for |x|. L-BFGS goes down on ln (sum q) + ln max_r K_r^2 over ln q and
 * ln Lambda together; q = 1 alone would be the l2 bound of the worst output times the root of the number of inputs, which is looked at as well
 * where slopes are symmetric about 0. The value is at most that of the product of norms.
 *
 * Reference: Wang, Prakriya, Tan and Parrilo 2022, "A quantitative geometric approach to neural-network smoothness" (there by a solver).
 */
export async function weighedLipsdp(chain: Chain, norm: 1 | "inf", options: WeighedOptions = {}): Promise<UpperBound> {
  const { seconds = Number.POSITIVE_INFINITY } = options;
  const clock = budget(options);
  await clock.pause();
  const stated = { method: "lipsdp", side: "upper", proved: true } as const;
  const turned = norm === "inf" ? chain : fromBehind(chain);
  const form = chainForm(turned, { output: "rows", input: "columns" });
  const product = form === null ? 0 : productInf(turned);
  if (form === null || form.sectors.length === 0) {
    return { ...stated, value: product, seconds: clock.elapsed(), status: "done" };
  }
  let best = product;
  let cost = 0;
  const { known = Number.POSITIVE_INFINITY } = options;
  const prove = (point: WeighedPoint, square?: number) => {
    if (square !== undefined && scale(Math.exp(square / 2), form.exponent) > promising * known) return;
    const began = clock.elapsed();
    const value = provedInf(turned, form, point, product);
    cost = clock.elapsed() - began;
    if (!(value < best)) return;
    best = value;
    options.onImprove?.(value);
  };
  const { onPoint, engine } = options;
  const reserve = (limit: number) => reserving(clock, limit, () => cost);
  // Where slopes are symmetric about 0 the descent may end early, and weights that are all alike be better.
  const alike = hasSymmetry(form) ? chainForm(turned, { output: "rows" }) : null;
  const part = alike ? seconds / 2 : seconds;
  const search = await searchWeights(form, turned, reserve(part), part, { prove, onPoint, engine });
  const limits = { ...(engine && { engine }), ...(alike && !isSmall(alike) && { patience: clock }) };
  const two = alike && (await searchMultipliers(alike, reserve(seconds), { ...limits, onPoint }));
  if (two) prove({ q: new Float64Array(form.weights[0].cols).fill(1), multipliers: two.multipliers });
  const found = search.found || !!two;
  const ended = search.ended && (two?.ended ?? true);
  const why =
    !found && ended
      ? "no multipliers could be proved: the bound is the product of norms"
      : "out of time: more would lower it";
  const end = found && ended ? ({ status: "done" } as const) : ({ status: "stopped", why } as const);
  return { ...stated, value: best, seconds: clock.elapsed(), ...end };
}

// --- internal ---

/** The search takes a constant for larger than it is, by its guard and its power: by so much, roughly. */
const promising = 1.1;

/** The chain with all matrices transposed, from the last to the first. */
function fromBehind({ affine, activations }: Chain): Chain {
  return {
    affine: affine
      .toReversed()
      .map(({ weight }) => ({ weight: transpose(weight), bias: new Float64Array(weight.cols) })),
    activations: activations.toReversed(),
  };
}

function productInf({ affine, activations }: Chain): number {
  const norms = affine.map(({ weight }) => inducedNorm(weight, "inf").upper);
  return [...norms, ...activations.map(steepestOf)].reduce(timesUp, 1);
}

/**
 * max_r K_r (sum d^2)^(1/2), d^2 = q, proved; Infinity where nothing is. With W' = W D^-1 rounded, |W' D - W| <= 2 u |W| entry by entry, which
 * can add 2 u times the product of norms to the constant.
 */
function provedInf(chain: Chain, form: ChainForm, { q, multipliers }: WeighedPoint, product: number): number {
  const [first, ...rest] = chain.affine;
  const d = q.map((v) => Math.sqrt(v));
  const data = first.weight.data.map((w, k) => (w === 0 ? 0 : w / d[k % d.length]));
  // What underflows has no relative error.
  const usable = (w: number) => Math.abs(w) > 1e-280 && Math.abs(w) < 1e280;
  if (data.some((w, k) => first.weight.data[k] !== 0 && !usable(w))) return Number.POSITIVE_INFINITY;
  const weighed = chainForm(
    { ...chain, affine: [{ ...first, weight: { ...first.weight, data } }, ...rest] },
    { output: "rows" },
  );
  if (weighed === null) return Number.POSITIVE_INFINITY;
  const sum = d.reduce((total, v) => total + v * v, 0);
  const lambdas = multipliersOfForm(weighed, multipliersOfChain(form, multipliers));
  for (let e = 1e-10; e < 0.1; e *= 16) {
    const constants = outputConstants(weighed, movedInward(lambdas, e));
    if (constants === null) continue;
    const worst = constants.reduce((a, b) => Math.max(a, b), 0);
    return addUp(timesUp(worst, sqrtUp(sumUp(sum, d.length + 1))), up(4 * unit * product));
  }
  return Number.POSITIVE_INFINITY;
}
