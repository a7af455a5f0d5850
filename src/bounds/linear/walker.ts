/** @file The linear walk over a network, ready for batches of samples: compiled programs, constants per neuron, values at the samples. What is the same for all radii is made once. */
import type { Engine, Program } from "../../engine/engine.ts";
import type { Node } from "../../graph/graph.ts";
import { down, sqrtUp, up } from "../../linalg/rounding.ts";
import { reshape } from "../../ops/movement.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import type { Budget } from "../budget.ts";
import { workOf } from "../work.ts";
import type { SetKind } from "./ball.ts";
import { gainsOf, rowsFor } from "./gains.ts";
import { hullOf } from "./hull.ts";
import { type Lines, linesOn, type Pieces, piecesOn } from "./lines.ts";
import type { Nonlinearity, Plan } from "./plan.ts";
import { type Batch, type Form, type LowerLines, unbounded, type WalkProgram, walkProgram } from "./program.ts";
import type { Known, Range } from "./rules.ts";
import { centerErrors, type Sizes, sizesOf } from "./sizes.ts";
import { type Ball, type RowState, type Tuned, type Tuner, tunerOf } from "./tune.ts";

/** What is known at the samples of a batch, whatever the radius. */
export interface Centers {
  /** [samples, size] */
  readonly x: Float64Array;
  /** Of the nodes whose ranges are needed and of the output, by position: [samples, size], and what they may err by. */
  readonly values: ReadonlyMap<number, { readonly z: Float64Array; readonly error: number }>;
}

/** What is known on the sets of a batch. */
export interface OnSets extends Known {
  readonly batch: Batch;
  readonly sizes: readonly Sizes[];
}

export interface Walker {
  readonly plan: Plan;
  readonly kind: SetKind;
  /** Samples in one batch. */
  readonly samples: number;
  centers(x: Float64Array): Promise<Centers>;
  /**
   * Ranges and lines at every nonlinearity, on sets of the given radii ([samples, 1], for boxes [samples, size]). `live` says for which samples they are
   * wanted; the others stay where they are. With `refine` ranges of inner nodes are sought by the walk too, where constants leave them open; what
   * nothing else bounds always is. `narrow` takes from a range what is known not to be in it.
   */
  onSets(
    centers: Centers,
    radii: Float64Array,
    live: readonly boolean[],
    refine: boolean,
    narrow?: (at: number, range: Range) => void,
  ): Promise<OnSets>;
  /** Float64 operations, roughly and at most, that `refine` would take on these sets, of which ranges are known without it. */
  refining(on: OnSets, live: readonly boolean[]): number;
  /** The same of one sample of which nothing is known. */
  refiningMost(): number;
  /** Float64 operations that take as long as to compile the programs that `refine` needs and that are not there yet. */
  compiling(): number;
  /** Lower bounds of differences of outputs by the usual lines. */
  lower(on: OnSets, forms: readonly Form[]): Promise<LowerLines>;
  /** The same by lines that are sought in so many steps. */
  tuned(on: OnSets, centers: Centers, forms: readonly Form[], steps: number): Promise<LowerLines>;
  /** Sets on which ranges are known, as `onSets` gives them: nothing is sought, lines are made. */
  withRanges(centers: Centers, radii: Float64Array, ranges: ReadonlyMap<number, Range>): OnSets;
  /** `tuned` with a multiplier for every range too; a form may go on from the state of another. */
  branched(
    on: OnSets,
    centers: Centers,
    forms: readonly Form[],
    steps: number,
    starts: readonly (RowState | undefined)[],
  ): Promise<Tuned>;
  /** Float64 operations of one step of tuning one form of the outputs, roughly. */
  readonly tuningStep: number;
  /** Float64 operations so far, roughly; the same on every machine. */
  spent(): number;
  dispose(): Promise<void>;
}

export interface WalkerOptions {
  readonly engine: Engine;
  readonly plan: Plan;
  readonly kind: SetKind;
  readonly samples: number;
  /** Of every varying node a constant, in the norm of the ball, or in l-inf for boxes (`constantsOf`). */
  constantOf(node: Node): number;
  /** Where it has run out nothing further is sought: no range, no bound of a form, and nothing is compiled that there is no time for. */
  readonly clock?: Budget;
}

/** A walk back through one node is some ten nodes of a program, each of which a runtime takes a fifth of a millisecond to open. */
const compiledNode = 6e6;

