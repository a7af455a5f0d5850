/** @file The search for weights of the inputs and multipliers together: what `weighedLipsdp` proves. */
import type { Engine } from "../../engine/engine.ts";
import type { Budget } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { intervalJacobians } from "../local/interval.ts";
import type { ChainForm } from "./form.ts";
import { guarded } from "./guard.ts";
import { exponentials, goDown, isWide, type Judge, judgeOf, logarithms, sizesOf } from "./judge.ts";
import { movedInward } from "./proof.ts";
import { closedForm, isSmall } from "./start.ts";
import { type WeighedPoint, weigh } from "./weigh.ts";

export interface WeightSearchHooks {
  /** Points that are worth it, the last one among them, with ln of the square that the search takes for their constant, if it has looked: at most a little less. */
  prove(point: WeighedPoint, value?: number): void;
  /** After each step. */
  readonly onPoint?: (() => void) | undefined;
  /** Where values and gradients are computed if the layers are wide enough for it; plain loops unless told. */
  readonly engine?: Engine | undefined;
}

/**
 * Go down on ln (sum q) + ln max_r K_r^2 over ln q and ln Lambda from the best of a few starts; the last point is proved, and some before.
 * The form must keep the columns of its input map and the rows of its output map.
 */
export async function searchWeights(
  form: ChainForm,
  chain: Chain,
  clock: Budget,
  seconds: number,
  { prove, onPoint = () => {}, engine }: WeightSearchHooks,
): Promise<{ readonly found: boolean; readonly ended: boolean }> {
  // What is small takes no time worth asking for.
  if (!isSmall(form) && clock.expired) return { found: false, ended: false };
  let onEngine = isWide(form) ? engine : undefined;
  const judgeAt = ({ doublings, guard }: (typeof stages)[number]) =>
    judgeOf(guarded(form, guard), doublings, { outputs: "each", inputs: "weighed", engine: onEngine });
  let judge: Judge | undefined = await judgeAt(stages[0]);
  try {
    const start = await startOf(form, chain, clock, seconds, judge);
    if (start === undefined) return { found: false, ended: !clock.expired };
    prove(start.point, start.value);
    const sizes = sizesOf(form, "weighed");
    let x = logarithms([start.point.q, ...start.point.multipliers]);
    let value = start.value;
    let proved = x;
    let points = 0;
    let next = firstProof;
    for (let stage = 0; stage < stages.length && !clock.expired; stage++) {
      judge ??= await judgeAt(stages[stage]);
      const last = await goDown(judge, x, clock, stages[stage].gain, (point) => {
        ({ x, value } = point);
        onPoint();
        if (clock.expired || ++points < next) return;
        next = 2 * points;
        proved = x;
        prove(parted(x, sizes), value);
      });
      await judge.dispose();
      judge = undefined;
      if (last !== undefined) continue;
      if (onEngine === undefined) break;
      // At the edge of what is feasible rounding decides, and the engine's is another: the search goes on without it.
      onEngine = undefined;
      stage--;
    }
    const ended = !clock.expired;
    if (x !== proved) prove(parted(x, sizes), value);
    return { found: true, ended };
  } finally {
    await judge?.dispose();
  }
}

// --- internal ---

/** How well the power stands for the largest output, the gain over ten steps below which the next stage begins, and the size of the guard. */
const stages = [
  { doublings: 3, gain: 1e-3, guard: 1 },
  { doublings: 6, gain: 1e-4, guard: 0.3 },
  { doublings: 9, gain: 1e-5, guard: 0.1 },
  { doublings: 12, gain: 1e-6, guard: 0.03 },
];

/** Points before the first proof on the way; each later one waits for twice as many. */
const firstProof = 8;

/** How far the closed forms are moved inwards to begin with. */
const inward = 0.05;

/** The part of the time in which further places to start from are looked at. */
const patience = 0.1;

interface Start {
  readonly point: WeighedPoint;
  /** What the judge says of it; nothing where it was not asked. */
  readonly value?: number;
}

async function startOf(
  form: ChainForm,
  chain: Chain,
  clock: Budget,
  seconds: number,
  judge: Judge,
): Promise<Start | undefined> {
  const limit = isSmall(form) ? undefined : clock;
  const first = guarded(form, stages[0].guard);
  let best: Start | undefined;
  for (const q of startWeights(form, chain)) {
    if (limit?.expired) return best;
    const own = weigh({ ...first, weights: form.weights }, q).form;
    for (const measure of ["norm", "rows"] as const) {
      await clock.pause();
      if (best && clock.elapsed() > patience * seconds) return best;
      const edge = closedForm(own, measure, limit);
      if (edge === undefined) continue;
      // A descent that begins at the edge of what is feasible ends there.
      const point = { q, multipliers: movedInward(edge, inward) };
      // Where there is no time to compare, the first will do.
      if (best === undefined && clock.elapsed() > patience * seconds) return { point };
      clock.spend(judge.cost);
      const value = (await judge.at(logarithms([q, ...point.multipliers])))?.value;
      if (value !== undefined && !(best?.value !== undefined && best.value <= value)) best = { point, value };
    }
  }
  return best;
}

/** What is best for a single row w without activations, q = |w|: of the worst output by the interval Jacobian; and all alike. */
function startWeights({ weights }: ChainForm, chain: Chain): readonly Float64Array[] {
  const n = weights[0].cols;
  const ones = new Float64Array(n).fill(1);
  const [{ mid, radius }] = intervalJacobians(chain, chain.activations);
  let worst = ones;
  let most = 0;
  for (let r = 0; r < mid.rows; r++) {
    const row = Float64Array.from({ length: n }, (_, j) => Math.abs(mid.data[r * n + j]) + radius[r * n + j]);
    const sum = row.reduce((a, b) => a + b, 0);
    if (sum > most) [worst, most] = [row, sum];
  }
  if (!(most > 0 && Number.isFinite(most))) return [ones];
  const least = (1e-4 * most) / n;
  return [worst.map((v) => (Math.max(v, least) * n) / most), ones];
}

function parted(x: Float64Array, sizes: readonly number[]): WeighedPoint {
  const [q, ...multipliers] = exponentials(x, sizes);
  return { q, multipliers };
}
