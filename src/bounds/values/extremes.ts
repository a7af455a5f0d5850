/**
 * @file The largest and the smallest value of every output on a box. Branch and bound: the linear walk bounds every output on a box of inputs, and the box that is furthest above what was
 * found is cut in two. What is found are values at points, less what float64 may err by.
 */
import { type Engine, needEngine } from "../../engine/engine.ts";
import type { Network } from "../../graph/network.ts";
import { down, up } from "../../linalg/rounding.ts";
import { UsageError } from "../../tensor/errors.ts";
import { random } from "../../tensor/random.ts";
import { budget } from "../budget.ts";
import { checkDomain, type Domain, type Range } from "../domain.ts";
import { heap } from "../heap.ts";
import { constantsOf } from "../linear/constants.ts";
import { planOf } from "../linear/plan.ts";
import type { Form } from "../linear/program.ts";
import { type Centers, type Walker, walkerOf } from "../linear/walker.ts";
import { compileWork, runWork } from "../lowerBounds/slopes.ts";
import { type Subject, subjectOf } from "../subject.ts";

export interface ExtremesOptions {
  readonly engine: Engine;
  readonly domain: Domain & { readonly kind: "box" };
  /** Cut until what is proved of an output is this close to what was found, in parts of its largest |value|. Default: 0.01. */
  readonly gap?: number;
  /** Float64 operations, roughly, after which nothing is cut; the same on every machine. Default: 2e10. */
  readonly work?: number;
  /** After so long neither. Default: no limit. */
  readonly seconds?: number;
  /** Most boxes looked at. Default: 20,000. */
  readonly pieces?: number;
  /** Of the points that are looked at first. Default: 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** A number of the ranges of all outputs on one box that grows with them; the largest over all boxes holds on the whole. */
  measure?(range: Range): number;
  /** The boxes so far, and how far the worst of them is above what was found, in gaps: 1 is closed. */
  onProgress?(pieces: number, worst: number): void;
}

/** One end of the values of an output. */
export interface Extreme {
  /** No value on the box is beyond it: proved, rounding included. */
  readonly proved: number;
  /** The value at the point is at least as far out: enclosed. */
  readonly found: number;
  readonly point: readonly number[];
}

export interface Extremes {
  readonly outputs: readonly { readonly smallest: Extreme; readonly largest: Extreme }[];
  /** The largest `measure`; null where none was asked. */
  readonly measured: number | null;
  /** Boxes that were looked at. */
  readonly pieces: number;
  readonly seconds: number;
  readonly status: "done" | "stopped";
}

/**
 * Bracket the extremes of every output of a network on a box; the network is that of exact arithmetic on its float32 numbers. Throws UsageError where the box does not fit, or where the
 * network has something that the walk does not know.
 */
