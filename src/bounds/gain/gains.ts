/** @file How fast each output can change with each input on a box: proved above, witnessed below, in the units of what the numbers stand for. The control engineer's question. */
import { type Engine, needEngine } from "../../engine/engine.ts";
import type { Network } from "../../graph/network.ts";
import { InternalError, UsageError } from "../../tensor/errors.ts";
import { random } from "../../tensor/random.ts";
import { maybeNorm, type NoConstant, type Norm, printNorm, type Witness } from "../bound.ts";
import { budget, type Clock, machineClock, nominalSpeed, workClock } from "../budget.ts";
import { checkDomain, type Domain, type Range } from "../domain.ts";
import { lengthOf } from "../length.ts";
import type { Rise } from "../lowerBounds/enclosure.ts";
import { riseOf } from "../lowerBounds/rise.ts";
import { subjectOf } from "../subject.ts";
import { enclose, type Proved, tryPoint } from "./search.ts";
import { partialsOf } from "./subjectPartials.ts";
import {
  type Conversion,
  conversionOf,
  type FullQuantity,
  type Quantity,
  quantitiesOf,
  scaledDown,
  scaledRange,
  scaledRise,
} from "./units.ts";
import { type Shown, type Witnesses, witnessesOf } from "./witnesses.ts";

export type { Quantity } from "./units.ts";

export interface GainOptions {
  readonly engine: Engine;
  /** Where: in the quantities of the inputs, low and high for each. An input whose ends are the same does not vary. */
  readonly domain: Domain & { readonly kind: "box" };
  /** What the numbers of the input and of all outputs side by side stand for, one for each. Default: the numbers themselves. */
  readonly inputs?: readonly Quantity[];
  readonly outputs?: readonly Quantity[];
  /** Of inputs and outputs in their scales, for gains: 1, 2 or "inf". Default: 2. */
  readonly norm?: Norm | "1" | "2";
  /** Cut the box until upper <= lower (1 + gap) everywhere. Default: 0.01. */
  readonly gap?: number;
  /** An upper limit. Default: a fixed amount of work, the same on every machine. */
  readonly seconds?: number;
  /** What `seconds` are measured by. Default: the machine's clock. */
  readonly clock?: Clock;
  /** Most boxes looked at. Default: 200,000. */
  readonly pieces?: number;
  /** Of the points where the search for witnesses begins. Default: 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** The boxes so far, and how far the worst of them is above what is witnessed: 1 is closed. */
  onProgress?(pieces: number, worst: number): void;
}

/**
 * How an output moves with an input, on all of the box: `rises` and `falls` are proved of every pair of points (weakly), `still` that it does not move; of `turns` both a rise
 * and a fall are witnessed. `open` is none of these, for want of work or because the slope only touches 0.
 */
export type Trend = "rises" | "falls" | "still" | "turns" | "open";

/** Between what a largest slope or gain lies. */
export interface Bracketed {
  /** Proved, rounding included; Infinity where there is no constant on the box, or none was found. JSON shows null. */
  readonly upper: number;
  /** Shown by the witness, 0 where that is null. */
  readonly lower: number;
  /** Two points of the box, in the network's own numbers. */
  readonly witness: Witness | null;
}

/** Of output o and input i: the largest |difference quotient| of o along i, in units of o per unit of i. */
export interface Slope extends Bracketed {
  readonly output: string;
  readonly input: string;
  /** Every difference quotient lies here: proved. */
  readonly range: readonly [number, number];
  readonly trend: Trend;
}

export interface OutputGain extends Bracketed {
  readonly output: string;
}

/** Where and along what the largest gain was witnessed. */
export interface Steepest {
  /** The middle of the two points, in the quantities of the inputs. */
  readonly state: readonly number[];
  /** From one point to the other in scaled units, of length 1 in the norm, and what the outputs do for that. */
  readonly direction: readonly number[];
  readonly response: readonly number[];
}

/** What `gain --json` prints, but for the model. */
export interface Gains {
  readonly norm: "1" | "2" | "inf";
  readonly inputs: readonly (FullQuantity & { readonly low: number; readonly high: number; readonly fixed: boolean })[];
  readonly outputs: readonly FullQuantity[];
  /** Output by input; without the inputs that are fixed. */
  readonly slopes: readonly Slope[];
  /** The largest ||change of scaled inputs|| -> |change of one scaled output|. */
  readonly gains: readonly OutputGain[];
  /** That of all outputs together: the Lipschitz constant of the scaled network on the box. */
  readonly whole: Bracketed & { readonly steepest: Steepest | null };
  readonly pieces: number;
  readonly seconds: number;
  /** `done`: all within the gap (what moves an output a thousand times less than another input does may be looser). `stopped`: the work or the time ended first. */
  readonly status: "done" | "stopped";
  readonly gap: number;
  /** Where samples of a batch act on each other: then everything here is of a batch of one. */
  readonly crossing?: NoConstant;
}

