/** @file Several files bounded at once: a job for each, one row for each, whatever becomes of the others. */
import { type Bracket, type Norm, provedUpper } from "../bounds/bound.ts";
import { modelHash } from "../onnx/read.ts";
import { showAtLeast, showAtMost } from "../report/number.ts";
import { textTable } from "../report/textTable.ts";
import { type BoundJob, idOf, type Ticket } from "../sweep/job.ts";
import { printable } from "../tensor/printable.ts";
import type { Surroundings } from "./command.ts";
import { type DomainWords, parseDomain } from "./domain.ts";
import { CliError, describeFailure } from "./errors.ts";
import { readBytes } from "./files.ts";
import { type JobsOptions, modelPart, withJobs } from "./jobs.ts";
import { openModel, sizeOfInput } from "./network.ts";
import type { Bracketed } from "./perform.ts";

export interface BoundAll extends Pick<JobsOptions, "workers" | "redis"> {
  readonly files: readonly string[];
  readonly norm: Norm;
  readonly methods?: readonly string[] | "all" | undefined;
  readonly seed: number;
  readonly seconds?: number | undefined;
  readonly check: boolean;
  /** The proved upper bound of every file shall be at most this. */
  readonly max?: number | undefined;
  /** How files are read, and where bounds shall hold. */
  readonly words: DomainWords & Parameters<typeof openModel>[1];
}

type Row =
  | { readonly model: string; readonly error: string }
  | ({ readonly model: string; readonly sha256: string } & Bracketed);

/** Bound files, and print a table; exit code 2 where one could not be, 3 where `max` does not hold. */
export async function boundAll(
  { files, max, ...asked }: BoundAll,
  { progress, signal, result }: Surroundings,
): Promise<void> {
  const planned = await Promise.all(files.map((file) => plan(file, asked)));
  const tickets = planned.flatMap((found) => ("id" in found ? [found] : []));
  const { workers, redis } = asked;
  const records =
    tickets.length === 0 ? [] : await withJobs(tickets, { workers, redis, progress, signal }, async (all) => all);
  const rows = planned.map((found): Row => {
    if (!("id" in found)) return found;
    const record = records[tickets.indexOf(found)];
    const { file: model = "", job } = found;
    if (record.status === "failed") return { model, error: record.error };
    return { model, sha256: (job as BoundJob).model.sha256, ...(record.value as Bracketed) };
  });
  result({ models: rows }, () => renderRows(rows));
  const failed = rows.filter((row) => "error" in row);
  if (failed.length > 0) throw new CliError(`${failed.length} of ${rows.length} files could not be bounded`, 2);
  const over = rows.filter((row) => max !== undefined && !((provedUpper(row as Bracket)?.value ?? Number.NaN) <= max));
  if (over.length > 0)
    throw new CliError(`--max ${max}: ${over.length} of ${rows.length} files have no proved upper bound that small`, 3);
}

// --- internal ---

/** The job of a file, or why there is none. */
async function plan(
  file: string,
  { norm, methods, seed, seconds, check, words }: Omit<BoundAll, "files" | "max">,
): Promise<Ticket | Row> {
  try {
    const model = modelPart(await modelHash(await readBytes(file)), words);
    // Only how large the input is has to be known of the file here, for a domain in it.
    const somewhere = ["center", "radius", "ball", "box"].some(
      (name) => name in words && words[name as keyof DomainWords] !== undefined,
    );
    const domain = somewhere
      ? await parseDomain(words, sizeOfInput((await openModel(file, words)).network))
      : undefined;
    const plain =
      domain && JSON.parse(JSON.stringify(domain, (_, v) => (v instanceof Float64Array ? Array.from(v) : v)));
    const job: BoundJob = {
      kind: "bound",
      model,
      norm,
      ...(methods !== undefined && { methods }),
      ...(plain && { domain: plain }),
      seed,
      ...(seconds !== undefined && { seconds }),
      check,
    };
    return { id: idOf(job), job, label: file, file };
  } catch (error) {
    const { message, code } = describeFailure(error);
    // A wrong option is wrong for all.
    if (code === 1) throw error;
    return { model: file, error: message };
  }
}

function renderRows(rows: readonly Row[]): string {
  const table = textTable(["model", "lower", "upper", "proved"]);
  for (const row of rows) {
    if ("error" in row) table.push([row.model, "-", "-", printable(row.error.split("\n")[0])]);
    else {
      const { lower, upper } = row;
      table.push([
        row.model,
        showAtLeast(lower?.value),
        showAtMost(upper?.value),
        upper === null ? "no" : upper.proved ? `yes, ${upper.method}` : "no",
      ]);
    }
  }
  return table.toString();
}
