/**
 * @file The largest radius of every sample within which the linear walk proves its decision: a search over radii for a whole batch at once. Every
 * walk, also one that proves too little, proves some radius; so the search is only about which radius to make the next walk for.
 */
import type { Engine } from "../../engine/engine.ts";
import type { Node } from "../../graph/graph.ts";
import { down, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Norm } from "../bound.ts";
import type { Budget } from "../budget.ts";
import type { Plan } from "./plan.ts";
import type { Form, LowerLines } from "./program.ts";
import { type Walker, walkerOf } from "./walker.ts";

export interface RadiusQuestion {
  readonly engine: Engine;
  readonly plan: Plan;
  readonly norm: Norm;
  /** Of every varying node, in the norm (`constantsOf`). */
  constantOf(node: Node): number;
  /** [count, size] */
  readonly x: Float64Array;
  /** The class of every sample. */
  readonly predicted: ArrayLike<number>;
  /** A radius within which the class of a sample is known to stay above another one; 0 where none is. */
  known(index: number, other: number): number;
  /** Radii of interest: they are tried first. */
  readonly radii?: readonly number[];
  /** Steps of tuning for a form at a radius; 0 leaves the lines as they are. */
  readonly steps: number;
  /** Float64 operations, roughly, after which radii stay as they are. */
  readonly work: number;
  readonly clock: Budget;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** Radii that the walk proves, not less than what was known; and of how many samples nothing was asked for want of work. */
export interface Radii {
  readonly radii: Float64Array;
  readonly left: number;
  /** Float64 operations, roughly. */
  readonly spent: number;
}

/** Search. Samples with an infinite known radius are left alone. */
export async function largestRadii(question: RadiusQuestion): Promise<Radii> {
  const { plan, x, predicted, work, clock, onProgress } = question;
  const count = predicted.length;
  const samples = Math.min(count, batchOf(plan));
  const radii = Float64Array.from({ length: count }, (_, i) => knownOf(question, i));
  const wanted = Array.from(radii.keys()).filter((i) => radii[i] < Number.POSITIVE_INFINITY);
  const walker = await walkerOf({ ...question, kind: question.norm, samples });
  let left = 0;
  let refine: Refining | undefined;
  try {
    for (let from = 0; from < wanted.length; from += samples) {
      await clock.pause();
      const own = wanted.slice(from, from + samples);
      const spent = walker.spent();
      if (clock.expired || spent > work) {
        left += own.length;
        continue;
      }
      // What is left is shared by the batches that are left.
      const share = (work - spent) / Math.ceil((wanted.length - from) / samples);
      const search = batchSearch(question, walker, own, radii, x);
      refine ??= await worthRefining(plan, walker, search, share);
      if (refine === "one by one") {
        // Each takes long, and nothing is known of it before it is through: as many as there is work for.
        const each = (1 + tries.blind) * walker.refiningMost();
        for (const [k, i] of own.entries()) {
          await clock.pause();
          if (clock.expired || walker.spent() + each > work) left++;
          else await batchSearch(question, walker, [i], radii, x).run(true, each, tries.blind);
          onProgress?.(Math.min(1, (from + k + 1) / wanted.length));
        }
      } else await search.run(refine === "all", share);
      onProgress?.(Math.min(1, (from + samples) / wanted.length));
    }
    return { radii, left, spent: walker.spent() };
  } finally {
    await walker.dispose();
  }
}

// --- internal ---

/** Tries of a batch: by the usual lines, and by tuned ones after that. */
const tries = { usual: 6, tuned: 4, blind: 3 };

/** Of which samples ranges are sought by the walk itself: where nothing else proves any radius, of one after the other. */
type Refining = "all" | "none" | "one by one";

/** Steps of tuning that are worth beginning. */
const fewest = 3;

/** How near to the best radius of its lines a search comes. */
const tolerance = 0.01;

/** Samples in one batch, so that its tables hold a few million numbers. */
function batchOf(plan: Plan): number {
  const numbers = plan.nonlinearities.reduce((n, b) => n + b.size, plan.subject.size);
  return Math.max(8, Math.min(256, Math.floor(2e6 / numbers)));
}

const classesOf = ({ plan }: RadiusQuestion): number => sizeOf(plan.varying[plan.varying.length - 1].shape);

/** The radius that is known of a sample already. */
function knownOf(question: RadiusQuestion, index: number): number {
  let least = Number.POSITIVE_INFINITY;
  for (let j = 0; j < classesOf(question); j++) {
    if (j !== question.predicted[index]) least = Math.min(least, question.known(index, j));
  }
  return least;
}

/** Do ranges by the walk itself make radii longer by a twentieth, on a few samples, and is there work enough for all of them? */
async function worthRefining(plan: Plan, walker: Walker, search: BatchSearch, share: number): Promise<Refining> {
  const inner = plan.needs.filter((at) => plan.nonlinearitiesBefore(at).length > 0);
  if (inner.length === 0) return "none";
  const few = 4;
  const without = await search.usual(false, few);
  if (without.every((r) => r === 0)) return "one by one";
  // What it will take is known before it is begun: on a deep network it may be hours.
  const walking = (tries.usual * (await search.refining(without)) * search.count) / Math.min(few, search.count);
  if (walking + walker.compiling() > share) return "none";
  const before = walker.spent();
  const within = await search.usual(true, few);
  const each = (walker.spent() - before) / few;
  const total = (v: readonly number[]) => v.reduce((a, b) => a + b, 0);
  return each * search.count <= share && total(within) > 1.05 * total(without) ? "all" : "none";
}

interface BatchSearch {
  readonly count: number;
  /** The radii of the first few samples by the usual lines, unless they were known to be longer; for comparison. */
  usual(refine: boolean, few: number): Promise<readonly number[]>;
  /** Float64 operations of ranges by the walk itself on balls of these radii around the first samples. */
  refining(radii: readonly number[]): Promise<number>;
  /** Make the radii of the batch longer; by so many tries of the usual lines. */
  run(refine: boolean, work: number, most?: number): Promise<void>;
}

/** One sample's search. */
interface State {
  /** Proved. */
  low: number;
  /** Where the walk that was tried last and failed was made for. */
  high: number;
}

function batchSearch(
  question: RadiusQuestion,
  walker: Walker,
  own: readonly number[],
  radii: Float64Array,
  x: Float64Array,
): BatchSearch {
  const { plan, predicted, known, radii: interest = [], steps, clock } = question;
  const { size } = plan.subject;
  const { samples } = walker;
  const classes = classesOf(question);
  const points = new Float64Array(samples * size);
  own.forEach((i, s) => {
    points.set(x.subarray(i * size, (i + 1) * size), s * size);
  });
  const states = (): State[] => own.map((i) => ({ low: radii[i], high: Number.POSITIVE_INFINITY }));

  /** A walk for every sample that has a radius to try; what it proves is noted. */
  const attempt = async (of: State[], tried: readonly number[], refine: boolean, tuning = 0): Promise<void> => {
    const centers = await walker.centers(points);
    const live = Array.from({ length: samples }, (_, s) => (tried[s] ?? 0) > 0);
    const radii = Float64Array.from(live, (wanted, s) => (wanted ? tried[s] : 0));
    const on = await walker.onSets(centers, radii, live, refine);
    const forms: Form[] = own.flatMap((i, s) =>
      Array.from({ length: classes }, (_, j) => ({ who: s, plus: predicted[i], minus: j })).filter(
        ({ minus }) => live[s] && minus !== predicted[i] && !(known(i, minus) >= tried[s]),
      ),
    );
    const lasts = own.map((_, s) => tried[s] ?? 0);
    const note = (part: readonly Form[], lines: LowerLines) => {
      part.forEach(({ who }, k) => {
        lasts[who] = Math.min(lasts[who], lastsFor(lines, k, radii[who]));
      });
    };
    const usual = forms.length > 0 ? await walker.lower(on, forms) : null;
    const open = usual ? forms.flatMap((_, k) => (usual.lower[k] > 0 ? [] : [k])) : [];
    const affords = Math.min(steps, Math.floor(tuning / (open.length * walker.tuningStep)));
    if (usual && open.length > 0 && tuning > 0 && affords >= Math.min(fewest, steps)) {
      const part = open.map((k) => forms[k]);
      const tuned = await walker.tuned(on, centers, part, affords);
      // A form keeps the line that lasts longer.
      part.forEach(({ who }, m) => {
        const best = Math.max(lastsFor(usual, open[m], radii[who]), lastsFor(tuned, m, radii[who]));
        lasts[who] = Math.min(lasts[who], best);
      });
    } else if (usual) note(forms, usual);
    own.forEach((_, s) => {
      if (!live[s]) return;
      const state = of[s];
      if (lasts[s] > state.low) state.low = lasts[s];
      if (lasts[s] < tried[s]) state.high = Math.min(state.high, tried[s]);
    });
  };

  /** What each margin would last for if it fell as it falls at the center: as a rule no radius is longer. */
  const hopes = async (refine: boolean): Promise<readonly number[]> => {
    const of = own.map((): State => ({ low: 0, high: Number.POSITIVE_INFINITY }));
    const scale = points.reduce((top, v) => Math.max(top, Math.abs(v)), 1) * 1e-7;
    const centers = await walker.centers(points);
    const live = Array.from({ length: samples }, (_, s) => s < own.length);
    const on = await walker.onSets(
      centers,
      Float64Array.from(live, (wanted) => (wanted ? scale : 0)),
      live,
      refine,
    );
    const forms = own.flatMap((i, s) =>
      Array.from({ length: classes }, (_, j) => ({ who: s, plus: predicted[i], minus: j })).filter(
        ({ minus }) => minus !== predicted[i],
      ),
    );
    const lines = await walker.lower(on, forms);
    forms.forEach(({ who }, k) => {
      const hope = lines.center[k] > 0 ? (lines.center[k] / lines.fall[k]) * scale : 0;
      of[who].high = Math.min(of[who].high, Number.isNaN(hope) ? 0 : hope);
    });
    return of.map((s) => s.high);
  };

  const next = ({ low, high }: State, hope: number): number => {
    const top = Math.min(high, Math.max(hope, 1.5 * low));
    if (!(hope > 0 && top > low * (1 + tolerance))) return 0;
    const middle = low > 0 ? (3 * low < top ? Math.sqrt(low * top) : (low + top) / 2) : top / 4;
    // A radius that is asked for, where it is open.
    const near = interest.filter((r) => r > low && r < top);
    return near.length > 0 ? near.reduce((a, b) => (Math.abs(b - middle) < Math.abs(a - middle) ? b : a)) : middle;
  };

  return {
    count: own.length,

    async usual(refine, few) {
      const of = own.map((): State => ({ low: 0, high: Number.POSITIVE_INFINITY }));
      const hope = (await hopes(refine)).map((h, s) => (s < few ? h : 0));
      for (let k = 0; k < tries.usual; k++) {
        await clock.pause();
        const tried = of.map((s, i) => next(s, hope[i]));
        await attempt(of, tried, refine);
      }
      return of.slice(0, few).map((s) => s.low);
    },

    async refining(few) {
      const live = Array.from({ length: samples }, (_, s) => (few[s] ?? 0) > 0);
      const radii = Float64Array.from(live, (wanted, s) => (wanted ? few[s] : 0));
      return walker.refining(await walker.onSets(await walker.centers(points), radii, live, false), live);
    },

    async run(refine, work, most = tries.usual) {
      const start = walker.spent();
      const of = states();
      const hope = await hopes(refine);
      for (const tune of steps > 0 ? [false, true] : [false]) {
        // What the usual lines could not prove tuned ones may.
        for (const state of of) state.high = Number.POSITIVE_INFINITY;
        for (let k = 0; k < (tune ? tries.tuned : most); k++) {
          await clock.pause();
          const tried = of.map((s, i) => next(s, hope[i]));
          if (clock.expired || walker.spent() - start > work || tried.every((r) => r === 0)) break;
          await attempt(of, tried, refine, tune ? work - (walker.spent() - start) : 0);
        }
      }
      own.forEach((i, s) => {
        radii[i] = Math.max(radii[i], of[s].low);
      });
    },
  };
}

/** The radius, at most `radius`, for which a line that was made for that proves its form to be positive. */
function lastsFor({ lower, center, fall }: LowerLines, k: number, radius: number): number {
  if (lower[k] > 0) return radius;
  if (!(center[k] > 0 && fall[k] > 0)) return 0;
  const part = down(center[k] / up(fall[k] * (1 + 2 ** -40)));
  return part > 0 ? Math.min(radius, Math.max(0, down(part * radius))) : 0;
}
