/** @file What a sweep shows of itself in its folder while it grows: its plan, the table of the runs that are done, their report. */
import { join } from "node:path";
import { type ComparisonSpec, type Row, recommended } from "../experiment/comparison.ts";
import type { RunRecord } from "../experiment/record.ts";
import { tool } from "../experiment/tool.ts";
import { renderComparison } from "../report/comparison.ts";
import { renderReport } from "../report/report.ts";
import type { Ticket } from "../sweep/job.ts";
import type { JobRecord } from "../sweep/record.ts";
import { ReadError, UsageError } from "../tensor/errors.ts";
import { printable } from "../tensor/printable.ts";
import { readBytes } from "./files.ts";
import { writeJson, writeWhole } from "./output.ts";
import { readRunFolder } from "./runFolder.ts";

/** sweep.json: what shall be done, so that `status`, slices and `merge` know. */
export interface SweepFile {
  readonly tool: { readonly name: string; readonly version: string };
  readonly spec: ComparisonSpec;
  readonly jobs: readonly Ticket[];
}

export const planFile = "sweep.json";

export const writePlan = (folder: string, spec: ComparisonSpec, jobs: readonly Ticket[]): Promise<void> =>
  writeJson(join(folder, planFile), {
    tool: { name: tool.name, version: tool.version },
    spec,
    jobs,
  } satisfies SweepFile);

/** Read a plan from its folder, or from its file; ReadError where it is none, or one of another version, whose jobs have other names. */
export async function readPlan(folder: string): Promise<SweepFile> {
  const path = folder.endsWith(".json") ? folder : join(folder, planFile);
  const bytes = await readBytes(path);
  let value: SweepFile | undefined;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes)) as SweepFile;
  } catch {
    // Said below.
  }
  if (!Array.isArray(value?.jobs) || !Array.isArray(value.spec?.runs))
    throw new ReadError(`${path}: is no plan that lipschitz sweep wrote`);
  if (value.tool?.version !== tool.version) {
    throw new ReadError(`${path}: is of version ${value.tool?.version}, this is ${tool.version}; plan it again`);
  }
  return value;
}

/** What is done of a sweep. */
export interface Found {
  readonly ticket: Ticket;
  readonly record: JobRecord;
}

export interface Standing {
  /** Rows with what is done of them, in the order of the plan; rows with nothing are left out. */
  readonly rows: readonly Row[];
  readonly failed: readonly { readonly label: string; readonly seed: number; readonly error: string }[];
  readonly left: number;
}

/** How a sweep stands. A job that stands in two rows counts in both. */
export function standingOf(tickets: readonly Ticket[], records: ReadonlyMap<string, JobRecord>): Standing {
  const rows = new Map<string, RunRecord[]>();
  const failed: Standing["failed"][number][] = [];
  let left = 0;
  for (const { id, job, row = id } of tickets) {
    const record = records.get(id);
    if (record === undefined) left++;
    else if (record.status === "failed")
      failed.push({ label: row, seed: job.kind === "run" ? job.spec.seed : 0, error: record.error });
    else rows.set(row, [...(rows.get(row) ?? []), record.value as RunRecord]);
  }
  return { rows: [...rows].map(([label, own]) => ({ label, records: own })), failed, left };
}

/** The table, with what has failed below it. */
export function renderStanding({ rows, failed, left }: Standing): string {
  return [
    ...(rows.length > 0 ? [renderComparison(rows)] : []),
    ...failed.map(({ label, seed, error }) => printable(`failed: ${label}, seed ${seed}: ${error.split("\n")[0]}`)),
    ...(left > 0 ? [`${left} ${left === 1 ? "job is" : "jobs are"} left.`] : []),
  ].join("\n");
}

/** Write record.json, table.txt and report.html of what is done; with a best run its model.onnx. Runs on different data have no common report. */
export async function writeStanding(
  folder: string,
  spec: ComparisonSpec,
  tickets: readonly Ticket[],
  standing: Standing,
): Promise<void> {
  const { rows, failed, left } = standing;
  await writeWhole(join(folder, "table.txt"), `${renderStanding(standing)}\n`);
  if (rows.length === 0) return;
  const best = recommended(rows);
  await writeJson(join(folder, "record.json"), {
    tool: { name: tool.name, version: tool.version },
    spec,
    best: best.label,
    labels: rows.flatMap(({ label, records }) => records.map(() => label)),
    failed,
    left,
    runs: rows.flatMap(({ records }) => records),
  });
  const chosen = tickets.find(
    ({ row, job }) => row === best.label && job.kind === "run" && job.spec.seed === best.records[0].spec.seed,
  );
  if (left === 0 && chosen?.place !== undefined) {
    await writeWhole(
      join(folder, "model.onnx"),
      await readBytes(join(folder, chosen.place, best.records[0].model.file)),
    );
  }
  try {
    await writeWhole(join(folder, "report.html"), await renderReport(await readRunFolder(folder)));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
  }
}

/** Call it for each record: it writes, but never for more than a twentieth of the time; `last` writes what there is. */
export function growing(write: () => Promise<void>): { grow(): void; last(): Promise<void> } {
  let next = performance.now() + 1000;
  let running: Promise<void> = Promise.resolve();
  let failure: unknown;
  const once = async () => {
    const begun = performance.now();
    await write();
    next = performance.now() + Math.max(1000, 20 * (performance.now() - begun));
  };
  return {
    grow() {
      if (performance.now() < next) return;
      next = Number.POSITIVE_INFINITY;
      running = once().catch((error: unknown) => {
        failure = error;
      });
    },
    async last() {
      await running;
      if (failure !== undefined) throw failure;
      await write();
    },
  };
}
