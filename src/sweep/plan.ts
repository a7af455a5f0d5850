/** @file From a spec, a grid and a number of seeds to the jobs of a sweep. */
import { relative, resolve } from "node:path";
import { hashDataset, type Split } from "../data/dataset.ts";
import { DATASET_NAMES, loadDataset } from "../data/files.ts";
import type { ComparisonSpec, Contestant } from "../experiment/comparison.ts";
import { fitted } from "../experiment/fit.ts";
import { checkSpec, defaultSpec, type RunSpec } from "../experiment/spec.ts";
import { UsageError } from "../tensor/errors.ts";
import { settingsOf } from "../train/methods.ts";
import { idOf, type RunJob, type Ticket } from "./job.ts";

/** Values to try, by the name of a setting of a method or of a run. */
export type Grid = readonly { readonly key: string; readonly values: readonly string[] }[];

/** The grid of words: `gamma=1,2,5`, several apart by semicolons; UsageError otherwise. */
export function parseGrid(words: string): Grid {
  const grid = words.split(";").map((part) => {
    const [, key, list] = /^\s*([\w-]+)\s*=(.+)$/.exec(part) ?? [];
    const values = list?.split(",").map((value) => value.trim());
    if (key === undefined || !values || values.some((value) => value === "") || new Set(values).size < values.length) {
      throw new UsageError(
        `--grid: must be NAME=VALUE,VALUE, apart by semicolons, with different values, got "${part}"`,
      );
    }
    return { key, values };
  });
  const twice = grid.find(({ key }, i) => grid.findIndex((other) => other.key === key) < i);
  if (twice) throw new UsageError(`--grid: each name must stand once, got ${twice.key} twice`);
  return grid;
}

/** A comparison with every run once for each combination of the values that it can take, and as many seeds; a run that takes none of them stays one. */
export function expand(spec: ComparisonSpec, grid: Grid, seeds?: number): ComparisonSpec {
  const runs = grid.reduce<readonly Contestant[]>((all, { key, values }) => {
    const found = all.flatMap((contestant) => variants(contestant, key, values));
    if (found.every((contestant) => all.includes(contestant))) {
      const known = new Set(
        all.flatMap(({ run }) => [...Object.keys(settingsOf(run.method.name)), ...runKeys, ...modelKeys]),
      );
      throw new UsageError(`--grid: unknown setting "${key}"; known: ${[...known].join(", ")}`);
    }
    return found;
  }, spec.runs);
  const [first] = spec.seeds;
  return {
    ...spec,
    runs,
    seeds: seeds === undefined ? spec.seeds : Array.from({ length: seeds }, (_, i) => first + i),
  };
}

/** One of these settings in a run; undefined where the run has no such setting. Throws where the value does not fit it. */
export function withSetting(run: RunSpec, key: string, word: string): RunSpec | undefined {
  const number = Number(word);
  const value = word.trim() === "" || Number.isNaN(number) ? word : number;
  const settings = settingsOf(run.method.name);
  const camel = key.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  const own = Object.hasOwn(settings, camel)
    ? camel
    : camel === "lambda"
      ? lambdas.find((name) => Object.hasOwn(settings, name))
      : undefined;
  if (own !== undefined)
    return checkSpec({ ...run, method: { ...run.method, [own]: settings[own].check(`--grid ${key}`, value) } });
  if (camel === "widths") return checkSpec({ ...run, model: { ...run.model, widths: word.split("x").map(Number) } });
  if (camel === "activation") return checkSpec({ ...run, model: { ...run.model, activation: word } });
  return runKeys.includes(camel) ? checkSpec({ ...run, [camel]: value }) : undefined;
}

/** How a run's data are got, and what they hold: a planner's own business, so that two sweeps ask of the same once. */
export interface PlanOptions {
  readonly dataDir?: string | undefined;
  /** The folder that paths of own data begin at. Default: the working folder. */
  readonly base?: string | undefined;
  /** The folder of a run below DIR. Default: `<label>/seed-<seed>`. */
  place?(label: string, seed: number): string;
}

/** Plans runs: a job for each with each seed, checked against its data before anything is spent; started from the jobs of another run where they are given. */
export type Planner = (
  runs: Pick<ComparisonSpec, "runs" | "seeds">,
  start?: (seed: number) => Ticket,
) => Promise<readonly Ticket[]>;

