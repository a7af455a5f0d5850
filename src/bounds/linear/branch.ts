/**
 * @file Branch and bound over neurons (beta-CROWN, Wang et al. 2021): where the linear walk proves too little on a set of inputs, the range of a neuron before a nonlinearity is
 * cut in two, and both halves are bounded with multipliers for what was cut. The form's lowest point is tried on the way: an answer is a proof or a point.
 */
import type { Engine } from "../../engine/engine.ts";
import type { Node } from "../../graph/graph.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Budget } from "../budget.ts";
import type { SetKind } from "./ball.ts";
import type { Plan, Pointwise } from "./plan.ts";
import { type FormOnSet, lowestOn, type Refuter, refuterOf } from "./refute.ts";
import type { Range } from "./rules.ts";
import type { Relaxed, RowState } from "./tune.ts";
import { type OnSets, type Walker, walkerOf } from "./walker.ts";

/** What is to be decided: is the form above 0 on all of the set? */
export interface Goal extends FormOnSet {
  /** Whose: what refutes one goal of a group settles the others too. */
  readonly group: number;
}

/**
 * `holds` is proved, rounding included; `refuted` has a point [size] of the set, up to rounding, where float64 finds the form not above 0; `open` is
 * neither, for want of work or because another goal of the group was refuted.
 */
export type Decided =
  | { readonly status: "holds"; readonly parts: number }
  | { readonly status: "refuted"; readonly parts: number; readonly point: Float64Array }
  | { readonly status: "open"; readonly parts: number };

