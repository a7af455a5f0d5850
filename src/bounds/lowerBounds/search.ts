/** @file The frame of every search from below: points to start from, programs for many runs at once, time, and the judge in float64 who has the last word. */
import type { Samples } from "../../data/dataset.ts";
import type { Engine } from "../../engine/engine.ts";
import { flowOf } from "../../graph/behaviour.ts";
import { UsageError } from "../../tensor/errors.ts";
import { random } from "../../tensor/random.ts";
import type { LowerBound, Norm, Witness } from "../bound.ts";
import { type Budget, budget, type Clock } from "../budget.ts";
import { type Domain, inside } from "../domain.ts";
import type { Subject } from "../subject.ts";
import { workOf } from "../work.ts";
import { type Candidate, type Search, steepestFirst } from "./ascent.ts";
import { riseOf } from "./rise.ts";
import { compileWork, engineSpeed, runNumbers, runWork, slopesOn } from "./slopes.ts";
import { type HeadOptions, type Start, startsOf, unitAt } from "./starts.ts";
import { judge, shown, type Witnessed } from "./witness.ts";

export interface LowerOptions {
  readonly engine: Engine;
  /** Points to start from; without data those of `startsOf`. */
  readonly data?: Samples;
  /** Both ends of the witness lie here. Default: everywhere. Points to start from are moved into it. */
  readonly domain?: Domain;
  /** How many points to start from. Default: up to 4,000 for small networks, fewer for large ones, or where runs must be made one by one. */
  readonly points?: number;
  /** Moves of every point. Default: 40, fewer for large networks, more in proportion to `seconds` beyond one. */
  readonly rounds?: number;
  /** Time after which the search ends, once every start was looked at. Default: no limit. The result is the same for every run if it is not reached. */
  readonly seconds?: number;
  /** Default: the machine's. */
  readonly clock?: Clock;
  readonly seed?: number;
  /** A witness to start from as well. */
  readonly start?: Witness | null;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
  /** The first value, soon after the start; `status` says "stopped". */
  onFirst?(bound: LowerBound): void;
}

/** What a method of search works with. */
export interface LowerSearch extends Search {
  readonly starts: readonly Start[];
  /** Runs of the programs at once. */
  readonly runs: number;
  readonly rounds: number;
  /** A witness that is known already; the first of `starts` too. */
  readonly known: Candidate | null;
  progress(part: number): void;
  /** Show candidates to whoever waits for a first value; does something only once. */
  first(candidates: readonly Candidate[]): Promise<void>;
}

/** Run a method and give the best of what it found, evaluated again. */
export async function searchBelow(
  method: string,
  kind: "direction" | "pair",
  subject: Subject,
  norm: Norm,
  options: LowerOptions,
  find: (search: LowerSearch) => Promise<readonly Candidate[]>,
): Promise<LowerBound> {
  const {
    engine,
    data,
    domain = { kind: "global" },
    seconds = Number.POSITIVE_INFINITY,
    seed = 0,
    clock: passing,
    signal,
    onProgress = () => {},
    onFirst,
  } = options;
  const { runs, rounds, points } = effortOf(subject, options);
  if (!Number.isInteger(points) || points < 1) {
    throw new UsageError(`${method}: points must be a whole number >= 1, got ${points}`);
  }
  const whole = budget({ seconds, signal, clock: passing });
  const clock = budget({ seconds: 0.7 * seconds, signal, clock: passing });
  let cut = false;
  const stated = ({ value, witness }: Witnessed, stopped: boolean): LowerBound => ({
    method,
    side: "lower",
    proved: false,
    value,
    witness,
    seconds: whole.elapsed(),
    status: stopped ? "stopped" : "done",
  });
  const source = random(seed).fork(method);
  const known = options.start ? knownOf(options.start, domain) : null;
  const looking = { engine, source, affords: whole.fits };
  // One pass of a search, with what it has to compile: where there is no time for it, two points are better than nothing.
  if (runWork(subject) > quickRun && !whole.fits(onePass(subject))) {
    const found = known ? nothing : await twoPoints(engine, subject, { norm, domain, data, looking, clock: whole });
    return { ...stated(found, true), why: "out of time before its search began" };
  }
  const starts = [...(known ? [known] : []), ...(await startsOf(subject, data, domain, points, looking))];
  const slopes = await slopesOn(engine, subject, runs, "float32", whole);
  if (!slopes) return stated(nothing, false);
  const common = { subject, norm, domain, slopes, source };
  const last = await judge(engine, { ...common, clock: whole }, kind);
  try {
    let told = false;
    const found = await find({
      ...common,
      clock,
      starts,
      runs,
      rounds,
      known,
      progress: (part) => onProgress(0.9 * part),
      async first(candidates) {
        if (told || !onFirst) return;
        told = true;
        onFirst(stated(await last.glance([...candidates].sort(steepestFirst).slice(0, 1), starts), true));
      },
    });
    cut = clock.expired;
    const best = await last.confirm([...found].sort(steepestFirst), starts);
    onProgress(1);
    return stated(best, cut || whole.expired);
  } finally {
    await last.dispose();
    await slopes.dispose();
  }
}

