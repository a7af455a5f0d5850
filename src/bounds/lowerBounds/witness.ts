/** @file What a search believes, made into two points and the quotient that they are proved to show. Steps are chosen by quotients in float64; what is reported is an enclosure. */
import type { Engine } from "../../engine/engine.ts";
import type { Norm, Witness } from "../bound.ts";
import { type Domain, inside } from "../domain.ts";
import { lengthOf } from "../length.ts";
import { type Points, pairsAlong } from "./along.ts";
import { type Candidate, corners, power, quotient, type Search } from "./ascent.ts";
import type { Rise } from "./enclosure.ts";
import { riseOf } from "./rise.ts";
import { shownQuotient } from "./shown.ts";
import { preciseSlopes, type Slopes } from "./slopes.ts";
import type { Start } from "./starts.ts";

export interface Witnessed {
  readonly value: number;
  /** Null only where nothing was found. */
  readonly witness: Witness | null;
}

/** Evaluates candidates again, the most promising first. `starts` are where pairs are drawn from if nothing that they promise can be shown. */
export interface Judge {
  /** What candidates show as they are: few evaluations. */
  glance(candidates: readonly Candidate[], starts?: readonly Start[]): Promise<Witnessed>;
  /** The same after power steps in float64 at each of the first few, while time is left. */
  confirm(candidates: readonly Candidate[], starts?: readonly Start[]): Promise<Witnessed>;
  dispose(): Promise<void>;
}

/**
 * Set up the evaluation.
 *
 * A candidate gives pairs of points: itself where it is a `pair`, and pairs along its direction, of several lengths, from the point and around it.
 * They are measured in float64, and those that seem to show most are enclosed. Something is enclosed whatever the clock says, and
 * where no candidate shows anything (a formal derivative at a kink may promise what is not there) pairs of starts are.
 */
export async function judge(engine: Engine, search: Search, kind: "direction" | "pair"): Promise<Judge> {
  const { subject, norm, domain, clock } = search;
  const slopes = await preciseSlopes(engine, subject, clock);
  const risen = slopes && (await riseOf(engine, subject, clock));
  if (!slopes || !risen) {
    const nothing = async (): Promise<Witnessed> => none;
    return { glance: nothing, confirm: nothing, dispose: async () => slopes?.dispose() };
  }
  const { rise, work } = risen;
  const precise: Search = { ...search, slopes };
  const few = work > 2 ** 19;
  const iterations = Math.max(3, Math.min(100, Math.floor(2 ** 25 / work)));
  const steps = few ? [2 ** -1, 2 ** -6, 2 ** -13] : [2 ** -1, 2 ** -4, 2 ** -8, 2 ** -13, 2 ** -20];
  const pairsOf = ({ x, v }: Candidate, as: "direction" | "pair"): Points[] =>
    as === "direction" ? pairsAlong(domain, x, v, steps) : [{ x, y: x.map((c, i) => c + v[i]) }];
  const trialsOf = (candidate: Candidate, as = kind) => estimated(slopes, search, pairsOf(candidate, as));
  /** The first shows something, or the next, or two starts. */
  const plain = async (candidates: readonly Candidate[], starts: readonly Start[], wanted: number) => {
    const trials: Trial[] = [];
    for (const [k, candidate] of candidates.entries()) {
      if (k > 0 && (k >= wanted || clock.expired)) break;
      await clock.pause();
      trials.push(...(await trialsOf(candidate)));
    }
    let found = await shown(rise, { norm, domain }, trials);
    for (let k = 1; found.value === 0 && k < Math.min(candidates.length, 16); k++) {
      await clock.pause();
      found = await shown(rise, { norm, domain }, await trialsOf(candidates[k]));
    }
    for (let k = 1; found.value === 0 && k < Math.min(starts.length, 16); k++) {
      await clock.pause();
      const pair = { x: starts[k - 1].x, y: starts[k].x };
      found = await shown(rise, { norm, domain }, await estimated(slopes, search, [pair]));
    }
    return found;
  };
  return {
    glance: (candidates, starts = []) => plain(candidates, starts, 1),
    async confirm(candidates, starts = []) {
      const wanted = work > 2 ** 26 ? 1 : 3;
      const first = await plain(candidates, starts, wanted);
      const trials: Trial[] = [];
      for (const candidate of candidates.slice(0, wanted)) {
        if (clock.expired) break;
        const [polished] = await power(precise, [candidate], [candidate.v], iterations);
        const others = clock.expired ? [] : await corners(precise, polished);
        for (const c of [polished, ...others]) {
          await clock.pause();
          if (!clock.expired) trials.push(...(await trialsOf(c, "direction")));
        }
      }
      return larger(first, await shown(rise, { norm, domain }, trials));
    },
    async dispose() {
      await slopes.dispose();
      await risen.dispose();
    },
  };
}

