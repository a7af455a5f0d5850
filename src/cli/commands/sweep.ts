/** @file lipschitz sweep SPEC: many runs, on the cores of this machine or on workers anywhere, into one folder. */
import { parseComparison } from "../../experiment/comparison.ts";
import type { RunRecord } from "../../experiment/record.ts";
import { estimator } from "../../sweep/estimate.ts";
import type { Ticket } from "../../sweep/job.ts";
import { expand, inDataDir, parseGrid, planRuns } from "../../sweep/plan.ts";
import { type JobRecord, recordsOf } from "../../sweep/record.ts";
import { folderStore } from "../../sweep/store.ts";
import { carryAll } from "../../sweep/sweep.ts";
import { command } from "../command.ts";
import { dataOptions } from "../data.ts";
import { CliError } from "../errors.ts";
import { readJson } from "../files.ts";
import { parseNumber, parseWhole } from "../options.ts";
import { openFolder } from "../output.ts";
import { openBackend, redisOption, workersOption } from "../pooled.ts";
import { growing, renderStanding, standingOf, writePlan, writeStanding } from "../sweepFolder.ts";

export const sweep = command({
  name: "sweep",
  description: "Carry out a spec for every value of a grid and every seed, each run once, and compare the runs",
  example: "lipschitz sweep spec.json --grid gamma=1,2,5 --seeds 5 --out runs/sweep",
  args: {
    spec: { type: "positional", required: false, description: "A JSON file, as lipschitz run takes it" },
    grid: {
      type: "string",
      description: "Values to try, apart by semicolons: 'gamma=1,2,5;epochs=10,20'",
      valueHint: "K=A,B",
    },
    seeds: { type: "string", description: "How many seeds, from the spec's first on", valueHint: "N" },
    ...workersOption,
    ...redisOption,
    "data-dir": dataOptions["data-dir"],
    seconds: { type: "string", description: "Stop after so long; the same command goes on", valueHint: "T" },
    jobs: { type: "string", description: "Begin at most so many jobs; the same command goes on", valueHint: "N" },
    retry: { type: "boolean", description: "Try again what has failed" },
    out: { type: "string", description: "Folder for models, records and the report", valueHint: "DIR" },
  },
  goOn: () => "what is done is kept: the same command goes on from there",
  async run(args, { progress, signal, result }) {
    if (args.spec === undefined) throw new CliError("sweep: missing SPEC, a JSON file");
    if (args.out === undefined) throw new CliError("sweep: missing --out DIR, where models and records shall go");
    const folder = args.out;
    const grid = args.grid === undefined ? [] : parseGrid(args.grid);
    const seeds = args.seeds === undefined ? undefined : parseWhole("--seeds", args.seeds, 1);
    const jobs = args.jobs === undefined ? undefined : parseWhole("--jobs", args.jobs, 1);
    const limit = args.seconds === undefined ? undefined : parseNumber("--seconds", args.seconds, { above: 0 });
    const spec = expand(parseComparison(await readJson(args.spec)), grid, seeds);
    const dataDir = args["data-dir"];
    // Workers elsewhere know files by where they are in the folder of data.
    const away = args.redis !== undefined;
    const tickets = away
      ? await planRuns(inDataDir(spec, dataDir), { dataDir, base: dataDir })
      : await planRuns(spec, { dataDir });
    await openFolder(folder);
    await openFolder(`${folder}/jobs`);
    await writePlan(folder, spec, tickets);

    const store = folderStore(folder);
    const clock = new AbortController();
    const timer = limit === undefined ? undefined : setTimeout(() => clock.abort(), 1000 * limit);
    const records = new Map<string, JobRecord>();
    const bar = progress.bar("sweep", tickets.length);
    const standing = () => standingOf(tickets, records);
    const table = growing(() => writeStanding(folder, spec, tickets, standing()));
    const backend = await openBackend(args, {
      store,
      folder,
      dataDir,
      progress,
      signal: AbortSignal.any([signal, clock.signal]),
      jobs: tickets.length,
    });
    const estimate = estimator(await earlier(store, tickets));
    try {
      await carryAll(tickets, {
        backend,
        store,
        jobs,
        retry: args.retry,
        estimate: ({ job }) => estimate(job),
        onRecord(ticket, record) {
          records.set(ticket.id, record);
          bar.at(records.size);
          table.grow();
        },
      }).catch((error: unknown) => {
        // Out of time is no failure; an interruption is one, after the table is written.
        if (!clock.signal.aborted || signal.aborted) throw error;
      });
    } finally {
      clearTimeout(timer);
      await backend.close();
      await table.last();
    }
    bar.done();
    const end = standing();
    const summary = {
      out: folder,
      jobs: tickets.length,
      done: tickets.length - end.left - end.failed.length,
      failed: end.failed,
      left: end.left,
    };
    result({ ...summary, rows: end.rows }, () =>
      [
        renderStanding(end),
        `Written to ${folder}: report.html, table.txt, record.json, and in <run>/seed-<n> the files of every run.`,
      ].join("\n"),
    );
    if (end.failed.length > 0) {
      throw new CliError(
        `${end.failed.length} of ${tickets.length} jobs failed; with --retry the same command tries them again`,
        3,
      );
    }
  },
});

// --- internal ---

/** The runs that the folder has already: their times say which of the others will take long. */
async function earlier(
  store: ReturnType<typeof folderStore>,
  tickets: readonly Ticket[],
): Promise<readonly RunRecord[]> {
  const records = await recordsOf(store, tickets);
  return records.flatMap((record) => (record?.status === "done" ? [record.value as RunRecord] : []));
}
