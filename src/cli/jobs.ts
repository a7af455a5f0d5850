/** @file The jobs of a command that is no sweep: slices of a certification or an attack, files to bound. Their records stay only until the command has its result. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DATASET_NAMES } from "../data/files.ts";
import type { Reading } from "../data/reading.ts";
import type { ModelPart, ModelWord, Ticket } from "../sweep/job.ts";
import { modelWords } from "../sweep/job.ts";
import { below } from "../sweep/plan.ts";
import type { JobRecord } from "../sweep/record.ts";
import { folderStore } from "../sweep/store.ts";
import { jobRunner, runAll } from "../sweep/sweep.ts";
import { CliError } from "./errors.ts";
import { openFolder } from "./output.ts";
import { openBackend } from "./pooled.ts";
import type { Progress } from "./progress.ts";

export interface JobsOptions {
  readonly workers?: string | undefined;
  readonly redis?: string | undefined;
  readonly dataDir?: string | undefined;
  /** What the records are kept beside until the command has its result, so that the same command goes on; in a folder of their own else. */
  readonly beside?: string | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Are the jobs of a command to be done by several processes? */
export const inJobs = ({
  workers,
  redis,
}: {
  readonly workers?: string | undefined;
  readonly redis?: string | undefined;
}): boolean => workers !== undefined || redis !== undefined;

/** Carry jobs out; `use` makes the result of their records, after which they are gone. */
export async function withJobs<T>(
  tickets: readonly Ticket[],
  { beside, progress, signal, ...words }: JobsOptions,
  use: (records: readonly JobRecord[]) => Promise<T>,
): Promise<T> {
  const folder = beside === undefined ? await mkdtemp(join(tmpdir(), "lipschitz-jobs-")) : `${beside}.jobs`;
  await openFolder(folder);
  const store = folderStore(folder);
  const bar = progress.bar("jobs", tickets.length);
  let done = 0;
  let kept = beside !== undefined;
  try {
    const backend = await openBackend(words, {
      store,
      folder,
      dataDir: words.dataDir,
      progress,
      signal,
      jobs: tickets.length,
    });
    const onRecord = () => bar.at(++done);
    // A command that is given again shall try what has failed.
    const runner = jobRunner({ backend, store, retry: true, onRecord });
    const records = await runAll(tickets, runner).finally(() => backend.close());
    bar.done();
    const result = await use(records as readonly JobRecord[]);
    kept = false;
    return result;
  } finally {
    if (!kept) await rm(folder, { recursive: true, force: true });
  }
}

/** The values of jobs that must all be done; CliError with the first failure. */
export function valuesOf<T>(records: readonly JobRecord[]): readonly T[] {
  return records.map((record) => {
    if (record.status === "failed") throw new CliError(record.error, 1, { shown: true });
    return record.value as T;
  });
}

/** What a job says of its model: its hash, and the words that it is read with. Files of inputs are no words. */
export function modelPart(sha256: string, words: object): ModelPart {
  const given = words as Readonly<Partial<Record<ModelWord, string>>>;
  if (given.fix?.includes(".npy"))
    throw new CliError("--workers, --redis: inputs that stay must be numbers, got a file in --fix");
  return {
    sha256,
    words: Object.fromEntries(
      modelWords.flatMap((word) => (given[word] === undefined ? [] : [[word, String(given[word])]])),
    ),
  };
}

/** Data as workers know them: elsewhere files are named from the folder of data on. */
export function dataOf(
  name: string,
  reading: Reading,
  { redis, "data-dir": dataDir }: { readonly redis?: string | undefined; readonly "data-dir"?: string | undefined },
): { readonly name: string; readonly reading: Reading } {
  if (redis === undefined) return { name, reading };
  const path = (DATASET_NAMES as readonly string[]).includes(name) ? name : below(name, dataDir);
  return {
    name: path,
    reading: reading.labels === undefined ? reading : { ...reading, labels: below(reading.labels, dataDir) },
  };
}