/**
 * Prove how fast every output can change with every input on a box, and the gain of each output and of all.
 *
 * The box is cut into pieces; on each all partial slopes are enclosed (interval Jacobians by a chain's ranges, or node by node in any graph), rounding included, kinks too: a
 * bound is of difference quotients, and derivatives are limits of those. Lower values are two points each, and the quotient that an enclosure of f(y) - f(x) proves.
 * What is proved holds for every number of the network's input between the ends, rounded outward; witnesses lie between them.
 * Throws UsageError as `lipschitz` does, or where quantities do not fit; InternalError where a lower bound exceeds an upper one, which would be a fault of this library.
 */
export async function gains(network: Network, options: GainOptions): Promise<Gains> {
  needEngine("gains", options.engine);
  const { engine, domain, gap = 0.01, pieces = 2e5, seed = 0, signal, onProgress } = options;
  if (!(gap > 0)) throw new UsageError(`gains: the gap must be above 0, got ${gap}`);
  if (!(pieces >= 1)) throw new UsageError(`gains: pieces must be at least 1, got ${pieces}`);
  const norm = maybeNorm(options.norm ?? 2);
  const subject = subjectOf(network);
  const { size, outputs: count } = subject;
  checkDomain(domain, size);
  const inputs = quantitiesOf("input", options.inputs, size);
  const outputs = quantitiesOf("output", options.outputs, count);
  const conversion = conversionOf(inputs, outputs);
  // Around the box of quantities for what is proved, within it for what is shown.
  const ends = (of: ArrayLike<number>, side: 0 | 1) =>
    Float64Array.from(inputs, (_, i) => conversion.number(i, of[i])[side]);
  const box: Range = { low: ends(domain.low, 0), high: ends(domain.high, 1) };
  const inner: Range = { low: ends(domain.low, 1), high: ends(domain.high, 0) };
  const free = Array.from(box.low.keys()).filter((i) => domain.low[i] < domain.high[i]);
  for (const i of box.low.keys()) {
    if (free.includes(i) && inner.low[i] < inner.high[i]) continue;
    // One number where the range holds no two.
    const middle = box.low[i] / 2 + box.high[i] / 2;
    inner.low[i] = middle;
    inner.high[i] = middle;
  }
  const clock = budget({
    seconds: options.seconds ?? usualWork,
    clock: options.seconds === undefined ? workClock() : (options.clock ?? machineClock),
    ...(signal && { signal }),
  });
  const passed = budget({});
  const risen = free.length === 0 ? null : await riseOf(engine, subject, clock);
  const said = { inputs, outputs, conversion, box, free, norm };
  try {
    const stated = {
      norm: printNorm(norm),
      inputs: inputs.map((q, i) => ({ ...q, low: domain.low[i], high: domain.high[i], fixed: !free.includes(i) })),
      outputs,
      gap,
      ...(subject.crossing && { crossing: subject.crossing }),
    };
    // No output depends on an input that varies.
    if (!risen) {
      const found = await answer(said, unmoved(count, size), null);
      return { ...stated, ...found, pieces: 1, seconds: passed.elapsed(), status: "done" };
    }
    const partials = partialsOf(subject, free, clock.fits);
    if (partials.work > tooMuch) {
      const rule = `slopes by ${free.length} inputs on one box must not take more than ${tooMuch} operations`;
      throw new UsageError(
        `gains: ${rule}, got about ${partials.work.toPrecision(2)}; let fewer inputs vary (low = high), or ask lipschitz for one constant`,
      );
    }
    if (!clock.counted && !clock.fits(partials.work)) {
      throw new UsageError(
        `gains: slopes on one box take about ${Math.ceil(partials.work / nominalSpeed)} s, and there is less time; give more, or let fewer inputs vary (low = high)`,
      );
    }
    const { rise, work } = risen;
    const frame = { box, free, outputs: count, norm, conversion };
    const witnesses = witnessesOf({ ...frame, box: inner, rise, reached: gap / 10, work: 1e5 + 7 * work, clock });
    const source = random(seed).fork("gains");
    for (const x of firstPoints(inner, free, Math.min(firstCount, pieces), () => source.uniform())) {
      await clock.pause();
      // The box as a whole comes first: it is what is proved.
      if (!clock.fits(partials.work + partials.glance)) break;
      await tryPoint(partials, witnesses, clock, x);
    }
    const problem = { ...frame, partials, witnesses, gap, clock, limit: pieces };
    const proved = await enclose({ ...problem, ...(onProgress && { onProgress }) });
    const found = await answer(said, proved, witnesses, rise);
    check(found);
    return {
      ...stated,
      ...found,
      pieces: proved.pieces,
      seconds: passed.elapsed(),
      status: proved.closed ? "done" : "stopped",
    };
  } finally {
    await risen?.dispose();
  }
}

