/** @file A part of a plan done by this machine alone, into a folder of its own: for engines that start the same command many times, each with its number. */
import { poolBackend } from "../sweep/backend.ts";
import type { Ticket } from "../sweep/job.ts";
import type { JobRecord } from "../sweep/record.ts";
import { folderStore } from "../sweep/store.ts";
import { jobRunner, runAll } from "../sweep/sweep.ts";
import type { Surroundings } from "./command.ts";
import { CliError } from "./errors.ts";
import { openFolder } from "./output.ts";
import { bars, jobPool, workersOf } from "./pooled.ts";
import { readPlan, renderStanding, standingOf, writePlan } from "./sweepFolder.ts";

/** `I/N`: the I-th of N slices, from 0 on, as engines number their tasks; CliError otherwise. */
export function parseSlice(word: string): { readonly index: number; readonly of: number } {
  const [, index, of] = /^(\d+)\/(\d+)$/.exec(word.trim()) ?? [];
  if (of === undefined || Number(of) < 1 || Number(index) >= Number(of)) {
    throw new CliError(`--slice: must be I/N with I from 0 to N - 1, got "${word}"`);
  }
  return { index: Number(index), of: Number(of) };
}

/** The jobs of a slice: every N-th, so that neighbours of a grid, which take as long, are in different ones. */
export const sliceOf = (
  jobs: readonly Ticket[],
  { index, of }: { readonly index: number; readonly of: number },
): readonly Ticket[] => jobs.filter((_, k) => k % of === index);

export interface SliceOptions {
  readonly plan: string;
  readonly slice: string;
  readonly out: string | undefined;
  readonly workers: string | undefined;
  readonly dataDir: string | undefined;
}

/** Do a slice of a plan; a job that fails has its record, and is no failure of the slice. */
export async function workSlice(
  { plan, slice, out, workers, dataDir }: SliceOptions,
  { progress, signal, result }: Surroundings,
): Promise<void> {
  if (out === undefined) throw new CliError("worker: missing --out DIR, where a slice goes");
  const own = parseSlice(slice);
  const { spec, jobs } = await readPlan(plan);
  const tickets = sliceOf(jobs, own);
  await openFolder(out);
  await openFolder(`${out}/jobs`);
  await writePlan(out, spec, jobs);
  const store = folderStore(out);
  const records = new Map<string, JobRecord>();
  const bar = progress.bar(`slice ${slice}`, Math.max(1, tickets.length));
  const pool = jobPool(Math.min(workersOf(workers), Math.max(1, tickets.length)));
  const backend = poolBackend({ pool, store, folder: out, dataDir, signal, hear: () => bars(progress) });
  const onRecord = ({ id }: Ticket, record: JobRecord) => {
    records.set(id, record);
    bar.at(records.size);
  };
  await runAll(tickets, jobRunner({ backend, store, onRecord })).finally(() => backend.close());
  bar.done();
  const standing = standingOf(tickets, records);
  const { failed } = standing;
  result({ out, slice, jobs: tickets.length, done: tickets.length - failed.length, failed }, () =>
    [
      `Slice ${slice}: ${tickets.length} of ${jobs.length} jobs.`,
      renderStanding(standing),
      `Written to ${out}; lipschitz merge puts slices together.`,
    ]
      .filter((line) => line !== "")
      .join("\n"),
  );
}
