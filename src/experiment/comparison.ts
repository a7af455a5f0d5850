/** @file Several runs that are compared, as plain data: what `lipschitz compare` and `lipschitz run` carry out, and the numbers that they are compared by. */
import { SpecError } from "../tensor/errors.ts";
import { methodNames } from "../train/methods.ts";
import type { RunRecord } from "./record.ts";
import { checkSpec, defaultsFor, methodSpec, optimizerDefaults, optimizerNames, type RunSpec } from "./spec.ts";

export interface Contestant {
  /** Of the row and the folder; unlike any other. */
  readonly label: string;
  /** Its seed is replaced by each of the comparison's. */
  readonly run: RunSpec;
}

/** Numbers that a paper prints, to stand beside ours. */
export interface Paper {
  readonly source: string;
  /** By label, by measure (see `measures`). */
  readonly values: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export interface ComparisonSpec {
  readonly name: string;
  readonly seeds: readonly number[];
  readonly runs: readonly Contestant[];
  readonly paper?: Paper;
}

/**
 * A comparison from JSON: `{ name, seeds, common, runs: [{ label, method, ... }], paper }`, where every run takes what it does not say
 * from `common`, and then from the defaults of its method; or a single run, `{ method, ... }`.
 * Throws SpecError with the JSON path of what is wrong; a word that means nothing is wrong too.
 */
export function parseComparison(value: unknown): ComparisonSpec {
  const spec = object("$", value);
  if (!("runs" in spec)) {
    const { $schema: _, name = "run", ...run } = spec;
    const whole = complete("$", run);
    return { name: word("$.name", name), seeds: [whole.seed], runs: [{ label: whole.method.name, run: whole }] };
  }
  refuseUnknown("$", spec, ["$schema", "name", "seeds", "common", "runs", "paper"]);
  const { name = "comparison", seeds = [1], common = {}, runs } = spec;
  if (!Array.isArray(runs) || runs.length === 0) fail("$.runs", "a list of at least one run", runs);
  if (!Array.isArray(seeds) || seeds.length === 0 || new Set(seeds).size < seeds.length)
    fail("$.seeds", "a list of different seeds", seeds);
  const contestants = (runs as unknown[]).map((run, i): Contestant => {
    const path = `$.runs[${i}]`;
    const { label, ...own } = object(path, run);
    const whole = (seeds as unknown[]).map((seed) => complete(path, { ...object("$.common", common), ...own, seed }));
    return { label: label === undefined ? whole[0].method.name : word(`${path}.label`, label), run: whole[0] };
  });
  const labels = contestants.map((c) => c.label);
  const twice = labels.find((label, i) => labels.indexOf(label) < i);
  if (twice !== undefined) fail("$.runs", "runs of different labels", twice);
  const base = { name: word("$.name", name), seeds: seeds as number[], runs: contestants };
  return spec.paper === undefined ? base : { ...base, paper: paper(spec.paper, contestants) };
}

/** What runs are compared by: how it is got from a record, and which way is better. */
export interface Measure {
  readonly name: string;
  readonly better: "more" | "less" | null;
  of(record: RunRecord): number | null;
}

/** The part that is certified, and that attacks left, at a radius of the spec, by its place there. */
export const certifiedAt = (i: number): Measure => ({
  name: `certified ${i}`,
  better: "more",
  of: (r) => r.certified?.[i]?.accuracy ?? null,
});

export const attackedAt = (i: number): Measure => ({
  name: `attacked ${i}`,
  better: "more",
  of: (r) => r.attacked?.robust[i]?.accuracy ?? null,
});

export const measures = {
  accuracy: { name: "accuracy", better: "more", of: (r) => r.accuracy },
  testLoss: { name: "testLoss", better: "less", of: (r) => r.testLoss },
  radius: { name: "radius", better: "more", of: (r) => r.averageRadius },
  lower: { name: "lower", better: null, of: (r) => r.bracket.lower?.value ?? null },
  upper: { name: "upper", better: "less", of: (r) => r.bracket.upper?.value ?? null },
  tightness: {
    name: "tightness",
    better: "more",
    of: ({ bracket: { lower, upper } }) => (lower && upper && upper.value > 0 ? lower.value / upper.value : null),
  },
  curvature: { name: "curvature", better: "less", of: (r) => r.curvature?.curvature.mean ?? null },
  gradient: { name: "gradient", better: "less", of: (r) => r.curvature?.gradient.mean ?? null },
  hessian: { name: "hessian", better: "less", of: (r) => r.curvature?.hessian.mean ?? null },
  seconds: { name: "seconds", better: null, of: (r) => r.seconds.train },
} as const satisfies Readonly<Record<string, Measure>>;

/** Of the names of measures at a radius: "certified 0.3", "attacked 2". */
export const radiusMeasure = /^(certified|attacked) (0|[1-9]\d*)(\.\d+)?$/;

/** A measure by its name in `measures`, or as `certified` or `attacked` with one of some radii; undefined where there is none. */
export function measureOf(name: string, radii: readonly number[]): Measure | undefined {
  if (Object.hasOwn(measures, name)) return measures[name as keyof typeof measures];
  if (!radiusMeasure.test(name)) return undefined;
  const [what, radius] = name.split(" ");
  const at = radii.indexOf(Number(radius));
  if (at < 0) return undefined;
  return what === "certified" ? certifiedAt(at) : attackedAt(at);
}

/** A measure over the seeds of a row. */
export interface Spread {
  readonly mean: number;
  /** Half the distance from the smallest to the largest; 0 for one seed. */
  readonly half: number;
}

/** One row of a comparison: the records of its seeds. */
export interface Row {
  readonly label: string;
  readonly records: readonly RunRecord[];
}

/** Mean and spread of a measure over a row; null where a record has none. */
export function spreadOf({ records }: Row, measure: Measure): Spread | null {
  const values = records.map((r) => measure.of(r));
  if (values.length === 0 || values.some((v) => v === null)) return null;
  const numbers = values as number[];
  const mean = numbers.reduce((a, b) => a + b, 0) / numbers.length;
  return { mean, half: (Math.max(...numbers) - Math.min(...numbers)) / 2 };
}

/** The rows that are best by a measure, by label; none where nothing is better or all are equally good. */
export function bestBy(rows: readonly Row[], measure: Measure): readonly string[] {
  const found = rows.flatMap((row) => {
    const spread = spreadOf(row, measure);
    return spread ? [{ label: row.label, value: spread.mean }] : [];
  });
  if (measure.better === null || new Set(found.map(({ value }) => value)).size < 2) return [];
  const sign = measure.better === "more" ? 1 : -1;
  const best = Math.max(...found.map(({ value }) => sign * value));
  return found.filter(({ value }) => sign * value === best).map(({ label }) => label);
}

/** The row to recommend: the largest average certified radius; of regressions, the smallest test loss. */
export function recommended(rows: readonly Row[]): Row {
  const measure = rows.every((row) => spreadOf(row, measures.radius)) ? measures.radius : measures.testLoss;
  const [label] = bestBy(rows, measure);
  return rows.find((row) => row.label === label) ?? rows[0];
}

// --- internal ---

/** A run with everything said. */
function complete(path: string, value: Readonly<Record<string, unknown>>): RunSpec {
  const { name } = object(`${path}.method`, value.method);
  const known = methodNames.find((method) => method === name);
  if (known === undefined) fail(`${path}.method.name`, `one of ${methodNames.join(", ")}`, name);
  const optimizer = optimizerNames.find((own) => own === value.optimizer);
  const defaults = { ...defaultsFor(known), ...(optimizer && optimizerDefaults[optimizer]) };
  const merged = { ...defaults, ...value };
  const method = methodSpec(merged.optimizer as RunSpec["optimizer"], { ...(merged.method as RunSpec["method"]) });
  return checkSpec({ ...merged, method }, path);
}

function paper(value: unknown, contestants: readonly Contestant[]): Paper {
  const { source, values } = object("$.paper", value);
  const rows = object("$.paper.values", values);
  for (const [label, row] of Object.entries(rows)) {
    const known = contestants.find((c) => c.label === label);
    if (!known)
      return fail("$.paper.values", `by the labels of runs (${contestants.map((c) => c.label).join(", ")})`, label);
    const { radii } = known.run;
    for (const [name, number] of Object.entries(object(`$.paper.values.${label}`, row))) {
      if (!measureOf(name, radii)) {
        const names = [...Object.keys(measures), ...radii.flatMap((r) => [`certified ${r}`, `attacked ${r}`])];
        fail(`$.paper.values.${label}`, `by measures (${names.join(", ")})`, name);
      }
      if (typeof number !== "number") fail(`$.paper.values.${label}.${name}`, "a number", number);
    }
  }
  return { source: word("$.paper.source", source), values: rows as Paper["values"] };
}

function object(path: string, value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return fail(path, "an object", value);
  return value as Record<string, unknown>;
}

function word(path: string, value: unknown): string {
  if (typeof value !== "string" || !/^[\w][\w ,.()=-]*$/.test(value))
    return fail(path, "words without slashes, for a folder's name", value);
  return value;
}

function refuseUnknown(path: string, value: Record<string, unknown>, known: readonly string[]): void {
  const strange = Object.keys(value).find((key) => !known.includes(key));
  if (strange !== undefined) fail(`${path}.${strange}`, `left out (known: ${known.join(", ")})`, value[strange]);
}

function fail(path: string, rule: string, got: unknown): never {
  throw new SpecError(`${path}: must be ${rule}, got ${JSON.stringify(got)}`);
}