export async function extremes(network: Network, options: ExtremesOptions): Promise<Extremes> {
  const {
    domain,
    gap = 0.01,
    work = 2e10,
    seconds,
    signal,
    seed = 0,
    pieces: most = 2e4,
    measure,
    onProgress,
  } = options;
  const engine = needEngine("extremes", options.engine);
  if (!(gap > 0)) throw new UsageError(`extremes: the gap must be above 0, got ${gap}`);
  const subject = subjectOf(network);
  checkDomain(domain, subject.size);
  const box: Range = { low: Float64Array.from(domain.low), high: Float64Array.from(domain.high) };
  const clock = budget({ ...(seconds !== undefined && { seconds }), ...(signal && { signal }) });
  // The graph is read in plain loops, and a walk is some graphs to compile: what has no time for that says so.
  if (seconds !== undefined && !clock.fits(6 * runWork(subject) + 4 * compileWork(subject))) {
    throw new UsageError(`extremes: ${subject.name}: there is no time for one bound; give more seconds`);
  }
  const plan = planOf(subject);
  const numbers = plan.nonlinearities.reduce((n, b) => n + b.size, subject.size);
  const samples = plan.many ? Math.max(1, Math.min(64, Math.floor(1e6 / numbers))) : 1;
  const walker = await walkerOf({
    engine,
    plan,
    kind: "box",
    samples,
    constantOf: await constantsOf(plan, "inf", clock),
    ...(seconds !== undefined && { clock }),
  });
  const goals = goalsOf(subject);
  try {
    const first = firstPoints(box, random(seed).fork("extremes"), samples);
    for (const points of first) goals.see(await walker.centers(points), last(walker), samples);
    const open = heap<Piece>();
    const root: Piece = { box, upper: new Float64Array(2 * subject.outputs).fill(Number.POSITIVE_INFINITY) };
    open.push(Number.POSITIVE_INFINITY, root);
    const kept: Piece[] = [];
    let pieces = 0;
    let stopped = false;
    while (open.size > 0) {
      await clock.pause();
      if (clock.expired || (pieces > 0 && (walker.spent() > work || pieces >= most))) {
        stopped = goals.excess(worstOf(open, goals)) > gap;
        break;
      }
      const batch: Piece[] = [];
      while (batch.length < samples && open.size > 0) {
        const piece = open.pop() as Piece;
        // What was found since may close it.
        const parts = goals.excess(piece) <= gap ? [] : pieces === 0 ? [piece] : halves(piece, box);
        batch.push(...parts);
        if (parts.length === 0) kept.push({ box: piece.box, upper: piece.upper });
      }
      if (batch.length === 0) continue;
      for (let from = 0; from < batch.length; from += samples) {
        const looked = await look(walker, goals, batch.slice(from, from + samples), samples);
        pieces += looked.length;
        for (const piece of looked) open.push(goals.excess(piece), piece);
      }
      onProgress?.(pieces, open.top / gap);
    }
    const left: Piece[] = [...kept];
    for (let piece = open.pop(); piece; piece = open.pop()) left.push(piece);
    const upper = left.reduce(
      (top, piece) => top.map((u, g) => Math.max(u, piece.upper[g])),
      new Float64Array(2 * subject.outputs).fill(Number.NEGATIVE_INFINITY),
    );
    return {
      outputs: Array.from({ length: subject.outputs }, (_, o) => ({
        smallest: goals.extreme(o, -1, upper),
        largest: goals.extreme(o, 1, upper),
      })),
      measured: measure
        ? left.reduce((top, piece) => Math.max(top, measure(rangeOf(piece))), Number.NEGATIVE_INFINITY)
        : null,
      pieces,
      seconds: clock.elapsed(),
      status: stopped ? "stopped" : "done",
    };
  } finally {
    await walker.dispose();
  }
}

// --- internal ---

/** A box with upper bounds of every goal: of f_0, -f_0, f_1, -f_1, ... */
interface Piece {
  readonly box: Range;
  readonly upper: Float64Array;
  /** Where the nodes that nonlinearities read are known to lie on the box that it is half of. */
  readonly ranges?: ReadonlyMap<number, Range>;
}

interface Goals {
  /** Look at the values of a batch of points. */
  see(centers: Centers, at: number, samples: number): void;
  /** How far a box may be above what was found, in parts of the largest |value| of the output. */
  excess(piece: Piece): number;
  extreme(output: number, sign: 1 | -1, upper: Float64Array): Extreme;
}

const last = ({ plan }: Walker): number => plan.varying.length - 1;

function goalsOf({ outputs, size }: Subject): Goals {
  const found = new Float64Array(2 * outputs).fill(Number.NEGATIVE_INFINITY);
  const points: Float64Array[] = Array.from(found, () => new Float64Array(size));
  let error = 0;
  return {
    see({ x, values }, at, samples) {
      const known = values.get(at);
      if (!known) return;
      error = Math.max(error, known.error);
      for (let s = 0; s < samples; s++) {
        for (let g = 0; g < found.length; g++) {
          const z = known.z[s * outputs + (g >> 1)];
          const value = down((g % 2 === 0 ? z : -z) - known.error);
          if (!(value > found[g])) continue;
          found[g] = value;
          points[g] = x.slice(s * size, (s + 1) * size);
        }
      }
    },
    excess({ upper }) {
      let worst = 0;
      for (let g = 0; g < found.length; g++) {
        const scale = Math.max(Math.abs(found[g]), Math.abs(found[g ^ 1]));
        // What the walk rounds is some times what the values may err by; below that nothing is worth a cut.
        worst = Math.max(worst, (upper[g] - found[g] - 1e3 * error) / scale);
      }
      return Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst;
    },
    extreme(output, sign, upper) {
      const g = 2 * output + (sign === 1 ? 0 : 1);
      return { proved: sign * upper[g], found: sign * found[g], point: Array.from(points[g]) };
    },
  };
}

