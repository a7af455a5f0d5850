/** @file The folder of a run or of a comparison, read back for a report: record.json, and beside it or below it samples.json of its models. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { checkRecords, type RunRecord } from "../experiment/record.ts";
import { checkSamples, type SampleRecord } from "../experiment/samples.ts";
import type { Reported } from "../report/groups.ts";
import { ReadError, SpecError } from "../tensor/errors.ts";
import { readBytes } from "./files.ts";

/** Read a folder that `train` or `compare` wrote; ReadError where it is not one. */
export async function readRunFolder(folder: string): Promise<readonly Reported[]> {
  const path = join(folder, "record.json");
  const value = await readJson(path).catch((error: unknown) => {
    if (error instanceof ReadError)
      throw new ReadError(`${error.message}; is ${folder} a folder that train or compare wrote?`);
    throw error;
  });
  const records = recordsIn(path, value);
  const labels = labelsIn(value);
  const samples = new Map<string, SampleRecord>();
  for (const place of [folder, ...(await foldersBelow(folder))]) {
    const names = await readdir(place);
    if (names.includes("samples.json")) {
      const found = await readJson(join(place, "samples.json"));
      const own = asReadError(join(place, "samples.json"), () => checkSamples(found), "; remove it");
      samples.set(own.model, own);
    }
  }
  return records.map((record, k) => {
    const own = samples.get(record.model.sha256);
    const label = labels.length === records.length ? { label: labels[k] } : {};
    return { record, ...(own ? { samples: own } : {}), ...label };
  });
}

// --- internal ---

function recordsIn(path: string, value: unknown): readonly RunRecord[] {
  return asReadError(path, () => checkRecords(value), "; is it a record that train or compare wrote?");
}

/** What does not have the form of a file is the file's fault. */
function asReadError<T>(path: string, check: () => T, remedy: string): T {
  try {
    return check();
  } catch (error) {
    throw error instanceof SpecError ? new ReadError(`${path}: ${error.message}${remedy}`) : error;
  }
}

/** What a comparison calls its runs, one word for each record; none for a single run. */
function labelsIn(value: unknown): readonly string[] {
  const { spec, labels } = value as {
    readonly spec?: { readonly runs?: unknown; readonly seeds?: unknown };
    readonly labels?: unknown;
  };
  // A sweep says them, since some of its runs may be missing.
  if (Array.isArray(labels)) return labels.map(String);
  if (!Array.isArray(spec?.runs) || !Array.isArray(spec.seeds)) return [];
  const { seeds } = spec;
  return spec.runs.flatMap((run: { readonly label?: unknown }) => seeds.map(() => String(run?.label)));
}

async function readJson(path: string): Promise<unknown> {
  const bytes = await readBytes(path);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new ReadError(`${path}: is not JSON`);
  }
}

/** A comparison keeps each run in a folder, and each seed in one below. */
async function foldersBelow(folder: string, depth = 2): Promise<string[]> {
  if (depth === 0) return [];
  const entries = await readdir(folder, { withFileTypes: true });
  const own = entries.filter((e) => e.isDirectory()).map((e) => join(folder, e.name));
  return [...own, ...(await Promise.all(own.map((f) => foldersBelow(f, depth - 1)))).flat()];
}