/** The best quotient that any of a few pairs is proved to show; of those that show the same, the points farthest apart. */
export async function shown(
  rise: Rise,
  { norm, domain }: { readonly norm: Norm; readonly domain: Domain },
  found: readonly Trial[],
): Promise<Witnessed> {
  const order = [...found].sort((a, b) => b.value - a.value);
  // In float64 the shortest steps look worse than they are.
  const shortest = order.reduce<Trial | undefined>((a, b) => (a && a.size <= b.size ? a : b), undefined);
  let best: (Trial & { readonly proved: number }) | undefined;
  const enclose = async (trial: Trial) => {
    const proved = await shownQuotient(rise, trial.x, trial.y, norm, domain);
    if (
      proved > 0 &&
      (!best || proved > best.proved * (1 + same) || (proved >= best.proved * (1 - same) && trial.size > best.size))
    ) {
      best = { ...trial, proved };
    }
  };
  for (const trial of order.slice(0, enclosed)) await enclose(trial);
  if (shortest && !order.slice(0, enclosed).includes(shortest)) await enclose(shortest);
  // What a run errs by hardly grows with the step: a longer one shows more of what it seems to show.
  const [steepest] = order;
  for (let times = 4; steepest && times <= longest; times *= 4) {
    if (best && best.proved >= enough * steepest.value) break;
    const y = inside(
      domain,
      steepest.x.map((c, i) => c + times * (steepest.y[i] - c)),
    );
    await enclose({ x: steepest.x, y, value: steepest.value, size: times * steepest.size });
  }
  if (!best) return none;
  // Numbers of 32 bits, where they show the same: other programs can then be fed these very points.
  const single = { x: Float64Array.from(best.x, Math.fround), y: Float64Array.from(best.y, Math.fround) };
  const value = await shownQuotient(rise, single.x, single.y, norm, domain);
  const kept = value >= best.proved * (1 - same) ? { ...single, proved: value } : best;
  return { value: kept.proved, witness: { x: Array.from(kept.x), y: Array.from(kept.y) } };
}

/** Two points, and what they seem to show. */
export interface Trial {
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** Of the quotient, less what rounding in float64 may have added. */
  readonly value: number;
  /** Of the step between them. */
  readonly size: number;
}

// --- internal ---

const none: Witnessed = { value: 0, witness: null };

/** Most pairs that are enclosed. */
const enclosed = 4;

/** The longest step that is tried, in those of the steepest trial. */
const longest = 2 ** 12;

/** The part of what a trial seems to show that is not looked past. */
const enough = 0.9;

/** Relative; quotients that are nearer are as good as each other. */
const same = 2 ** -20;

type Frame = Pick<Search, "norm" | "domain">;

const larger = (a: Witnessed, b: Witnessed): Witnessed => (b.value > a.value ? b : a);

async function estimated(slopes: Slopes, { norm, domain }: Frame, pairs: readonly Points[]): Promise<Trial[]> {
  const found: Trial[] = [];
  const known = new Map<Float64Array, Float64Array>();
  const value = async (x: Float64Array) => {
    const made = known.get(x) ?? (await slopes.value(x));
    known.set(x, made);
    return made;
  };
  for (const points of pairs) {
    const x = inside(domain, points.x);
    const y = inside(domain, points.y);
    const [at, there] = [await value(x), await value(y)];
    const difference = (a: Float64Array, b: Float64Array) => b.map((c, i) => c - a[i]);
    const rounding = 2 ** -44 * (lengthOf(at, norm) + lengthOf(there, norm));
    const size = lengthOf(difference(x, y), norm);
    const seen = quotient(lengthOf(difference(at, there), norm) - rounding, size);
    if (size > 0) found.push({ x, y, value: Math.max(0, seen), size });
  }
  return found;
}