/** Make a walker. */
export async function walkerOf(options: WalkerOptions): Promise<Walker> {
  const { engine, plan, kind, samples, constantOf, clock } = options;
  const { nonlinearities, varying, needs } = plan;
  const { size: inner } = plan.subject;
  const free = plan.many;
  const last = varying.length - 1;
  const gains = new Map<number, Float64Array>();
  for (const at of needs)
    gains.set(at, await gainsOf(engine, plan, constantOf, kind === "box" ? "inf" : kind, at, clock));
  const readers = new Map(
    needs.map((at) => [at, nonlinearities.filter((b) => (b.reads as readonly number[]).includes(at))]),
  );
  const walks = new Map<number, WalkProgram>();
  const tuners = new Map<string, Tuner>();
  let forward: Program | undefined;
  let spent = 0;
  const costs = new Map<number, number>();
  const costFrom = (at: number): number => {
    const known =
      costs.get(at) ?? varying.slice(0, at + 1).reduce((n, node) => n + 2 * workOf(node, plan.flow.varies), 0);
    costs.set(at, known);
    return known;
  };
  // Back through the walk is as much again, and a nonlinearity takes several operations more.
  const tuningStep = 4 * costFrom(last);
  /** Null where there is no time to compile it. */
  const walkFrom = async (at: number, rows: number): Promise<WalkProgram | null> => {
    if (!walks.has(at) && clock && !clock.fits(at * compiledNode)) return null;
    const known =
      walks.get(at) ?? (await walkProgram(engine, plan, kind, at, { samples, rows: free ? Math.max(1, rows) : 1 }));
    walks.set(at, known);
    return known;
  };
  const ballOf = (nonlinearity: Nonlinearity) => constantOf(varying[nonlinearity.reads[0]]);
  const balls = new Set(
    kind === 2
      ? nonlinearities.flatMap((b, k) => (b.kind === "pointwise" && Number.isFinite(ballOf(b)) ? [k] : []))
      : [],
  );
  const tune = async (
    on: OnSets,
    centers: Centers,
    forms: readonly Form[],
    steps: number,
    branching: boolean,
    starts?: readonly (RowState | undefined)[],
  ): Promise<Tuned> => {
    // Few programs, none much larger than what is asked.
    const most = free ? rowsFor(plan, 256) : 1;
    const rows = Math.min(most, Math.max(8, 2 ** Math.ceil(Math.log2(forms.length))));
    const name = `${rows} ${branching}`;
    if (!tuners.has(name) && clock && !clock.fits(3 * last * compiledNode)) {
      return { ...unbounded(forms.length), made: 0, relaxed: forms.map(() => undefined) };
    }
    const tuner = tuners.get(name) ?? (await tunerOf(engine, plan, kind, last, { samples, rows, branching }, balls));
    tuners.set(name, tuner);
    const pieces = new Map<number, Pieces>();
    const around = new Map<number, Ball>();
    nonlinearities.forEach((nonlinearity, k) => {
      if (nonlinearity.kind !== "pointwise") return;
      const { low, high } = on.ranges.get(nonlinearity.reads[0]) as Range;
      pieces.set(k, piecesOn(nonlinearity, low, high));
      const center = centers.values.get(nonlinearity.reads[0]);
      if (balls.has(k) && center) {
        around.set(
          k,
          ballAround({ low, high }, center, (s) => up(on.batch.radii[s] * ballOf(nonlinearity)), samples),
        );
      }
    });
    const sizes = on.sizes.map((own, s) =>
      sizesOf(
        plan,
        own.size[0],
        (at) => sizeAt(on.ranges.get(at), s, samples),
        (k) => {
          const p = pieces.get(k) as Pieces;
          return 2 * Math.max((on.lines.get(k) as Lines).size[s], p.left.size[s], p.right.size[s]);
        },
      ),
    );
    const tuned = await tuner.tune(on.batch, { ...on, pieces, balls: around }, sizes, forms, steps, starts, clock);
    spent += tuned.made * tuningStep;
    return tuned;
  };
  const radiusOf = (radii: Float64Array, s: number) =>
    kind === "box" ? largest(radii.subarray(s * inner, (s + 1) * inner)) : radii[s];

  /** The largest |x| on the set of every sample. */
  const inputSizes = (centers: Centers, radii: Float64Array, live: (s: number) => boolean) =>
    Float64Array.from({ length: samples }, (_, s) =>
      up(largest(centers.x.subarray(s * inner, (s + 1) * inner)) + (live(s) ? radiusOf(radii, s) : 0)),
    );

  return {
    plan,
    kind,
    samples,
    tuningStep,
    async centers(x) {
      const runs = free ? samples : 1;
      const wanted = [...new Set([...needs, last])];
      forward ??= await forwardProgram(engine, plan, runs, wanted);
      const values = new Map(wanted.map((at) => [at, new Float64Array(samples * sizeOf(varying[at].shape))]));
      for (let from = 0; from < samples; from += runs) {
        const part = x.slice(from * inner, (from + runs) * inner);
        const found = await forward.run({ [plan.subject.input]: tensor(part, plan.rows(runs)[0].shape, "float64") });
        for (const [at, all] of values) {
          all.set(found[`value ${at}`].data as Float64Array, from * sizeOf(varying[at].shape));
        }
      }
      const errors = centerErrors(
        plan,
        largest(x),
        new Map(
          [...values].map(([at, z]) => [at, [z.reduce((a, b) => Math.min(a, b)), z.reduce((a, b) => Math.max(a, b))]]),
        ),
      );
      return { x, values: new Map([...values].map(([at, z]) => [at, { z, error: errors[at] }])) };
    },

    async onSets(centers, radii, live, refine, narrow) {
      const batch: Batch = { samples, center: centers.x, radii };
      const ranges = new Map<number, Range>();
      const lines = new Map<number, Lines>();
      const inputs = inputSizes(centers, radii, (s) => live[s]);
      const hull = hullOf(plan, centers.x, radii, kind, live);
      const sizes = () => sizesOfBatch(plan, inputs, ranges, lines);
      for (const at of needs) {
        const n = sizeOf(varying[at].shape);
        const range = aroundCenters(centers.values.get(at), gains.get(at) as Float64Array, (s) =>
          live[s] ? radiusOf(radii, s) : 0,
        );
        hull?.narrow(at, range, ranges);
        narrow?.(at, range);
        const seeks = refine && !clock?.expired;
        const forms: Form[] = [];
        for (let s = 0; s < samples; s++) {
          // On balls constants of the first affine map are exact.
          const first = plan.nonlinearitiesBefore(at).length === 0;
          if (!live[s] || (first && kind !== "box")) continue;
          for (let j = 0; j < n; j++) {
            const i = s * n + j;
            const finite = range.low[i] > Number.NEGATIVE_INFINITY && range.high[i] < Number.POSITIVE_INFINITY;
            if (
              finite &&
              (!(seeks || first) || isLinear(readers.get(at) as Nonlinearity[], range.low[i], range.high[i]))
            )
              continue;
            forms.push({ who: s, plus: j, minus: -1 }, { who: s, plus: -1, minus: j });
          }
        }
        if (forms.length > 0) {
          const walk = await walkFrom(at, rowsFor(plan));
          spent += forms.length * costFrom(at);
          const { lower } = walk
            ? await walk.lower(batch, { ranges, lines }, sizes(), forms, clock)
            : unbounded(forms.length);
          for (let m = 0; m < forms.length; m += 2) {
            const i = forms[m].who * n + forms[m].plus;
            // Not Math.max: what is not a number is no bound.
            if (lower[m] > range.low[i]) range.low[i] = lower[m];
            if (-lower[m + 1] < range.high[i]) range.high[i] = -lower[m + 1];
          }
        }
        ranges.set(at, range);
        nonlinearities.forEach((nonlinearity, k) => {
          if (nonlinearity.kind === "pointwise" && nonlinearity.reads[0] === at)
            lines.set(k, linesOn(nonlinearity, range.low, range.high));
        });
      }
      return { batch, ranges, lines, sizes: sizes() };
    },

    refining({ ranges }, live) {
      let operations = 0;
      for (const at of needs) {
        if (plan.nonlinearitiesBefore(at).length === 0) continue;
        const { low, high } = ranges.get(at) as Range;
        const n = sizeOf(varying[at].shape);
        let open = 0;
        for (let i = 0; i < low.length; i++) {
          if (live[Math.floor(i / n)] && !isLinear(readers.get(at) as Nonlinearity[], low[i], high[i])) open++;
        }
        operations += 2 * open * costFrom(at);
      }
      return operations;
    },

    refiningMost: () =>
      needs
        .filter((at) => plan.nonlinearitiesBefore(at).length > 0)
        .reduce((sum, at) => sum + 2 * sizeOf(varying[at].shape) * costFrom(at), 0),

    compiling: () =>
      needs
        .filter((at) => !walks.has(at) && plan.nonlinearitiesBefore(at).length > 0)
        .reduce((sum, at) => sum + at * compiledNode, 0),

    async lower(on, forms) {
      const walk = await walkFrom(
        last,
        Math.min(rowsFor(plan), samples * Math.max(1, sizeOf(varying[last].shape) - 1)),
      );
      spent += forms.length * costFrom(last);
      return walk ? walk.lower(on.batch, on, on.sizes, forms, clock) : unbounded(forms.length);
    },

    tuned: (on, centers, forms, steps) => tune(on, centers, forms, steps, false),

    branched: (on, centers, forms, steps, starts) => tune(on, centers, forms, steps, true, starts),

    withRanges(centers, radii, ranges) {
      const lines = new Map<number, Lines>();
      nonlinearities.forEach((nonlinearity, k) => {
        if (nonlinearity.kind !== "pointwise") return;
        const { low, high } = ranges.get(nonlinearity.reads[0]) as Range;
        lines.set(k, linesOn(nonlinearity, low, high));
      });
      const inputs = inputSizes(centers, radii, () => true);
      const batch: Batch = { samples, center: centers.x, radii };
      return { batch, ranges, lines, sizes: sizesOfBatch(plan, inputs, ranges, lines) };
    },

    spent: () => spent,

    async dispose() {
      await forward?.dispose();
      for (const made of [...walks.values(), ...tuners.values()]) await made.dispose();
    },
  };
}

