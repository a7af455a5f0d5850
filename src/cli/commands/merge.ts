/** @file lipschitz merge DIR... --out DIR: the slices of a sweep as one folder, with its table and report. */
import type { Ticket } from "../../sweep/job.ts";
import { validRecord } from "../../sweep/ledger.ts";
import { type JobRecord, keepRecord } from "../../sweep/record.ts";
import { folderStore, type Store } from "../../sweep/store.ts";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { openFolder } from "../output.ts";
import { readPlan, renderStanding, standingOf, writePlan, writeStanding } from "../sweepFolder.ts";

export const merge = command({
  name: "merge",
  description:
    "Put the slices of a sweep together: every job's record once, with the files of its run, the table and the report",
  example: "lipschitz merge slices/0 slices/1 slices/2 --out runs/sweep",
  args: {
    folders: { type: "positional", required: true, description: "Folders that lipschitz worker --slice wrote" },
    out: { type: "string", description: "Folder for all of them together", valueHint: "DIR" },
  },
  several: true,
  async run(args, { progress, result }) {
    if (args.out === undefined) throw new CliError("merge: missing --out DIR, where all of them go together");
    const folder = args.out;
    const folders = args._;
    const plans = await Promise.all(folders.map(readPlan));
    const [{ spec, jobs }] = plans;
    const names = ({ jobs: own }: { readonly jobs: readonly Ticket[] }) =>
      own.map(({ id, row }) => `${id} ${row}`).join();
    const strange = plans.findIndex((plan) => names(plan) !== names(plans[0]));
    if (strange >= 0)
      throw new CliError(
        `merge: slices must be of one plan, got another one in ${folders[strange]} than in ${folders[0]}`,
      );
    await openFolder(folder);
    await openFolder(`${folder}/jobs`);
    await writePlan(folder, spec, jobs);
    const out = folderStore(folder);
    const from = folders.map((path) => folderStore(path));
    const bar = progress.bar("merge", jobs.length);
    const records = new Map<string, JobRecord>();
    for (const ticket of jobs) {
      const record = (await validRecord(out, ticket)) ?? (await take(ticket, from, out));
      if (record) records.set(ticket.id, record);
      bar.at(records.size);
    }
    bar.done();
    const standing = standingOf(jobs, records);
    await writeStanding(folder, spec, jobs, standing);
    const { failed, left, rows } = standing;
    result({ out: folder, jobs: jobs.length, done: jobs.length - failed.length - left, failed, left, rows }, () =>
      [
        renderStanding(standing),
        `Written to ${folder}: report.html, table.txt, record.json, and in <run>/seed-<n> the files of every run.`,
      ].join("\n"),
    );
    if (left > 0) throw new CliError(`${left} of ${jobs.length} jobs are in no slice; finish them and merge again`, 3);
  },
});

// --- internal ---

/** The record of a job from the first folder that has it whole, with its files. */
async function take(ticket: Ticket, from: readonly Store[], out: Store): Promise<JobRecord | null> {
  for (const store of from) {
    const record = await validRecord(store, ticket);
    if (record === null) continue;
    if (record.status === "done" && ticket.place !== undefined) {
      for (const file of record.files) {
        const bytes = await store.get(`${ticket.place}/${file}`);
        if (bytes) await out.put(`${ticket.place}/${file}`, bytes);
      }
    }
    return keepRecord(out, record);
  }
  return null;
}
