/** @file Tests of plan.ts, job.ts and estimate.ts: which jobs there are, and what they are called. */
import { describe, expect, it } from "vitest";
import { parseComparison } from "../experiment/comparison.ts";
import type { RunRecord } from "../experiment/record.ts";
import { estimator } from "./estimate.ts";
import { canonical, idOf, type RunJob } from "./job.ts";
import { expand, parseGrid, planRuns } from "./plan.ts";

const spec = parseComparison({
  seeds: [3],
  common: { data: "two-moons", model: { kind: "mlp", widths: [4] }, epochs: 2 },
  runs: [{ method: { name: "plain" } }, { method: { name: "lbdn" } }, { label: "steep", method: { name: "clip" } }],
});

describe("a grid", () => {
  it("is every combination where a run has the settings, and leaves the others as they are", () => {
    const { runs, seeds } = expand(spec, parseGrid("gamma=1,2.5;epochs=2,4"), 2);
    expect(seeds).toEqual([3, 4]);
    const of = (name: string) => runs.filter(({ run }) => run.method.name === name);
    expect(of("plain").map(({ label, run }) => [label, run.epochs])).toEqual([
      ["plain epochs=2", 2],
      ["plain epochs=4", 4],
    ]);
    expect(of("lbdn").map(({ label, run }) => [label, run.method.gamma, run.epochs])).toEqual([
      ["lbdn gamma=1 epochs=2", 1, 2],
      ["lbdn gamma=1 epochs=4", 1, 4],
      ["lbdn gamma=2.5 epochs=2", 2.5, 2],
      ["lbdn gamma=2.5 epochs=4", 2.5, 4],
    ]);
  });

  it("knows settings by their options, a penalty's weight as lambda, widths, and words", () => {
    const { runs } = expand(spec, parseGrid("lambda=0.5;widths=8,8x4;optimizer=adam,sgd"));
    expect(
      runs
        .filter(({ label }) => label.startsWith("steep"))
        .map(({ run }) => [run.method.weight, run.model.widths, run.optimizer]),
    ).toEqual([
      [0.5, [8], "adam"],
      [0.5, [8], "sgd"],
      [0.5, [8, 4], "adam"],
      [0.5, [8, 4], "sgd"],
    ]);
  });

  it.each([
    ["gamma", /must be NAME=VALUE/],
    ["gamma=1,1", /different values/],
    ["gamma=1;gamma=2", /gamma twice/],
    ["gama=1", /unknown setting "gama"; known: .*gamma/],
    ["gamma=0", /--grid gamma: must be a number above 0, got 0/],
    ["epochs=1.5", /\$\.epochs: must be a whole number/],
    ["widths=axb", /\$\.model\.widths: must be a list of whole numbers/],
  ])("refuses %s", (words, message) => {
    expect(() => expand(spec, parseGrid(words))).toThrow(message);
  });
});

describe("the name of a job", () => {
  it("is its content: equal for equal specs in any order, another for other samples, starts and seeds", async () => {
    const [one] = await planRuns(spec);
    const again = await planRuns(expand(spec, [], 2));
    expect(again.map(({ id }) => id)).toContain(one.id);
    expect(new Set(again.map(({ id }) => id)).size).toBe(6);
    expect(one.id).toMatch(/^run-[0-9a-f]{32}$/);
    const job = one.job as RunJob;
    const reordered = {
      data: { test: job.data.test, train: job.data.train },
      spec: Object.fromEntries(Object.entries(job.spec).reverse()),
      kind: job.kind,
    };
    expect(idOf(reordered as unknown as RunJob)).toBe(one.id);
    expect(idOf({ ...job, data: { ...job.data, test: "0".repeat(64) } })).not.toBe(one.id);
    expect(idOf({ ...job, start: one.id })).not.toBe(one.id);
    expect(canonical({ b: [{ d: 1, c: 2 }], a: null })).toBe('{"a":null,"b":[{"c":2,"d":1}]}');
  });

  it("is given only to what goes with its data", async () => {
    const wrong = expand(spec, parseGrid("loss=squared-error"));
    await expect(
      planRuns({ ...wrong, runs: wrong.runs.map(({ label, run }) => ({ label, run: { ...run, batch: 5000 } })) }),
    ).rejects.toThrow(/batch must not be larger/);
  });
});

describe("an estimate", () => {
  it("is that of like runs, times their epochs", async () => {
    const [plain, lbdn] = await planRuns(spec);
    const record = (job: RunJob, train: number, bound: number) =>
      ({ spec: job.spec, seconds: { train, bound, certify: 0, attack: 0, curvature: 0 } }) as unknown as RunRecord;
    const estimate = estimator([record(lbdn.job as RunJob, 8, 1)]);
    const longer = { ...(lbdn.job as RunJob), spec: { ...(lbdn.job as RunJob).spec, epochs: 10 } };
    expect([estimate(lbdn.job), estimate(longer), estimate(plain.job)]).toEqual([9, 41, 9]);
    expect(estimator([])(longer)).toBe(10);
  });
});