// --- internal ---

/** Would a smaller range change nothing? So it is where the function has one slope on it. */
const isLinear = (readers: readonly Nonlinearity[], low: number, high: number): boolean =>
  readers.every((nonlinearity) => {
    if (nonlinearity.kind === "product") return low === high;
    const [a, b] = nonlinearity.slopeOn(low, high);
    return a === b;
  });

/** Values at the centers, and how far they can move within the radius of the sample. */
function aroundCenters(
  center: { readonly z: Float64Array; readonly error: number } | undefined,
  gains: Float64Array,
  radius: (sample: number) => number,
): Range {
  const z = center?.z ?? new Float64Array(0);
  const n = gains.length;
  const low = new Float64Array(z.length);
  const high = new Float64Array(z.length);
  for (let i = 0; i < z.length; i++) {
    const r = radius(Math.floor(i / n));
    const gain = gains[i % n];
    const spread = up(up(r === 0 || gain === 0 ? 0 : r * gain) + (center?.error ?? 0));
    low[i] = spread < Number.POSITIVE_INFINITY ? down(z[i] - spread) : Number.NEGATIVE_INFINITY;
    high[i] = spread < Number.POSITIVE_INFINITY ? up(z[i] + spread) : Number.POSITIVE_INFINITY;
    if (Number.isNaN(low[i])) low[i] = Number.NEGATIVE_INFINITY;
    if (Number.isNaN(high[i])) high[i] = Number.POSITIVE_INFINITY;
  }
  return { low, high };
}

