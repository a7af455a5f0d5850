/** @file The search for weights of the inputs and multipliers together: what `weighedLipsdp` proves. */
import { cholesky } from "../../linalg/cholesky.ts";
import { type Matrix, multiply, rowGram, transpose } from "../../linalg/matrix.ts";
import type { Budget } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { intervalJacobians } from "../local/interval.ts";
import { descend, type Sample } from "./descent.ts";
import type { ChainForm } from "./form.ts";
import { chainValue, inverseRows } from "./gradient.ts";
import { guarded } from "./guard.ts";
import type { Multipliers } from "./matrix.ts";
import { movedInward } from "./proof.ts";
import { closedForm } from "./start.ts";

/** Weights q of the inputs and multipliers of a form. */
export interface WeighedPoint {
  readonly q: Float64Array;
  readonly multipliers: Multipliers;
}

export interface WeightSearchHooks {
  /** Points that are worth it, the last one among them. */
  prove(point: WeighedPoint): void;
  /** After each step. */
  readonly onPoint?: (() => void) | undefined;
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
  { prove, onPoint = () => {} }: WeightSearchHooks,
): Promise<{ readonly found: boolean; readonly ended: boolean }> {
  const start = await startOf(form, chain, clock, seconds);
  if (start === undefined) return { found: false, ended: true };
  prove(start);
  const sizes = [start.q.length, ...start.multipliers.map((l) => l.length)];
  let x: Float64Array = joined([start.q, ...start.multipliers]).map((v) => Math.log(v));
  let proved = x;
  let points = 0;
  let next = firstProof;
  for (const { doublings, gain, guard } of stages) {
    if (clock.expired) break;
    const from = x;
    const whole = guarded(form, guard);
    const objective = async (at: Float64Array): Promise<Sample | undefined> => {
      await clock.pause();
      // Where the descent begins there must be a value.
      return clock.expired && at !== from ? undefined : sampleAt(whole, parted(at, sizes), doublings);
    };
    const values: number[] = [];
    for await (const point of descend(objective, from)) {
      values.push(point.value);
      x = point.x;
      onPoint();
      if (clock.expired) break;
      if (++points >= next) {
        next = 2 * points;
        proved = x;
        prove(parted(x, sizes));
      }
      if (values.length > 10 && values[values.length - 11] - point.value < gain) break;
    }
    if (clock.expired) break;
  }
  const ended = !clock.expired;
  if (x !== proved) prove(parted(x, sizes));
  return { found: true, ended };
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

async function startOf(
  form: ChainForm,
  chain: Chain,
  clock: Budget,
  seconds: number,
): Promise<WeighedPoint | undefined> {
  const { doublings } = stages[stages.length - 1];
  let best: WeighedPoint | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const q of startWeights(form, chain)) {
    const own = weigh(form, q).form;
    for (const measure of ["norm", "rows"] as const) {
      await clock.pause();
      if (best && clock.elapsed() > patience * seconds) return best;
      const edge = closedForm(own, measure);
      // A descent that begins at the edge of what is feasible ends there.
      const multipliers = edge && movedInward(edge, inward);
      // Where there is no time to compare, the first will do.
      if (multipliers && best === undefined && clock.elapsed() > patience * seconds) return { q, multipliers };
      const value = multipliers && sampleAt(form, { q, multipliers }, doublings)?.value;
      if (multipliers && value !== undefined && value < least) [best, least] = [{ q, multipliers }, value];
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

/** The form as a function of q^(1/2) x. */
interface Weighed {
  readonly form: ChainForm;
  /** W_1 q^(-1/2). */
  readonly V: Matrix;
  /** V = C K with K K^T = 1, where that makes C the smaller one: it stands for V in the form, and the values are the same. */
  readonly C?: Matrix;
}

function weigh(form: ChainForm, q: Float64Array): Weighed {
  const [first, ...rest] = form.weights;
  const V = { ...first, data: first.data.map((w, k) => w / Math.sqrt(q[k % first.cols])) };
  const C = V.cols > V.rows ? cholesky(rowGram(V)) : undefined;
  return { form: { ...form, weights: [C ?? V, ...rest] }, V, ...(C && { C }) };
}

/** ln (sum q) + ln max_r K_r^2 and its gradient in ln q and ln Lambda. */
function sampleAt(whole: ChainForm, { q, multipliers }: WeighedPoint, doublings: number): Sample | undefined {
  const { form, V, C } = weigh(whole, q);
  const made = chainValue(form, multipliers, doublings, { outputs: "each" });
  if (made === undefined) return undefined;
  const { value, gradient, directions } = made;
  const y = C ? multiply(inverseRows(C, multiply(directions, transpose(C))), V) : directions;
  const sum = q.reduce((a, b) => a + b, 0);
  const inputs = q.map((v) => v / sum);
  y.data.forEach((v, k) => {
    inputs[k % y.cols] -= v * v;
  });
  return { value: value + Math.log(sum), gradient: joined([inputs, ...gradient]) };
}

const joined = (parts: readonly Float64Array[]): Float64Array => Float64Array.from(parts.flatMap((p) => Array.from(p)));

function parted(x: Float64Array, sizes: readonly number[]): WeighedPoint {
  let at = 0;
  const [q, ...multipliers] = sizes.map((n) => {
    at += n;
    return x.subarray(at - n, at).map((v) => Math.exp(v));
  });
  return { q, multipliers };
}
