/** @file Tests of strategies.ts: which jobs halving and a search ask for, with results that are made up. */
import { describe, expect, it } from "vitest";
import { type ComparisonSpec, type Contestant, measures, parseComparison } from "../experiment/comparison.ts";
import { parseGoal } from "../sweep/goal.ts";
import { idOf, type RunJob, type Ticket } from "../sweep/job.ts";
import { expand, parseGrid } from "../sweep/plan.ts";
import { doneRecord, failedRecord } from "../sweep/record.ts";
import type { JobRunner } from "../sweep/sweep.ts";
import { carryHalving, carrySearch, OutOfJobs, type Strategy } from "./strategies.ts";

const spec = parseComparison({ seeds: [1, 2], common: { epochs: 9 }, runs: [{ method: { name: "lbdn" } }] });

interface Asked {
  readonly row: string;
  readonly seed: number;
  readonly start: string | undefined;
  readonly keep: boolean | undefined;
}

/** Carry a strategy out with an accuracy for each job; what was asked, and what came of it. */
async function carriedOut(strategy: Strategy, of: ComparisonSpec, accuracy: (job: RunJob) => number | null) {
  const asked: Asked[] = [];
  const tickets: Ticket[] = [];
  const ticketsOf = (runs: readonly Contestant[], start?: (seed: number) => Ticket) => {
    const more = runs.flatMap(({ label, run }) =>
      of.seeds.map((seed): Ticket => {
        const job: RunJob = {
          kind: "run",
          spec: { ...run, seed },
          data: { train: "", test: "" },
          ...(start && { start: start(seed).id }),
        };
        return { id: idOf(job), job, label, row: label };
      }),
    );
    tickets.push(...more);
    return more;
  };
  const runner: JobRunner = {
    look: async () => undefined,
    async runJob({ id, job, row = "" }, { start, keep } = {}) {
      const own = job as RunJob;
      asked.push({ row, seed: own.spec.seed, start: start?.row, keep });
      const value = accuracy(own);
      if (value === null) return failedRecord(id, "no");
      return doneRecord(id, { value: { accuracy: value, spec: own.spec }, files: [], seconds: 0 });
    },
  };
  const first = ticketsOf(strategy.first(of));
  const found = await strategy.run({
    spec: of,
    first,
    add: async (runs, start) => ticketsOf(runs, start),
    runner,
    estimate: () => 0,
  });
  return { asked, tickets, found };
}

describe("--halving", () => {
  it("gives all few epochs, and the best third three times as many, every seed counted", async () => {
    const grid = expand(spec, parseGrid("gamma=1,2,3,4,5,6,7,8,9"));
    const { tickets, found } = await carriedOut(
      carryHalving(measures.accuracy),
      grid,
      (job) => Number(job.spec.method.gamma) / 10 + job.spec.seed / 100,
    );
    const rows = (epochs: number) =>
      new Set(tickets.filter(({ job }) => (job as RunJob).spec.epochs === epochs).map(({ row }) => row));
    expect([rows(1).size, rows(9).size >= 1]).toEqual([9, true]);
    expect([...rows(9)]).toContain("lbdn gamma=9 epochs=9");
    expect(rows(3).size).toBeLessThan(9);
    expect(tickets.every(({ row }) => [...tickets].filter((t) => t.row === row).length === 2)).toBe(true);
    expect(found?.lines[0]).toMatch(
      /^Successive halving by accuracy: runs 9 of 1 epochs, \d of 3 epochs, \d of 9 epochs/,
    );
  });
});

describe("--goal", () => {
  const goal = parseGoal("accuracy>=50", []);
  const reached = (job: RunJob) => (Number(job.spec.method.gamma) >= 3 ? 0.6 : 0.4);

  it("bisects, each run started from the nearest that reached it, seed by seed, with half the epochs", async () => {
    const { asked, tickets, found } = await carriedOut(carrySearch(goal, "gamma", 1, 16), spec, reached);
    const smallest = (found?.summary as { readonly smallest?: number } | undefined)?.smallest ?? Number.NaN;
    expect(smallest).toBeGreaterThanOrEqual(3);
    expect(smallest).toBeLessThan(3.3);
    const warm = asked.filter(({ start }) => start !== undefined);
    expect(warm[0]).toEqual({ row: "lbdn gamma=4", seed: 1, start: "lbdn gamma=16", keep: true });
    expect(asked.filter(({ start }) => start === undefined).map(({ row }) => row)).toEqual([
      "lbdn gamma=1",
      "lbdn gamma=1",
      "lbdn gamma=16",
      "lbdn gamma=16",
    ]);
    const four = tickets.filter(({ row }) => row === "lbdn gamma=4").map(({ job }) => job as RunJob);
    const sixteen = tickets.filter(({ row }) => row === "lbdn gamma=16");
    expect(four.map((job) => [job.spec.epochs, job.start])).toEqual(sixteen.map(({ id }) => [5, id]));
    expect(found?.lines[0]).toMatch(
      /^accuracy>=50: reached with gamma=3\.\d+, the smallest that was found\. Tried: 1 \(40\.0 %\), 16 \(60\.0 %\), 4 /,
    );
  });

  it("fails where no value reaches it, and a failed run does not reach it", async () => {
    const { found } = await carriedOut(carrySearch(goal, "gamma", 1, 2), spec, () => null);
    expect(found).toMatchObject({
      failure: "--goal accuracy>=50: is not reached up to gamma=2",
      summary: { smallest: null },
    });
  });

  it("refuses several runs, settings that are none, and ends where jobs are out", async () => {
    const two = parseComparison({ runs: [{ method: { name: "plain" } }, { method: { name: "lbdn" } }] });
    expect(() => carrySearch(goal, "gamma", 1, 2).first(two)).toThrow(/is sought for one run, got 2/);
    expect(() => carrySearch(goal, "speed", 1, 2).first(spec)).toThrow(/lbdn has no setting "speed"/);
    const out: JobRunner = { look: async () => undefined, runJob: async () => null };
    const asked = carrySearch(goal, "gamma", 1, 2).run({
      spec,
      first: [
        {
          id: "run-1",
          job: { kind: "run", spec: spec.runs[0].run, data: { train: "", test: "" } },
          label: "",
          row: "lbdn gamma=1",
        },
      ],
      add: async () => [],
      runner: out,
      estimate: () => 0,
    });
    await expect(asked).rejects.toThrow(OutOfJobs);
  });
});