/** Cut into batches of equal size; the last one is filled up from the start. */
export function batches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, n) =>
    Array.from({ length: size }, (_, k) => items[(n * size + k) % items.length]),
  );
}

// --- internal ---

function knownOf({ x, y }: Witness, domain: Domain): Candidate {
  const from = inside(domain, Float64Array.from(x));
  return { x: from, unit: unitAt(from, domain), v: from.map((c, i) => y[i] - c), value: 0 };
}

/** Multiply-adds of a run below which one pass is always made. */
const quickRun = 1e7;

/** Multiply-adds of one pass of a search, with what it has to compile. */
const onePass = (subject: Subject): number => 1e8 + 5 * compileWork(subject) + (40 * runWork(subject)) / engineSpeed;

const nothing: Witnessed = { value: 0, witness: null };

/** What one point and another one near it show, if there is time for as much as that. */
async function twoPoints(
  engine: Engine,
  subject: Subject,
  { norm, domain, data, looking, clock }: TwoPoints,
): Promise<Witnessed> {
  if (!clock.fits(compileWork(subject) + (20 * runWork(subject)) / engineSpeed)) return nothing;
  const [{ x }] = await startsOf(subject, data, domain, 1, { ...looking, affords: () => false });
  const risen = await riseOf(engine, subject, clock);
  if (!risen) return nothing;
  const y = inside(
    domain,
    x.map((c) => c + 0.1 * looking.source.normal()),
  );
  const found = await shown(risen.rise, { norm, domain }, [{ x, y, value: 0, size: 1 }]);
  await risen.dispose();
  return found;
}

interface TwoPoints {
  readonly norm: Norm;
  readonly domain: Domain;
  readonly data: Samples | undefined;
  readonly looking: HeadOptions;
  readonly clock: Budget;
}

/** How much is done where nobody says: by the work of one evaluation, so that it is the same on every machine. */
function effortOf(subject: Subject, { points, rounds, seconds }: LowerOptions) {
  const { x, y } = subject.at(1, "float64");
  const { varying, varies } = flowOf(x, y);
  // Moving a number about costs as much as many operations of an engine.
  const work = varying.reduce((sum, node) => sum + workOf(node, varies), 256 * (subject.size + subject.outputs));
  const between = (least: number, most: number, wanted: number) => Math.floor(Math.max(least, Math.min(most, wanted)));
  const free = subject.batch === "free";
  // And a run alone as much as calling the engine.
  const call = free ? 0 : 2 ** 15;
  // As many at once as pay, no more numbers than a cache holds, and no more within than a gigabyte.
  const cached = Math.min(2 ** 19 / (subject.size + subject.outputs), 2 ** 28 / runNumbers(subject));
  const runs = free ? between(1, cached, between(8, 256, 2 ** 22 / work)) : 1;
  const longer = seconds !== undefined && Number.isFinite(seconds) ? Math.max(1, seconds) : 1;
  const moves = rounds ?? Math.ceil(longer * between(2, 40, 2 ** 29 / (Math.max(runs, 8) * work)));
  const most = Math.max(free ? 32 : 16, (free ? 100 : 16) * (moves - 1));
  const starts = points ?? between(4, most, 2 ** 26 / (work + call));
  return { runs: Math.min(runs, starts), rounds: moves, points: starts };
}
