/** @file lipschitz sweep SPEC: many runs, on the cores of this machine or on workers anywhere, into one folder. */
import { type ComparisonSpec, type Contestant, parseComparison } from "../../experiment/comparison.ts";
import type { RunRecord } from "../../experiment/record.ts";
import { estimator } from "../../sweep/estimate.ts";
import { parseGoal, parseMeasure } from "../../sweep/goal.ts";
import type { Ticket } from "../../sweep/job.ts";
import { expand, inDataDir, parseGrid, planner } from "../../sweep/plan.ts";
import { type JobRecord, recordsOf } from "../../sweep/record.ts";
import { folderStore, type Store } from "../../sweep/store.ts";
import { jobRunner } from "../../sweep/sweep.ts";
import { command } from "../command.ts";
import { dataOptions } from "../data.ts";
import { CliError } from "../errors.ts";
import { readJson } from "../files.ts";
import { parseNumber, parseWhole } from "../options.ts";
import { openFolder } from "../output.ts";
import { openBackend, redisOption, workersOption } from "../pooled.ts";
import { carryEach, carryHalving, carrySearch, OutOfJobs, type Strategy } from "../strategies.ts";
import { growing, renderStanding, standingOf, writePlan, writeStanding } from "../sweepFolder.ts";

export const sweep = command({
  name: "sweep",
  description: "Carry out a spec for every value of a grid and every seed, each run once, and compare the runs",
  example: "lipschitz sweep spec.json --grid gamma=1,2,5 --seeds 5 --out runs/sweep",
  args: {
    spec: { type: "positional", required: false, description: "A JSON file, as lipschitz run takes it" },
    grid: {
      type: "string",
      description:
        "Values to try, apart by semicolons: 'gamma=1,2,5;epochs=10,20'; with --goal the two ends: gamma=0.5,8",
      valueHint: "K=A,B",
    },
    seeds: { type: "string", description: "How many seeds, from the spec's first on", valueHint: "N" },
    ...workersOption,
    ...redisOption,
    "data-dir": dataOptions["data-dir"],
    halving: {
      type: "string",
      description:
        "Successive halving: few epochs for all, three times as many for the best third by this: accuracy, certified@R",
      valueHint: "MEASURE",
    },
    goal: {
      type: "string",
      description: "Search the smallest value of the grid's setting that reaches this: 'certified@0.5>=80'",
      valueHint: "GOAL",
    },
    seconds: { type: "string", description: "Stop after so long; the same command goes on", valueHint: "T" },
    jobs: { type: "string", description: "Begin at most so many jobs; the same command goes on", valueHint: "N" },
    retry: { type: "boolean", description: "Try again what has failed" },
    "plan-only": {
      type: "boolean",
      description: "Write the plan and do nothing: lipschitz worker --slice does parts of it",
    },
    out: { type: "string", description: "Folder for models, records and the report", valueHint: "DIR" },
  },
  goOn: () => "what is done is kept: the same command goes on from there",
  async run(args, { progress, signal, result }) {
    if (args.spec === undefined) throw new CliError("sweep: missing SPEC, a JSON file");
    if (args.out === undefined) throw new CliError("sweep: missing --out DIR, where models and records shall go");
    const folder = args.out;
    const seeds = args.seeds === undefined ? undefined : parseWhole("--seeds", args.seeds, 1);
    const jobs = args.jobs === undefined ? undefined : parseWhole("--jobs", args.jobs, 1);
    const limit = args.seconds === undefined ? undefined : parseNumber("--seconds", args.seconds, { above: 0 });
    const whole = expand(parseComparison(await readJson(args.spec)), [], seeds);
    const dataDir = args["data-dir"];
    // Workers elsewhere know files by where they are in the folder of data.
    const away = args.redis !== undefined;
    const { spec, strategy } = strategyOf(away ? inDataDir(whole, dataDir) : whole, args);
    const plan = planner({ dataDir, ...(away && { base: dataDir }) });

    const tickets: Ticket[] = [];
    const add = async (runs: readonly Contestant[], start?: (seed: number) => Ticket): Promise<readonly Ticket[]> => {
      const more = await plan({ runs, seeds: spec.seeds }, start);
      tickets.push(...more);
      return more;
    };
    // What does not go with its data is refused before the first run begins.
    const first = await add(strategy.first(spec));
    await openFolder(folder);
    await openFolder(`${folder}/jobs`);
    await writePlan(folder, spec, tickets);
    if (args["plan-only"]) {
      if (args.halving !== undefined || args.goal !== undefined) {
        throw new CliError(
          "--plan-only: a plan is of all runs, and --halving and --goal decide on the way which there are; give one",
        );
      }
      result(
        { out: folder, jobs: tickets.length },
        () => `Written to ${folder}: sweep.json, a plan of ${tickets.length} jobs.`,
      );
      return;
    }

    const store = folderStore(folder);
    const clock = new AbortController();
    const timer = limit === undefined ? undefined : setTimeout(() => clock.abort(), 1000 * limit);
    const records = new Map<string, JobRecord>();
    const bar = progress.bar("sweep", tickets.length);
    const standing = () => standingOf(tickets, records);
    const table = growing(() => writeStanding(folder, spec, tickets, standing()));
    const estimate = estimator(await earlier(store, tickets));
    const backend = await openBackend(args, {
      store,
      folder,
      dataDir,
      progress,
      signal: AbortSignal.any([signal, clock.signal]),
      jobs: tickets.length,
    });
    const runner = jobRunner({
      backend,
      store,
      jobs,
      retry: args.retry,
      estimate: ({ job }) => estimate(job),
      onRecord(ticket, record) {
        records.set(ticket.id, record);
        bar.at(Math.min(records.size, tickets.length));
        table.grow();
      },
    });
    let found: Awaited<ReturnType<Strategy["run"]>> = null;
    try {
      found = await strategy
        .run({ spec, first, add, runner, estimate: ({ job }) => estimate(job) })
        .catch((error: unknown) => {
          // Out of time, or of jobs, is no failure; an interruption is one, after the table is written.
          if (error instanceof OutOfJobs || (clock.signal.aborted && !signal.aborted)) return null;
          throw error;
        });
    } finally {
      clearTimeout(timer);
      await backend.close();
      await writePlan(folder, spec, tickets);
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
      ...found?.summary,
    };
    result({ ...summary, rows: end.rows }, () =>
      [
        renderStanding(end),
        ...(found?.lines ?? []),
        `Written to ${folder}: report.html, table.txt, record.json, and in <run>/seed-<n> the files of every run.`,
      ].join("\n"),
    );
    if (found?.failure !== undefined) throw new CliError(found.failure, 3);
    if (end.failed.length > 0) {
      const all = tickets.length;
      throw new CliError(
        `${end.failed.length} of ${all} jobs failed; with --retry the same command tries them again`,
        3,
      );
    }
  },
});

