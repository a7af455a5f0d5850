/** @file LipSDP on any program of cuts: multipliers in closed form, a search for better ones, and the proof of what they give. */
import type { Engine } from "../../engine/engine.ts";
import { down, sqrtUp, up } from "../../linalg/rounding.ts";
import { InternalError } from "../../tensor/errors.ts";
import type { UpperBound } from "../bound.ts";
import { type Budget, budget, type Clock, reserving } from "../budget.ts";
import type { Complex } from "./complex.ts";
import { roomOf, unknownsOf } from "./objective.ts";
import type { Program } from "./program.ts";
import { type Choose, matricesOf, provedWalk } from "./proof.ts";
import { startScales } from "./scales.ts";
import { type Ending, type Point, searchMultipliers } from "./search.ts";
import { closedForm, given, meansOf, topOf } from "./start.ts";
import { provedTop } from "./top.ts";
import { makingOf } from "./work.ts";

export interface QuadraticOptions {
  readonly engine: Engine;
  /** Of inputs and outputs. "inf" is for programs without a grid; l1 is that of the transposed program. Default 2. */
  readonly norm?: 2 | "inf";
  /** An upper limit; what was found by then is proved all the same. */
  readonly seconds?: number | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Multiply-adds of the walk, for a clock that counts work. */
  readonly work?: number;
  readonly signal?: AbortSignal | undefined;
  /** Evaluations of the objective at most. Default 1000. */
  readonly steps?: number;
  /** Multipliers that may be good, one for each number of the program: looked at first, and where they prove anything the search begins there. */
  readonly stored?: Float64Array | undefined;
  /** The value so far, not yet proved, and the part of the steps that is done. */
  onStep?(value: number, done: number): void;
  /** Each smaller value as soon as it is proved. */
  onImprove?(value: number): void;
}

export interface QuadraticBound {
  /** Proved; Infinity where nothing is. */
  readonly value: number;
  /** What proves it. */
  readonly multipliers: Float64Array | null;
  /** In l2: dy dy^* <= |dx|^2 Y for the difference dy of the outputs, at every frequency. */
  readonly Y: readonly Complex[] | null;
  readonly ending: Ending;
  /** Evaluations of the objective. */
  readonly steps: number;
}

/**
 * Bound the constant of a program in l2, or in l-inf.
 *
 * In l-inf the ellipsoid that the walk begins with holds the box of inputs, and the worst output counts:
 *
 *     |dy_r| <= Y_rr^(1/2) (sum_j (dx_j / s_j)^2)^(1/2) <= Y_rr^(1/2) (sum_j 1 / s_j^2)^(1/2) |dx|_inf.
 *
 * The scales s are sought together with the multipliers.
 * Reference: Fazlyab, Robey, Hassani, Morari and Pappas 2019 for l2; Wang, Prakriya, Tan and Parrilo 2022, "A quantitative geometric approach to
 * neural-network smoothness", for l-inf (both by solvers).
 */
export async function quadraticBound(program: Program, options: QuadraticOptions): Promise<QuadraticBound> {
  const { engine, norm = 2, seconds, work = 0, steps = 1000, onImprove = () => {}, onStep = () => {} } = options;
  const clock = budget({ ...options, ...(seconds === undefined ? {} : { seconds }) });
  const found: Pick<QuadraticBound, "value" | "multipliers" | "Y"> & { value: number } = {
    value: Number.POSITIVE_INFINITY,
    multipliers: null,
    Y: null,
  };
  let cost = 0;
  const offer = async (choose: Choose, multipliers: Float64Array, scales?: Float64Array, limit?: Budget) => {
    const began = clock.elapsed();
    clock.spend(work);
    const cut = await provedWalk(program, choose, { clock: limit, scales });
    const Y = cut && matricesOf(cut);
    const value = Y ? provedOf(Y, norm, scales) : Number.POSITIVE_INFINITY;
    cost = clock.elapsed() - began;
    if (value < found.value) {
      Object.assign(found, { value, multipliers, Y });
      onImprove(value);
    }
    return value;
  };
  // What is small takes no time worth asking for.
  const patience = work < quickWork ? undefined : clock;
  let start: Start | null = null;
  const given0 = norm === 2 ? options.stored : undefined;
  for (const e of given0 ? storedInwards : []) {
    const recorded = recorder(program, given(given0 as Float64Array, e));
    await offer(recorded.choose, recorded.multipliers, undefined, patience);
    // The first that proves anything may do so with little to spare: the next is looked at as well.
    const better = found.multipliers === recorded.multipliers;
    if (start && !better) break;
    if (better) start = recorded;
  }
  if (!start) {
    let least = Number.POSITIVE_INFINITY;
    for (const scales of norm === 2 ? [undefined] : startScales(program)) {
      // One start is as good as none: where the clock is out, the first will do.
      if (start && clock.expired) break;
      for (const alike of [false, true]) {
        if (start && (clock.expired || (norm === 2 && work > quickWork))) break;
        const recorded = recorder(program, closedForm({ alike, room: startRoom }), scales);
        const value = await offer(recorded.choose, recorded.multipliers, scales, patience);
        if (start && !(value < least)) continue;
        start = recorded;
        least = value;
      }
    }
  }
  if (!start) throw new InternalError("lipsdp: there must be a start");
  if (program.multipliers === 0) return { ...found, ending: "converged", steps: 0 };
  // A proof must come after the search.
  const limited = reserving(clock, seconds, () => 1.2 * cost);
  const prove = async ({ multipliers, scales, value }: Point) => {
    const aim = Math.exp(value / 2) * (1 + 1e-5);
    for (const e of inwards) if (!(found.value <= aim)) await offer(given(multipliers, e), multipliers, scales);
  };
  options.signal?.throwIfAborted();
  if (limited.expired || !limited.fits(makingOf(program))) return { ...found, ending: "time", steps: 0 };
  let [count, proved] = [0, 0];
  const levels: Point[] = [];
  const searched = await searchMultipliers(program, start.theta, {
    engine,
    clock: limited,
    work,
    steps,
    ...(norm === "inf" && { outputs: "each", inputs: "scaled" }),
    onPoint: ({ value }) => onStep(Math.exp(value / 2), ++count / steps),
    async onLevel(point) {
      levels.push(point);
      // On the way proofs take a small part of the work: counted, so that the end does not depend on the clock.
      if (count < proved + stepsPerProof) return;
      proved = count;
      await offer(given(point.multipliers, inwards[0]), point.multipliers, point.scales);
    },
  });
  options.signal?.throwIfAborted();
  if (!searched) return { ...found, ending: "no start", steps: 0 };
  for (const point of [searched.best, ...levels.toReversed()]) {
    if (found.value <= Math.exp(searched.best.value / 2) * (1 + 1e-4)) break;
    await prove(point);
    if (seconds !== undefined && clock.elapsed() > seconds && found.multipliers !== start.multipliers) break;
  }
  return { ...found, ending: searched.ending, steps: searched.steps };
}

