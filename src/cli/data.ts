/** @file The data of a command line: which samples, and how a file of one's own is read. */
import type { ArgsDef } from "citty";
import { labelledBy } from "../certify/evaluate.ts";
import { type Dataset, type Samples, take, type Unlabelled } from "../data/dataset.ts";
import { DATASET_NAMES, loadDataset, loadParts, loadSamples } from "../data/files.ts";
import { parseReading, type Reading, type ReadingOption, readingFields } from "../data/reading.ts";
import type { Engine } from "../engine/engine.ts";
import type { RunSpec } from "../experiment/spec.ts";
import type { Network } from "../graph/network.ts";
import { CliError } from "./errors.ts";
import { readBytes } from "./files.ts";

/** How own data are read. */
export const readingOptions = Object.fromEntries(
  readingFields.map(({ option, description, hint }) => [option, { type: "string", description, valueHint: hint }]),
) as Readonly<
  Record<ReadingOption, { readonly type: "string"; readonly description: string; readonly valueHint: string }>
>;

export const dataOptions = {
  data: {
    type: "string",
    description: `${DATASET_NAMES.join(", ")}, or a path: .csv, .parquet, .npy, .npz, IDX, a folder of images`,
    valueHint: "D",
  },
  "data-dir": {
    type: "string",
    description: "Folder with data sets; else $LIPSCHITZ_DATA, the cache folder, /usr/share/datasets",
    valueHint: "DIR",
  },
  ...readingOptions,
} as const satisfies ArgsDef;

export interface DataWords {
  readonly data: string;
  readonly "data-dir"?: string;
}

/** How own data shall be read, as plain data: names of classes are those in their file. */
export async function readingOf(words: object): Promise<Reading> {
  const given: Record<string, string> = {};
  const all = words as Readonly<Record<string, unknown>>;
  for (const { option } of readingFields) if (all[option] !== undefined) given[option] = String(all[option]);
  if (given.classes !== undefined && !given.classes.includes(",")) given.classes = await linesOf(given.classes);
  return parseReading(given);
}

/** The samples to test on: all of a file, or the part that --split says. */
export async function testsOf(words: DataWords, seed: number): Promise<Dataset | Unlabelled> {
  return loadSamples(words.data, { ...(await readingOf(words)), dataDir: words["data-dir"], seed });
}

/** With the network's own decisions for labels where the data have none. */
export const answered = async (
  network: Network,
  engine: Engine,
  data: Dataset | Unlabelled,
  limit?: number,
): Promise<Dataset> => (data.task === "none" ? labelledBy(network, engine, data, { limit }) : data);

/** The two parts of the data of a run. */
export const partsOf = ({ data, reading, seed }: Pick<RunSpec, "data" | "reading" | "seed">, dataDir?: string) =>
  loadDataset(data, { ...reading, dataDir, seed });

/** The same of samples that a teacher answers, and that need no labels. */
export const unansweredParts = (
  { data, reading, seed }: Pick<RunSpec, "data" | "reading" | "seed">,
  dataDir?: string,
) => loadParts(data, { ...reading, dataDir, seed });

/** The first samples, where a certificate speaks of fewer than all; that they are the same is checked by their hash. */
export function firstOf<D extends Dataset | Unlabelled>(data: D, samples: unknown): D {
  const count = Number(samples);
  return Number.isInteger(count) && count >= 1 && count < data.count ? take(data, count) : data;
}

/** What a result says of its data, beside their hash. */
export function aboutData(data: Samples & { readonly labelsFrom?: string; readonly classNames?: readonly string[] }) {
  const { name, count, notes, labelsFrom, classNames } = data;
  return {
    name,
    samples: count,
    ...(labelsFrom && { labels: labelsFrom }),
    ...(classNames && { classNames }),
    ...(notes && { notes }),
  };
}

// --- internal ---

async function linesOf(path: string): Promise<string> {
  const text = new TextDecoder().decode(await readBytes(path));
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const names = lines.filter((line) => line !== "");
  const comma = names.find((name) => name.includes(","));
  if (comma !== undefined) throw new CliError(`--classes ${path}: a name must have no comma, got "${comma}"`);
  return names.join(",");
}