// --- internal ---

interface Words {
  readonly grid?: string;
  readonly halving?: string;
  readonly goal?: string;
}

/** How the runs of a spec are carried out: all of them, the best of them, or those that a search asks for. */
function strategyOf(
  whole: ComparisonSpec,
  { grid = "", halving, goal }: Words,
): { readonly spec: ComparisonSpec; readonly strategy: Strategy } {
  const values = grid === "" ? [] : parseGrid(grid);
  const { radii } = whole.runs[0].run;
  if (goal !== undefined) {
    if (halving !== undefined) throw new CliError("--halving: looks at all values, and --goal seeks one; give one");
    const [ends] = values;
    const [low, high] = ends?.values.map(Number) ?? [];
    if (values.length !== 1 || ends.values.length !== 2 || !(low >= 0 && high > low)) {
      throw new CliError("--goal: needs --grid NAME=LOW,HIGH, the setting to search and the ends of the search");
    }
    return { spec: whole, strategy: carrySearch(parseGoal(goal, radii), ends.key, low, high) };
  }
  const spec = expand(whole, values);
  if (halving === undefined) return { spec, strategy: carryEach };
  return { spec, strategy: carryHalving(parseMeasure("--halving", halving === "" ? "accuracy" : halving, radii)) };
}

/** The runs that the folder has already: their times say which of the others will take long. */
async function earlier(store: Store, tickets: readonly Ticket[]): Promise<readonly RunRecord[]> {
  const records = await recordsOf(store, tickets);
  return records.flatMap((record) => (record?.status === "done" ? [record.value as RunRecord] : []));
}