export interface BranchQuestion {
  readonly engine: Engine;
  readonly plan: Plan;
  readonly kind: SetKind;
  /** Of every varying node, in the norm of the sets (`constantsOf`). */
  constantOf(node: Node): number;
  readonly goals: readonly Goal[];
  /** Steps of tuning for the whole set, and for every part after that. */
  readonly steps: { readonly whole: number; readonly part: number };
  /** Parts of one goal that are bounded at most. */
  readonly parts: number;
  /** Float64 operations, roughly, after which all that is open stays open. */
  readonly work: number;
  readonly clock: Budget;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** Decide goals, one verdict for each. The same question has the same answer on every machine, unless the clock ends it. */
export async function decide(question: BranchQuestion): Promise<readonly Decided[]> {
  const { plan, goals, clock, onProgress } = question;
  const samples = Math.max(1, Math.min(batchOf(plan), 4 * goals.length));
  const walker = await walkerOf({ ...question, samples });
  const refuter = await refuterOf(question.engine, plan, question.kind, samples);
  const states = goals.map((goal): State => ({ goal, open: [], parts: 0, verdict: null }));
  try {
    // A goal that comes in waits until others are done, so that not all are half decided when work ends.
    let entered = 0;
    let active: State[] = [];
    const refuted = new Set<number>();
    while (active.length > 0 || entered < goals.length) {
      await clock.pause();
      if (clock.expired || walker.spent() > question.work) break;
      while (active.length < samples && entered < goals.length) {
        const state = states[entered++];
        if (refuted.has(state.goal.group)) continue;
        state.open.push({ ranges: null, lower: Number.NEGATIVE_INFINITY, state: undefined, tries: 0 });
        active.push(state);
      }
      if (active.length === 0) break;
      await boundParts(question, walker, refuter, taken(active, samples), refuted);
      active = active.filter((s) => !s.verdict && !refuted.has(s.goal.group));
      onProgress?.((entered - active.length) / goals.length);
    }
    return states.map(({ verdict, parts }) => verdict ?? { status: "open", parts });
  } finally {
    await refuter.dispose();
    await walker.dispose();
  }
}

// --- internal ---

/** A part of a goal's set, as far as ranges tell: they are those of the nonlinearities' inputs by position, [size] each. */
interface Part {
  /** Null for the whole set, whose ranges are still to be found. */
  readonly ranges: ReadonlyMap<number, Range> | null;
  /** Of the part that it was cut from. */
  readonly lower: number;
  readonly state: RowState | undefined;
  /** How often it was bounded since it was cut. */
  readonly tries: number;
}

interface State {
  readonly goal: Goal;
  readonly open: Part[];
  parts: number;
  verdict: Decided | null;
}

interface Taken {
  readonly of: State;
  readonly part: Part;
}

/** So often a part is bounded that no cut makes smaller. */
const most = 8;

/** So many parts at once that their tables hold a million numbers. */
const batchOf = (plan: Plan): number =>
  Math.max(4, Math.min(128, Math.floor(1e6 / plan.nonlinearities.reduce((n, b) => n + b.size, plan.subject.size))));

/** The lowest open parts, goal after goal in turn. */
function taken(active: readonly State[], samples: number): readonly Taken[] {
  const found: Taken[] = [];
  while (found.length < samples) {
    const before = found.length;
    for (const of of active) {
      if (found.length === samples || of.open.length === 0) continue;
      let at = 0;
      for (let k = 1; k < of.open.length; k++) if (of.open[k].lower < of.open[at].lower) at = k;
      found.push({ of, part: of.open.splice(at, 1)[0] });
    }
    if (found.length === before) break;
  }
  return found;
}

/** Bound parts, cut what is not proved, and note what is decided. */
async function boundParts(
  question: BranchQuestion,
  walker: Walker,
  refuter: Refuter,
  batch: readonly Taken[],
  refuted: Set<number>,
): Promise<void> {
  const { plan, steps, kind } = question;
  const { samples } = walker;
  const { size } = plan.subject;
  const per = kind === "box" ? size : 1;
  const x = new Float64Array(samples * size);
  const radii = new Float64Array(samples * per);
  for (let s = 0; s < samples; s++) {
    // What is left over repeats the first, so that no number is out of the way.
    const { goal } = (batch[s] ?? batch[0]).of;
    x.set(goal.center, s * size);
    radii.set(goal.radii, s * per);
  }
  const centers = await walker.centers(x);
  const fresh = batch.map(({ part }) => part.ranges === null);
  const whole = fresh.includes(true)
    ? await walker.onSets(
        centers,
        radii,
        Array.from({ length: samples }, (_, s) => fresh[s] ?? false),
        true,
      )
    : null;
  const ranges = new Map(
    plan.needs.map((at) => [
      at,
      rangesOf(plan, at, samples, (s) => (batch[s] ?? batch[0]).part.ranges?.get(at), whole),
    ]),
  );
  const on = walker.withRanges(centers, radii, ranges);
  const stages: readonly (readonly [number, (t: Taken) => boolean])[] = [
    [steps.whole, ({ part }) => part.ranges === null],
    [steps.part, ({ part }) => part.ranges !== null && part.tries === 0],
    // Only multipliers are missing, and they are worth more steps.
    [4 * steps.part, ({ part }) => part.tries > 0],
  ];
  for (const [count, is] of stages) {
    const own = batch.flatMap((t, s) => (is(t) ? [{ ...t, s }] : []));
    if (own.length === 0) continue;
    const forms = own.map(({ of, s }) => ({ who: s, plus: of.goal.plus, minus: of.goal.minus }));
    const starts = own.map(({ part }) => part.state);
    const { lower, relaxed } = await walker.branched(on, centers, forms, count, starts);
    const found = await refuter.search(
      own.map(({ of }) => of.goal),
      own.map(({ of }, k) => lowestOn(kind, of.goal, relaxed[k]?.g ?? new Float64Array(size))),
      count / 2,
      question.clock,
    );
    own.forEach(({ of, part, s }, k) => {
      of.parts++;
      if (found[k].value <= 0) {
        of.verdict = { status: "refuted", parts: of.parts, point: found[k].point };
        refuted.add(of.goal.group);
      }
      if (of.verdict || lower[k] > 0) return;
      const halves = cut(plan, on, samples, s, part, lower[k], relaxed[k]);
      if (halves) of.open.push(...halves);
      else of.verdict = { status: "open", parts: of.parts };
    });
  }
  for (const of of new Set(batch.map((t) => t.of))) {
    if (of.verdict) continue;
    if (refuted.has(of.goal.group)) of.verdict = { status: "open", parts: of.parts };
    else if (of.open.length === 0) of.verdict = { status: "holds", parts: of.parts };
    else if (of.parts >= question.parts) of.verdict = { status: "open", parts: of.parts };
  }
}

/** The ranges of a batch: what is known of a part, or what was found on its whole set. */
function rangesOf(
  plan: Plan,
  at: number,
  samples: number,
  known: (s: number) => Range | undefined,
  whole: OnSets | null,
): Range {
  const n = sizeOf(plan.varying[at].shape);
  const range = { low: new Float64Array(samples * n), high: new Float64Array(samples * n) };
  for (let s = 0; s < samples; s++) {
    const own = known(s);
    const found = whole?.ranges.get(at);
    for (const side of ["low", "high"] as const) {
      const values = own?.[side] ?? found?.[side].subarray(s * n, (s + 1) * n);
      if (values) range[side].set(values, s * n);
    }
  }
  return range;
}

/** The two halves of a part, cut at the neuron whose relaxation costs most. Where none can be cut the part goes on as it is, and null where that was tried. */
function cut(
  plan: Plan,
  on: OnSets,
  samples: number,
  s: number,
  part: Part,
  found: number,
  relaxed: Relaxed | undefined,
): readonly Part[] | null {
  // Not Math.max: what is not a number is no bound.
  const lower = found > part.lower ? found : part.lower;
  const state = relaxed?.state ?? part.state;
  const own = new Map(
    [...on.ranges].map(([at, { low, high }]) => {
      const n = low.length / samples;
      return [at, { low: low.slice(s * n, (s + 1) * n), high: high.slice(s * n, (s + 1) * n) }];
    }),
  );
  let best = { at: -1, j: -1, score: Number.NEGATIVE_INFINITY };
  plan.nonlinearities.forEach((nonlinearity, k) => {
    if (nonlinearity.kind !== "pointwise") return;
    const { low, high } = own.get(nonlinearity.reads[0]) as Range;
    const lost = relaxed?.lost.get(k);
    for (let j = 0; j < low.length; j++) {
      if (!isOpen(nonlinearity, low[j], high[j])) continue;
      // Where nothing is lost the widest goes first, after all that cost something.
      const score = lost && lost[j] > 0 ? lost[j] : -1 / (high[j] - low[j]);
      if (score > best.score) best = { at: nonlinearity.reads[0], j, score };
    }
  });
  // Every neuron has one slope, so that only multipliers are missing; or the nonlinearities cannot be cut.
  if (best.at < 0) return part.tries < most ? [{ ranges: own, lower, state, tries: part.tries + 1 }] : null;
  const { low, high } = own.get(best.at) as Range;
  const at = low[best.j] < 0 && high[best.j] > 0 ? 0 : low[best.j] / 2 + high[best.j] / 2;
  const half = (side: "low" | "high"): Part => {
    const range = own.get(best.at) as Range;
    const values = range[side].slice();
    values[best.j] = at;
    return {
      ranges: new Map([...own, [best.at, { ...range, [side]: values }]]),
      lower,
      state,
      tries: 0,
    };
  };
  return [half("high"), half("low")];
}

const isOpen = (nonlinearity: Pointwise, low: number, high: number): boolean => {
  const [a, b] = nonlinearity.slopeOn(low, high);
  return a !== b && Number.isFinite(low) && Number.isFinite(high) && high > low;
};
