/** @file Run a comparison: as many runs at a time as there are CPUs, each in a process and a folder of its own, then all of them together. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { type ComparisonSpec, type Row, recommended } from "../experiment/comparison.ts";
import type { RunRecord } from "../experiment/record.ts";
import { tool } from "../experiment/tool.ts";
import type { RunJob, Ticket } from "../sweep/job.ts";
import { planRuns } from "../sweep/plan.ts";
import type { Pool } from "../sweep/pool.ts";
import { all } from "../sweep/sweep.ts";
import { CliError, type ExitCode } from "./errors.ts";
import { readBytes } from "./files.ts";
import { openFolder, writeJson, writeWhole } from "./output.ts";
import { bars, jobPool } from "./pooled.ts";
import type { Progress } from "./progress.ts";
import { finishedJob, finishedRun } from "./resume.ts";

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
  const { folder, signal, dataDir, progress } = options;
  const several = spec.seeds.length > 1;
  const place = (label: string, seed: number) => (several ? join(label, `seed-${seed}`) : label);
  // What does not go with its data is refused before the first run begins.
  const tickets = await planRuns(spec, { dataDir, place });
  await openFolder(folder);
  // One thread each: small steps do not gain from a second one, a second run does.
  const pool = jobPool(Math.min(availableParallelism(), tickets.length));
  const abort = new AbortController();
  const either = AbortSignal.any([signal, abort.signal]);
  try {
    await all(
      tickets.map((ticket) =>
        perform(ticket, pool, { folder, dataDir, progress, signal: either }).catch((error: unknown) => {
          // The other runs stop where their last checkpoint is.
          if (!abort.signal.aborted) abort.abort(error);
          throw abort.signal.reason;
        }),
      ),
    );
  } finally {
    await pool.close();
  }
  signal.throwIfAborted();
  const rows = await Promise.all(
    spec.runs.map(
      async ({ label }): Promise<Row> => ({
        label,
        records: await Promise.all(tickets.filter((t) => t.row === label).map((ticket) => recordIn(ticket, folder))),
      }),
    ),
  );
  const best = recommended(rows);
  const chosen = tickets.find((ticket) => ticket.row === best.label)?.place ?? "";
  await writeWhole(join(folder, "model.onnx"), await readBytes(join(folder, chosen, best.records[0].model.file)));
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

const placeOf = (folder: string, { place = "" }: Ticket): string => join(folder, place);

async function recordIn(ticket: Ticket, folder: string): Promise<RunRecord> {
  const own = placeOf(folder, ticket);
  const record = await finishedRun((ticket.job as RunJob).spec, own);
  if (!record) throw new CliError(`${own}: the run ended without a record`);
  return record;
}

/** One run in a process of its own, its bars among ours, unless its folder holds it. */
async function perform(
  ticket: Ticket,
  pool: Pool,
  { folder, dataDir, progress, signal }: RunComparisonOptions & { readonly dataDir: string | undefined },
): Promise<void> {
  const own = placeOf(folder, ticket);
  if (await finishedJob(ticket.id, (ticket.job as RunJob).spec, own)) return;
  const order = { ticket, folder: own, ...(dataDir !== undefined && { dataDir }) };
  const answer = await pool.perform(order, { signal, hear: bars(progress) });
  if (answer.kind === "done") return;
  if (/^its process ended early/.test(answer.message)) {
    throw new CliError(`${own}: ${answer.message}; run again to go on`);
  }
  throw new CliError(answer.message, answer.code as ExitCode, { shown: true });
}