// --- internal ---

/** Counted work, in seconds at the nominal speed. */
const usualWork = 5;

const unmoved = (outputs: number, inputs: number): Omit<Proved, "pieces" | "closed"> => ({
  low: new Float64Array(outputs * inputs),
  high: new Float64Array(outputs * inputs),
  rows: new Float64Array(outputs),
  whole: 0,
});

/** The middle, corners and points between. */
function firstPoints(
  { low, high }: Range,
  free: readonly number[],
  count: number,
  uniform: () => number,
): Float64Array[] {
  const at = (part: () => number) =>
    low.map((l, i) => (l === high[i] ? l : Math.min(high[i], l + part() * (high[i] - l))));
  const corners = Math.min(32, 2 ** free.length, count);
  return [
    at(() => 0.5),
    ...Array.from({ length: corners }, () => at(() => Math.round(uniform()))),
    ...Array.from({ length: count }, () => at(uniform)),
  ];
}

const firstCount = 200;

/** Multiply-adds of one box, which is always finished: minutes. */
const tooMuch = 1e11;

interface Said {
  readonly inputs: readonly FullQuantity[];
  readonly outputs: readonly FullQuantity[];
  readonly conversion: Conversion;
  readonly box: Range;
  readonly free: readonly number[];
  readonly norm: Norm;
}

/** Everything in the units of the quantities. */
async function answer(
  said: Said,
  proved: Omit<Proved, "pieces" | "closed">,
  witnesses: Witnesses | null,
  rise?: Rise,
): Promise<Pick<Gains, "slopes" | "gains" | "whole">> {
  const { inputs, outputs, conversion, free } = said;
  const none: Shown = { value: 0, witness: null };
  const slopes = outputs.flatMap(({ name: output }, o) =>
    free.map((i): Slope => {
      const k = o * inputs.length + i;
      const factor = conversion.physical(o, i);
      const [low, high] = scaledRange(proved.low[k], proved.high[k], factor);
      const { value, witness } = witnesses?.entries[k] ?? none;
      return {
        output,
        input: inputs[i].name,
        upper: Math.max(-low, high),
        lower: scaledDown(value, factor),
        range: [low, high],
        trend: trendOf(
          low,
          high,
          witnesses !== null && witnesses.rises[k] > 0,
          witnesses !== null && witnesses.falls[k] > 0,
        ),
        witness,
      };
    }),
  );
  const whole = witnesses?.whole ?? none;
  return {
    slopes,
    gains: outputs.map(({ name: output }, o) => {
      const { value, witness } = witnesses?.rows[o] ?? none;
      return { output, upper: proved.rows[o], lower: value, witness };
    }),
    whole: {
      upper: proved.whole,
      lower: whole.value,
      witness: whole.witness,
      steepest: await steepestOf(said, whole, rise),
    },
  };
}

function trendOf(low: number, high: number, rises: boolean, falls: boolean): Trend {
  if (low === 0 && high === 0) return "still";
  if (low >= 0) return "rises";
  if (high <= 0) return "falls";
  return rises && falls ? "turns" : "open";
}

async function steepestOf(
  { conversion, norm }: Said,
  { witness }: Shown,
  rise: Rise | undefined,
): Promise<Steepest | null> {
  if (!witness || !rise) return null;
  const [x, y] = [Float64Array.from(witness.x), Float64Array.from(witness.y)];
  const moved = x.map((v, i) => scaledDown(y[i] - v, conversion.inputChange(i)));
  const length = lengthOf(moved, norm);
  const { low, high } = scaledRise(await rise(x, y), conversion);
  return {
    state: Array.from(conversion.state(x.map((v, i) => v / 2 + y[i] / 2))),
    direction: Array.from(moved, (v) => v / length),
    response: Array.from(low, (v, o) => (v / 2 + high[o] / 2) / length),
  };
}

/** Two points that show more than is proved refute the proof or the enclosure: a fault of this program, after which it answers nothing. */
function check({ slopes, gains, whole }: Pick<Gains, "slopes" | "gains" | "whole">): void {
  const all = [
    ...slopes.map((s) => ({ ...s, what: `the slope of ${s.output} by ${s.input}` })),
    ...gains.map((g) => ({ ...g, what: `the gain of ${g.output}` })),
    { ...whole, what: "the gain" },
  ];
  const wrong = all.find(({ lower, upper }) => lower > upper);
  if (!wrong) return;
  throw new InternalError(
    `gains: the lower bound ${wrong.lower} of ${wrong.what} exceeds the upper bound ${wrong.upper}: one of them is wrong; please report it with the model`,
  );
}