/** A planner, which reads data once. Its plans throw UsageError where a run does not go with its data. */
export function planner({
  dataDir,
  base = "",
  place = (label, seed) => `${label}/seed-${seed}`,
}: PlanOptions = {}): Planner {
  const know = reader(dataDir, base);
  return async ({ runs, seeds }, start) => {
    const tickets: Ticket[] = [];
    for (const { label, run } of runs) {
      for (const seed of seeds) {
        const spec = { ...run, seed };
        const job: RunJob = { kind: "run", spec, data: await know(spec), ...(start && { start: start(seed).id }) };
        tickets.push({ id: idOf(job), job, label: labelOf(label, spec, seeds), row: label, place: place(label, seed) });
      }
    }
    return tickets;
  };
}

/** The jobs of a comparison. */
export const planRuns = (
  comparison: Pick<ComparisonSpec, "runs" | "seeds">,
  options: PlanOptions = {},
): Promise<readonly Ticket[]> => planner(options)(comparison);

/** What stands after the method's name beside a bar. */
export const labelOf = (label: string, { method, seed }: RunSpec, seeds: readonly number[]): string =>
  `${label === method.name ? "" : `, ${label}`}${seeds.length > 1 ? `, seed ${seed}` : ""}`;

/** Runs whose own files are named from the folder of data on, as they are for every worker; UsageError where one lies elsewhere. */
export function inDataDir(spec: ComparisonSpec, dataDir: string | undefined): ComparisonSpec {
  return {
    ...spec,
    runs: spec.runs.map(({ label, run }) => {
      const { labels } = run.reading ?? {};
      const reading = labels === undefined ? {} : { reading: { ...run.reading, labels: below(labels, dataDir) } };
      return { label, run: { ...run, data: isNamed(run.data) ? run.data : below(run.data, dataDir), ...reading } };
    }),
  };
}

// --- internal ---

const isNamed = (data: string): boolean => (DATASET_NAMES as readonly string[]).includes(data);

/** A path of this machine from the folder of data on. */
export function below(path: string, dataDir: string | undefined): string {
  const inside = dataDir === undefined ? ".." : relative(resolve(dataDir), resolve(path));
  if (inside === "" || inside.startsWith("..")) {
    throw new UsageError(`--redis: a file must lie in --data-dir, which every worker has, got "${path}"`);
  }
  return inside.replaceAll("\\", "/");
}

/** What the papers call lambda: the weight of a method's penalty. */
const lambdas = ["weight", "gradientWeight", "curvatureWeight", "decay", "betaWeight"] as const;

const modelKeys = ["widths", "activation"] as const;

const runKeys: readonly string[] = Object.keys(defaultSpec).filter(
  (key) => !["model", "method", "radii", "seed"].includes(key),
);

/** A contestant with each of the values; as it is where it has no such setting. */
function variants(contestant: Contestant, key: string, values: readonly string[]): readonly Contestant[] {
  const changed = values.map((word) => withSetting(contestant.run, key, word));
  return changed.flatMap((run, i) =>
    run ? [{ label: `${contestant.label} ${key}=${values[i]}`, run }] : i === 0 ? [contestant] : [],
  );
}

/** The hashes of the samples that a run uses. What was loaded last stays, and what no seed changes is loaded once. */
function reader(dataDir: string | undefined, base: string): (spec: RunSpec) => Promise<RunJob["data"]> {
  let last: { readonly key: string; readonly split: Promise<Split> } | undefined;
  const known = new Map<string, Promise<RunJob["data"]>>();
  return async (spec) => {
    const { data, reading, samples, seed } = spec;
    const key = JSON.stringify([data, reading, fixed.includes(data) ? null : seed]);
    if (last?.key !== key) {
      const labels = reading?.labels === undefined ? {} : { labels: resolve(base, reading.labels) };
      const path = isNamed(data) ? data : resolve(base, data);
      last = { key, split: loadDataset(path, { ...reading, ...labels, dataDir, seed }) };
    }
    const used = fitted(spec, await last.split);
    const whole = JSON.stringify([key, samples]);
    const hashes = known.get(whole) ?? hashesOf(used);
    known.set(whole, hashes);
    return hashes;
  };
}

/** Data sets that are the same for every seed. */
const fixed: readonly string[] = DATASET_NAMES.filter((name) => name !== "square-wave" && name !== "two-moons");

const hashesOf = async ({ train, test }: Split): Promise<RunJob["data"]> => ({
  train: await hashDataset(train),
  test: await hashDataset(test),
});
