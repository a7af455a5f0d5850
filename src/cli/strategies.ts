/** @file The ways to do the runs of a spec: all, the best by successive halving, or those that a search for a goal asks for. */
import type { ComparisonSpec, Contestant, Measure } from "../experiment/comparison.ts";
import type { RunRecord } from "../experiment/record.ts";
import { showPercent, showShort } from "../report/number.ts";
import { bisect, type Goal, meanOf } from "../sweep/goal.ts";
import { halve, rungsOf } from "../sweep/halving.ts";
import type { Ticket } from "../sweep/job.ts";
import { withSetting } from "../sweep/plan.ts";
import { all, type JobRunner, runAll } from "../sweep/sweep.ts";
import { CliError } from "./errors.ts";

export interface Strategy {
  /** The runs that are known from the beginning. */
  first(spec: ComparisonSpec): readonly Contestant[];
  /** Carry out, and say what came of it beside the table. */
  run(surroundings: StrategySurroundings): Promise<Outcome | null>;
}

export interface StrategySurroundings {
  readonly spec: ComparisonSpec;
  /** The jobs of the first runs. */
  readonly first: readonly Ticket[];
  /** Plan more: a job for each seed, started from those of another run. */
  add(runs: readonly Contestant[], start?: (seed: number) => Ticket): Promise<readonly Ticket[]>;
  readonly runner: JobRunner;
  estimate(ticket: Ticket): number;
}

export interface Outcome {
  readonly summary: object;
  readonly lines: readonly string[];
  /** The goal was not reached. */
  readonly failure?: string;
}

/** All, those first that will take longest. One that cannot go on stops the others, which stay as they are. */
export const carryEach: Strategy = {
  first: ({ runs }) => runs,
  async run({ first, runner, estimate }) {
    await runAll(first, runner, estimate);
    return null;
  },
};

/** The best third goes on with three times the epochs, again and again. */
export const carryHalving = (measure: Measure): Strategy => {
  const onRung = ({ label, run }: Contestant, epochs: number): Contestant => ({
    label: `${label} epochs=${epochs}`,
    run: { ...run, epochs },
  });
  const rungs = ({ runs }: ComparisonSpec) => rungsOf(Math.min(...runs.map(({ run }) => run.epochs)), runs.length);
  return {
    first: (spec) => spec.runs.map((contestant) => onRung(contestant, rungs(spec)[0])),
    async run({ spec, first, add, runner }) {
      const epochs = rungs(spec);
      await runner.look(first);
      const climbed = await halve(spec.runs, {
        async score(contestant, rung) {
          const own = onRung(contestant, epochs[rung]);
          const tickets = rung === 0 ? first.filter(({ row }) => row === own.label) : await add([own]);
          // Higher rungs first: they take longest, and decide.
          return meanOf(await recordsIn(tickets, runner, { priority: 1e9 * rung }), measure);
        },
      });
      const last = climbed[climbed.length - 1].map(({ label }) => label);
      const promoted = climbed.map((rung, k) => ({ epochs: epochs[k], runs: rung.map(({ label }) => label) }));
      const counts = promoted.map((rung) => `${rung.runs.length} of ${rung.epochs} epochs`).join(", ");
      return {
        summary: { halving: promoted },
        lines: [`Successive halving by ${measure.name}: runs ${counts}. All epochs: ${last.join("; ")}.`],
      };
    },
  };
};

/** The smallest value of a setting that reaches a goal. Runs between the ends start from the parameters of a neighbour, with half the epochs. */
export const carrySearch = (goal: Goal, key: string, low: number, high: number): Strategy => {
  const at = ({ label, run }: Contestant, value: number): Contestant => {
    const changed = withSetting(run, key, String(value));
    if (!changed) throw new CliError(`--goal: ${label} has no setting "${key}"`);
    return { label: `${label} ${key}=${value}`, run: changed };
  };
  const shorter = ({ label, run }: Contestant): Contestant => ({
    label,
    run: { ...run, epochs: Math.max(1, Math.ceil(run.epochs / 2)) },
  });
  return {
    first(spec) {
      if (spec.runs.length !== 1) throw new CliError(`--goal: is sought for one run, got ${spec.runs.length}`);
      return [at(spec.runs[0], low), at(spec.runs[0], high)];
    },
    async run({ spec, first, add, runner }) {
      const [contestant] = spec.runs;
      await runner.look(first);
      const known = new Map<number, readonly Ticket[]>(
        [low, high].map((value) => [value, first.filter(({ row }) => row === at(contestant, value).label)]),
      );
      const { smallest, tried } = await bisect({
        low,
        high,
        goal,
        async run(value, from) {
          const starts = from === null ? undefined : known.get(from);
          const start =
            starts &&
            ((seed: number) => starts.find(({ job }) => job.kind === "run" && job.spec.seed === seed) as Ticket);
          const tickets = known.get(value) ?? (await add([shorter(at(contestant, value))], start));
          known.set(value, tickets);
          return meanOf(await recordsIn(tickets, runner, { keep: true }, start), goal.measure);
        },
      });
      const shown = (v: number | null) =>
        /^(accuracy|certified|attacked)/.test(goal.words) ? showPercent(v) : v === null ? "-" : showShort(v);
      const path = tried.map(({ value, found }) => `${value} (${shown(found)})`).join(", ");
      const lines = [
        `${goal.words}: ${smallest === null ? `not reached up to ${key}=${high}` : `reached with ${key}=${smallest}, the smallest that was found`}. Tried: ${path}.`,
      ];
      const summary = { goal: goal.words, setting: key, smallest, tried };
      return smallest === null
        ? { summary, lines, failure: `--goal ${goal.words}: is not reached up to ${key}=${high}` }
        : { summary, lines };
    },
  };
};

// --- internal ---

/** The records of the runs of several seeds; none where one of them failed. */
async function recordsIn(
  tickets: readonly Ticket[],
  { runJob }: JobRunner,
  options: { readonly priority?: number; readonly keep?: boolean },
  start?: (seed: number) => Ticket,
): Promise<readonly RunRecord[]> {
  const records = await all(
    tickets.map((ticket) =>
      runJob(ticket, { ...options, ...(start && ticket.job.kind === "run" && { start: start(ticket.job.spec.seed) }) }),
    ),
  );
  // Out of jobs: what is known is shown, and the same command goes on.
  if (records.some((record) => record === null)) throw new OutOfJobs();
  return records.every((record) => record?.status === "done")
    ? records.map((record) => (record as { readonly value: RunRecord }).value)
    : [];
}

/** The limit of jobs is reached before the strategy knows its end. */
export class OutOfJobs extends Error {
  override name = "OutOfJobs";
}
