/** @file The frame of every search from below: points to start from, programs for many runs at once, time, and the judge in float64 who has the last word. */
import type { Samples } from "../../data/dataset.ts";
import type { Engine } from "../../engine/engine.ts";
import { UsageError } from "../../tensor/errors.ts";
import { type Random, random } from "../../tensor/random.ts";
import type { LowerBound, Norm, Witness } from "../bound.ts";
import { budget } from "../budget.ts";
import { type Domain, inside, pointIn } from "../domain.ts";
import { checkSample, type Subject } from "../subject.ts";
import { type Candidate, type Search, steepestFirst } from "./ascent.ts";
import { slopesOn } from "./slopes.ts";
import { judge, type Witnessed } from "./witness.ts";

export interface LowerOptions {
  readonly engine: Engine;
  /** Points to start from; without data, uniform in [0, 1] and normal ones of several scales. */
  readonly data?: Samples;
  /** Both ends of the witness lie here; everywhere unless told. Points to start from are moved into it. */
  readonly domain?: Domain;
  /** How many points to start from; default 64, and 16 where runs must be made one by one. */
  readonly points?: number;
  /** Moves of every point; default 40, more in proportion to `seconds` beyond its default. */
  readonly rounds?: number;
  /** Time after which the search ends, default 1; the result is the same for every run only if it is not reached. */
  readonly seconds?: number;
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
  readonly starts: readonly Float64Array[];
  /** Runs of the programs at once. */
  readonly runs: number;
  readonly rounds: number;
  /** A witness that is known already. */
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
    seconds = 1,
    seed = 0,
    signal,
    onProgress = () => {},
    onFirst,
  } = options;
  const rounds = options.rounds ?? Math.ceil(40 * Math.max(1, Number.isFinite(seconds) ? seconds : 1));
  const points = options.points ?? (subject.batch === "free" ? 64 : 16);
  if (!Number.isInteger(points) || points < 1) {
    throw new UsageError(`${method}: points must be a whole number >= 1, got ${points}`);
  }
  const whole = budget({ seconds, signal });
  const clock = budget({ seconds: 0.7 * seconds, signal });
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
  const starts = startsOf(subject, data, domain, points, source);
  const runs = runsOf(subject, starts.length);
  const slopes = await slopesOn(engine, subject, runs, "float32");
  if (!slopes) return stated({ value: 0, witness: null }, false);
  const common = { subject, norm, domain, slopes, source };
  const last = await judge(engine, { ...common, clock: whole }, kind);
  try {
    let told = false;
    const { start } = options;
    const found = await find({
      ...common,
      clock,
      starts,
      runs,
      rounds,
      known: start ? knownOf(start, domain) : null,
      progress: (part) => onProgress(0.9 * part),
      async first(candidates) {
        if (told || !onFirst) return;
        told = true;
        onFirst(stated(await last.glance([...candidates].sort(steepestFirst).slice(0, 1)), true));
      },
    });
    cut = clock.expired;
    const best = await last.confirm([...found].sort(steepestFirst).slice(0, 3));
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
  return { x: from, v: from.map((c, i) => y[i] - c), value: 0 };
}

/** As many as pay, and no more numbers than a cache holds. */
function runsOf({ batch, size, outputs }: Subject, starts: number): number {
  if (batch === "fixed") return 1;
  return Math.max(1, Math.min(32, starts, Math.floor(2 ** 19 / (size + outputs))));
}

function startsOf(
  subject: Subject,
  data: Samples | undefined,
  domain: Domain,
  points: number,
  source: Random,
): Float64Array[] {
  const { size } = subject;
  if (data) {
    checkSample(subject, data.shape);
    const runs = Math.floor(data.x.length / size);
    const order = source.fork("samples").permutation(runs);
    return Array.from(order.subarray(0, points), (k, i) =>
      // A sample far outside tells little of the domain.
      domain.kind !== "global" && i % 2 === 1
        ? pointIn(domain, source.fork(i))
        : inside(domain, Float64Array.from(data.x.subarray(k * size, (k + 1) * size))),
    );
  }
  if (domain.kind !== "global") return Array.from({ length: points }, (_, k) => pointIn(domain, source.fork(k)));
  return Array.from({ length: points }, (_, k) => {
    const own = source.fork(k);
    const scale = [0.3, 1, 3][k % 3];
    return Float64Array.from({ length: size }, () => (k % 2 === 0 ? own.uniform() : scale * own.normal()));
  });
}
