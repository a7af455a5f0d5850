/** @file lipschitz status DIR: how a sweep stands, also while it runs. */
import { type JobRecord, recordsOf } from "../../sweep/record.ts";
import { folderStore } from "../../sweep/store.ts";
import { command } from "../command.ts";
import { readPlan, renderStanding, standingOf } from "../sweepFolder.ts";

export const status = command({
  name: "status",
  description: "Say how a sweep stands: what is done, what failed and why, what is left",
  example: "lipschitz status runs/sweep",
  args: {
    of: { type: "positional", required: true, description: "The folder of a sweep" },
  },
  async run({ of: folder }, { result }) {
    const { jobs } = await readPlan(folder);
    const found = await recordsOf(folderStore(folder), jobs);
    const records = new Map(found.flatMap((record): [string, JobRecord][] => (record ? [[record.id, record]] : [])));
    const standing = standingOf(jobs, records);
    const { failed, left } = standing;
    const summary = { of: folder, jobs: jobs.length, done: jobs.length - failed.length - left, failed, left };
    result(summary, () =>
      [
        `${folder}: ${summary.done} of ${jobs.length} jobs are done, ${failed.length} failed.`,
        renderStanding(standing),
      ].join("\n"),
    );
  },
});