/** What is said of a bound by one or more searches. */
export function statusOf(endings: readonly Ending[]): Pick<UpperBound, "status" | "why"> {
  if (endings.includes("time")) return { status: "stopped", why: "out of time: more would lower it" };
  if (endings.includes("steps"))
    return { status: "done", why: "all steps of the search are taken: more would lower it" };
  if (endings.includes("no start")) {
    return {
      status: "done",
      why: "the search had no start in the engine's arithmetic; multipliers are in closed form",
    };
  }
  return { status: "done" };
}

// --- internal ---

/** How far multipliers are moved from the edge of what is feasible before they are proved. */
const inwards: readonly number[] = [1e-9, 1e-7, 1e-5];

/** The same for multipliers that a model brings along, whose inequality may hold with nothing to spare before weights were rounded. */
const storedInwards: readonly number[] = [1e-7, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3];

/** Where slopes are symmetric about 0 the closed form lies at the edge of what is feasible, where a descent would end. */
const startRoom = 0.05;

/** Between two proofs on the way. */
const stepsPerProof = 50;

/** Multiply-adds of a walk that takes a hundredth of a second. */
const quickWork = 1e7;

/** The constant that Y proves of the outputs. */
function provedOf(Y: readonly Complex[], norm: 2 | "inf", scales?: Float64Array): number {
  if (norm === 2) return sqrtUp(provedTop(Y));
  const [{ rows: n, re }] = Y;
  let top = 0;
  for (let i = 0; i < n; i++) top = Math.max(top, re[i * (n + 1)]);
  const axes = scales?.reduce((sum, s) => up(sum + up(1 / down(s * s))), 0) ?? n;
  return sqrtUp(up(top * axes));
}

interface Start {
  /** What was chosen, once the walk has been: t, and the logarithms that the objective takes. */
  readonly multipliers: Float64Array;
  readonly theta: Float64Array;
  readonly choose: Choose;
}

/** Choose as somebody else does, and write it down. */
function recorder(program: Program, by: Choose, scales?: Float64Array): Start {
  const count = Math.max(1, program.multipliers);
  const { rooms, axes, count: unknowns } = unknownsOf(program, scales ? { inputs: "scaled" } : {});
  const theta = new Float64Array(unknowns);
  scales?.forEach((s, j) => {
    theta[axes + j] = 2 * Math.log(s);
  });
  let activations = 0;
  const multipliers = new Float64Array(count).fill(1);
  const choose: Choose = (step, own, weights) => {
    const t = by(step, own, weights);
    if (!t) return null;
    const means = meansOf(own, weights);
    const factors = step.kind === "gain" ? new Float64Array(means.length).fill(t[0]) : t;
    const lambda = topOf(
      own,
      factors.map((x) => 1 / Math.sqrt(x)),
    );
    theta[rooms + activations++] = roomOf(step.kind, lambda, own.length * means.length);
    if (step.kind === "gain") {
      const mean = means.reduce((sum, y) => sum + y, 0) / means.length;
      multipliers[step.multiplier] = t[0];
      theta[step.multiplier] = Math.log(t[0] / mean);
      return t;
    }
    const sums = new Map<number, { total: number; count: number }>();
    step.share.forEach((k, i) => {
      const sum = sums.get(k) ?? { total: 0, count: 0 };
      sums.set(k, { total: sum.total + means[i], count: sum.count + 1 });
    });
    step.share.forEach((k, i) => {
      const { total, count } = sums.get(k) as { total: number; count: number };
      multipliers[k] = t[i];
      theta[k] = Math.log((t[i] * count) / total);
    });
    return t;
  };
  return { theta, multipliers, choose };
}
