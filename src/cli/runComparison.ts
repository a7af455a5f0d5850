/** @file Run a comparison: as many runs at a time as there are CPUs, each in a process and a folder of its own, then all of them together. */
import { fork } from "node:child_process";
import { availableParallelism } from "node:os";
import { extname, join } from "node:path";
import type { Split } from "../data/dataset.ts";
import { type ComparisonSpec, type Contestant, type Row, recommended } from "../experiment/comparison.ts";
import { fitted } from "../experiment/fit.ts";
import type { RunRecord } from "../experiment/record.ts";
import { tool } from "../experiment/tool.ts";
import { partsOf } from "./data.ts";
import { CliError } from "./errors.ts";
import { readBytes } from "./files.ts";
import { openFolder, writeJson, writeWhole } from "./output.ts";
import type { Bar, Progress } from "./progress.ts";
import { finishedRun } from "./resume.ts";
import type { Job, Word } from "./worker.ts";

export interface RunComparisonOptions {
  readonly folder: string;
  readonly dataDir?: string;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** What a comparison leaves in its folder as record.json. */
export interface ComparisonRecord {
  readonly tool: { readonly name: string; readonly version: string };
  readonly spec: ComparisonSpec;
  /** The label of the run whose model is model.onnx. */
  readonly best: string;
  readonly runs: readonly RunRecord[];
}

export interface Compared {
  readonly rows: readonly Row[];
  readonly best: Row;
  readonly record: ComparisonRecord;
}

/**
 * Carry out every run of a comparison that its folder does not hold yet, and go on with those that were begun: a comparison that was
 * killed ends with the same numbers when it is carried out again. Folders: <label>, or <label>/seed-<seed> for several seeds.
 */
export async function runComparison(spec: ComparisonSpec, options: RunComparisonOptions): Promise<Compared> {
  const { folder, signal } = options;
  await checkFit(spec, options);
  await openFolder(folder);
  const waiting = spec.runs.flatMap((contestant) => spec.seeds.map((seed) => jobOf(spec, contestant, seed, options)));
  // One thread each: small steps do not gain from a second one, a second run does.
  const workers = Math.min(availableParallelism(), waiting.length);
  const queue = [...waiting];
  const abort = new AbortController();
  const either = AbortSignal.any([signal, abort.signal]);
  const work = async () => {
    for (let job = queue.shift(); job && !either.aborted; job = queue.shift()) {
      if (!(await finishedRun(job.spec, job.folder))) await perform(job, options.progress, either);
    }
  };
  const results = await Promise.allSettled(
    Array.from({ length: workers }, () =>
      work().catch((error: unknown) => {
        // The other runs stop where their last checkpoint is.
        abort.abort();
        throw error;
      }),
    ),
  );
  signal.throwIfAborted();
  const failed = results.find((r) => r.status === "rejected" && !isInterruption(r.reason)) ?? results.find(isRejected);
  if (failed && isRejected(failed)) throw failed.reason;
  const rows = await Promise.all(
    spec.runs.map(async (contestant): Promise<Row> => {
      const records = await Promise.all(
        spec.seeds.map(async (seed) => {
          const job = jobOf(spec, contestant, seed, options);
          const record = await finishedRun(job.spec, job.folder);
          if (!record) throw new CliError(`${job.folder}: the run ended without a record`);
          return record;
        }),
      );
      return { label: contestant.label, records };
    }),
  );
  const best = recommended(rows);
  const [{ run }] = spec.runs.filter((c) => c.label === best.label);
  const chosen = jobOf(spec, { label: best.label, run }, spec.seeds[0], options).folder;
  await writeWhole(join(folder, "model.onnx"), await readBytes(join(chosen, best.records[0].model.file)));
  const record: ComparisonRecord = {
    tool: { name: tool.name, version: tool.version },
    spec,
    best: best.label,
    runs: rows.flatMap((row) => row.records),
  };
  await writeJson(join(folder, "record.json"), record);
  return { rows, best, record };
}

// --- internal ---

/** What does not go with its data is refused before the first run begins. */
async function checkFit({ runs, seeds }: ComparisonSpec, { dataDir }: RunComparisonOptions): Promise<void> {
  const loaded = new Map<string, Split>();
  for (const { run } of runs) {
    const key = JSON.stringify([run.data, run.reading]);
    const data = loaded.get(key) ?? (await partsOf({ ...run, seed: seeds[0] }, dataDir));
    loaded.set(key, data);
    fitted(run, data);
  }
}

const isRejected = (r: PromiseSettledResult<void>): r is PromiseRejectedResult => r.status === "rejected";

const isInterruption = (error: unknown): boolean => error instanceof CliError && error.code === 130;

function jobOf(
  { seeds }: ComparisonSpec,
  { label, run }: Contestant,
  seed: number,
  { folder, dataDir }: RunComparisonOptions,
): Job {
  const own = join(folder, label);
  return {
    spec: { ...run, seed },
    label: `${label === run.method.name ? "" : `, ${label}`}${seeds.length > 1 ? `, seed ${seed}` : ""}`,
    folder: seeds.length > 1 ? join(own, `seed-${seed}`) : own,
    ...(dataDir === undefined ? {} : { dataDir }),
    threads: 1,
  };
}

/** One job in a process of its own, its bars among ours. */
function perform(job: Job, progress: Progress, signal: AbortSignal): Promise<void> {
  const child = fork(new URL(`./worker${extname(import.meta.url)}`, import.meta.url), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const interrupt = () => child.kill("SIGINT");
  signal.addEventListener("abort", interrupt, { once: true });
  const bars = new Map<number, Bar>();
  return new Promise<void>((resolve, reject) => {
    let failure: CliError | undefined;
    let done = false;
    child.on("message", (word: Word) => {
      switch (word.kind) {
        case "bar":
          bars.set(word.bar, progress.bar(word.label, word.total));
          break;
        case "at":
          bars.get(word.bar)?.at(word.value, word.words);
          break;
        case "end":
          bars.get(word.bar)?.done(word.words);
          break;
        case "done":
          done = true;
          break;
        case "failed":
          failure = new CliError(word.message, word.code, { shown: true });
          break;
        default:
          word satisfies never;
      }
    });
    child.on("error", reject);
    child.on("exit", (code, killed) => {
      signal.removeEventListener("abort", interrupt);
      if (failure) reject(failure);
      else if (done) resolve();
      else
        reject(
          new CliError(`${job.folder}: the process of the run ended early (${killed ?? code}); run again to go on`),
        );
    });
    child.send(job);
  });
}