/** Bound every goal on some boxes, and look at their middles. */
async function look(walker: Walker, goals: Goals, batch: readonly Piece[], samples: number): Promise<Piece[]> {
  const { size, outputs } = walker.plan.subject;
  const center = new Float64Array(samples * size);
  const radii = new Float64Array(samples * size);
  batch.forEach(({ box: { low, high } }, s) => {
    for (let i = 0; i < size; i++) {
      const middle = low[i] / 2 + high[i] / 2;
      center[s * size + i] = middle;
      radii[s * size + i] = up(Math.max(high[i] - middle, middle - low[i]));
    }
  });
  const centers = await walker.centers(center);
  goals.see(centers, last(walker), batch.length);
  const live = Array.from({ length: samples }, (_, s) => s < batch.length);
  const narrow = (at: number, range: Range) => {
    batch.forEach(({ ranges }, s) => {
      const known = ranges?.get(at);
      known?.low.forEach((v, j) => {
        const i = s * known.low.length + j;
        range.low[i] = Math.max(range.low[i], v);
        range.high[i] = Math.min(range.high[i], known.high[j]);
      });
    });
  };
  const on = await walker.onSets(centers, radii, live, true, narrow);
  // The form of goal g is minus what it wants largest.
  const forms = batch.flatMap((_, who) =>
    Array.from(
      { length: 2 * outputs },
      (__, g): Form => (g % 2 === 0 ? { who, plus: -1, minus: g >> 1 } : { who, plus: g >> 1, minus: -1 }),
    ),
  );
  const { lower } = await walker.lower(on, forms);
  return batch.map(({ box, upper }, s) => ({
    box,
    upper: upper.map((u, g) => {
      const own = -lower[s * 2 * outputs + g];
      // Not Math.min: what is not a number is no bound.
      return own < u ? own : u;
    }),
    ranges: new Map(
      [...on.ranges].map(([at, { low, high }]) => {
        const n = low.length / samples;
        return [at, { low: low.slice(s * n, (s + 1) * n), high: high.slice(s * n, (s + 1) * n) }];
      }),
    ),
  }));
}

/** What is proved of every output on a box. */
const rangeOf = ({ upper }: Piece): Range => ({
  low: upper.filter((_, g) => g % 2 === 1).map((u) => -u),
  high: upper.filter((_, g) => g % 2 === 0),
});

/** Cut a box across the side that is longest in parts of the whole; none where no number is between its ends. */
function halves({ box: { low, high }, upper, ranges }: Piece, whole: Range): Piece[] {
  let at = 0;
  let longest = -1;
  for (let i = 0; i < low.length; i++) {
    const width = whole.high[i] - whole.low[i];
    const side = width > 0 ? (high[i] - low[i]) / width : 0;
    if (side > longest) [at, longest] = [i, side];
  }
  const middle = low[at] / 2 + high[at] / 2;
  if (!(middle > low[at] && middle < high[at])) return [];
  const known = { upper, ...(ranges && { ranges }) };
  return [
    { ...known, box: { low, high: high.map((v, i) => (i === at ? middle : v)) } },
    { ...known, box: { low: low.map((v, i) => (i === at ? middle : v)), high } },
  ];
}

/** Corners and points between, in batches. */
function firstPoints({ low, high }: Range, source: ReturnType<typeof random>, samples: number): Float64Array[] {
  const count = Math.ceil(256 / samples);
  return Array.from({ length: count }, (_, k) => {
    const points = new Float64Array(samples * low.length);
    for (let i = 0; i < points.length; i++) {
      const part = source.uniform();
      const own = k % 2 === 0 ? Math.round(part) : part;
      const j = i % low.length;
      points[i] = own === 1 ? high[j] : Math.min(high[j], low[j] + own * (high[j] - low[j]));
    }
    return points;
  });
}

/** The box at the top of the queue, left there. */
function worstOf(open: ReturnType<typeof heap<Piece>>, goals: Goals): Piece {
  const piece = open.pop() as Piece;
  open.push(goals.excess(piece), piece);
  return piece;
}