/** The smaller of two balls: around the value at the center, and around the middle of the ranges. */
function ballAround(
  { low, high }: Range,
  { z, error }: { readonly z: Float64Array; readonly error: number },
  radii: (sample: number) => number,
  samples: number,
): Ball {
  const n = low.length / samples;
  const middle = z.slice();
  const radius = Float64Array.from({ length: samples }, (_, s) => {
    const own = up(radii(s) + up(sqrtUp(n) * error));
    let square = 0;
    for (let i = s * n; i < (s + 1) * n; i++) {
      const half = up(high[i] / 2 - low[i] / 2) * (1 + 2 ** -50);
      square = up(square + up(half * half));
    }
    const box = sqrtUp(square) * (1 + 2 ** -40) + 2 ** -500;
    if (own <= box) return own;
    for (let i = s * n; i < (s + 1) * n; i++) middle[i] = low[i] / 2 + high[i] / 2;
    return box;
  });
  return { middle, radius };
}

const sizesOfBatch = (
  plan: Plan,
  inputs: Float64Array,
  ranges: ReadonlyMap<number, Range>,
  lines: ReadonlyMap<number, Lines>,
): readonly Sizes[] =>
  Array.from(inputs, (input, s) =>
    sizesOf(
      plan,
      input,
      (at) => sizeAt(ranges.get(at), s, inputs.length),
      (k) => lines.get(k)?.size[s] ?? Number.POSITIVE_INFINITY,
    ),
  );

/** The largest absolute value in the range of a sample; Infinity where there is none. */
function sizeAt(range: Range | undefined, s: number, samples: number): number {
  if (!range) return Number.POSITIVE_INFINITY;
  const n = range.low.length / samples;
  return Math.max(largest(range.low.subarray(s * n, (s + 1) * n)), largest(range.high.subarray(s * n, (s + 1) * n)));
}

async function forwardProgram(engine: Engine, plan: Plan, runs: number, wanted: readonly number[]): Promise<Program> {
  const graph = plan.rows(runs);
  return engine.compile(
    Object.fromEntries(wanted.map((at) => [`value ${at}`, reshape(graph[at], [runs, sizeOf(graph[at].shape) / runs])])),
  );
}

function largest(v: Float64Array): number {
  let top = 0;
  for (const x of v) {
    const size = Math.abs(x);
    if (!(size <= top)) top = Number.isNaN(size) ? Number.POSITIVE_INFINITY : size;
  }
  return top;
}
