/** @file lipschitz status DIR | URL: how a sweep stands, also while it runs; or who is at a queue, and what is in it. */
import { type Queued, queued } from "../../sweep/queue.ts";
import { type JobRecord, recordsOf } from "../../sweep/record.ts";
import { shownUrl } from "../../sweep/redis.ts";
import { folderStore } from "../../sweep/store.ts";
import { printable } from "../../tensor/printable.ts";
import { command } from "../command.ts";
import { readPlan, renderStanding, standingOf } from "../sweepFolder.ts";

export const status = command({
  name: "status",
  description:
    "Say how a sweep stands: what is done, what failed and why, what is left; or of a queue, which workers are there",
  example: "lipschitz status runs/sweep",
  args: {
    of: { type: "positional", required: true, description: "The folder of a sweep, or redis://host:port" },
  },
  async run({ of: folder }, { result }) {
    if (/^rediss?:/.test(folder)) {
      const found = await queued(folder);
      result({ of: shownUrl(folder), ...found }, () => renderQueue(shownUrl(folder), found));
      return;
    }
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

// --- internal ---

function renderQueue(url: string, { waiting, active, workers }: Queued): string {
  const jobs = (n: number) => `${n} ${n === 1 ? "job" : "jobs"}`;
  return [
    `${url}: ${jobs(waiting)} waiting, ${active} at work.`,
    ...workers.map(({ name, version, workers: n, busy }) =>
      printable(`worker ${name}: at ${busy} of ${jobs(n)} at a time, version ${version}`),
    ),
    ...(workers.length === 0 ? ["No worker is there: start one by lipschitz worker --redis URL"] : []),
  ].join("\n");
}
