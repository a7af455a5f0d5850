/** @file Tests of halving.ts and goal.ts: who is promoted, in whatever order runs end; what a bisection tries. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Contestant } from "../experiment/comparison.ts";
import type { RunRecord } from "../experiment/record.ts";
import { defaultsFor } from "../experiment/spec.ts";
import { bisect, meanOf, parseGoal, reaches } from "./goal.ts";
import { halve, rungsOf } from "./halving.ts";

const contestants = (n: number, epochs: number): Contestant[] =>
  Array.from({ length: n }, (_, i) => ({ label: `run ${i}`, run: { ...defaultsFor("plain"), epochs, seed: i } }));
const names = (rungs: readonly (readonly Contestant[])[]) => rungs.map((rung) => rung.map(({ label }) => label));

describe("successive halving", () => {
  it("has as many rungs as runs and epochs can be divided", () => {
    expect(rungsOf(27, 27)).toEqual([1, 3, 9, 27]);
    expect(rungsOf(20, 9)).toEqual([2, 7, 20]);
    expect(rungsOf(20, 2)).toEqual([20]);
    expect(rungsOf(1, 100)).toEqual([1]);
  });

  it("promotes the same runs in whatever order they end", async () => {
    const values = fc.array(fc.option(fc.integer({ min: 0, max: 5 }), { nil: null }), { minLength: 1, maxLength: 14 });
    const delays = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 40, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(values, delays, async (scores, waits) => {
        const all = contestants(scores.length, 9);
        let asked = 0;
        const late = async (contestant: Contestant, rung: number) => {
          for (let turns = waits[asked++ % waits.length]; turns > 0; turns--) await null;
          const value = scores[all.indexOf(contestant)];
          return value === null ? null : value + rung;
        };
        const rungs = names(await halve(all, { score: late }));
        const atOnce = names(
          await halve(all, {
            score: async (c, rung) => (scores[all.indexOf(c)] === null ? null : Number(scores[all.indexOf(c)]) + rung),
          }),
        );
        expect(rungs).toEqual(atOnce);
        expect(rungs[0]).toHaveLength(scores.length);
        for (const [k, rung] of rungs.entries()) {
          expect(new Set(rung).size).toBe(rung.length);
          if (k === 0) continue;
          // The best of those below is among them, unless all failed.
          const of = (label: string) => scores[Number(label.split(" ")[1])] ?? -1;
          const top = Math.max(...rungs[k - 1].map(of));
          expect(rung.length).toBe(top < 0 ? 0 : Math.max(1, rung.length));
          if (top >= 0) expect(rung.every((label) => rungs[k - 1].includes(label) && of(label) >= 0)).toBe(true);
        }
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it("lets the best of all reach the last rung", async () => {
    const all = contestants(27, 27);
    const rungs = names(await halve(all, { score: async ({ label }) => Number(label.split(" ")[1]) }));
    expect(rungs.map((rung) => rung.length)[0]).toBe(27);
    expect(rungs[3]).toContain("run 26");
    expect(rungs[1].length).toBeLessThan(27);
  });

  it("ends with the failure that ends the sweep", async () => {
    const stop = async () => Promise.reject(new Error("full"));
    await expect(halve(contestants(9, 9), { score: stop })).rejects.toThrow("full");
  });
});

describe("a goal", () => {
  it("reads measures, relations and per cents", () => {
    const goal = parseGoal("certified@0.5>=80", [0.1, 0.5]);
    expect([goal.relation, goal.value]).toEqual([">=", 0.8]);
    const record = { certified: [{ accuracy: 0.9 }, { accuracy: 0.7 }] } as unknown as RunRecord;
    expect(meanOf([record, record], goal.measure)).toBe(0.7);
    expect([reaches(goal, 0.8), reaches(goal, 0.79), reaches(goal, null)]).toEqual([true, false, false]);
    expect(parseGoal("upper <= 3", []).value).toBe(3);
    expect(() => parseGoal("certified@0.3>=80", [0.5])).toThrow(
      /unknown measure "certified@0.3"; known: .*certified@0.5/,
    );
    expect(() => parseGoal("accuracy=80", [])).toThrow(/must be as certified@0.5>=80/);
  });

  it("is bisected to the smallest value that reaches it, from the nearest that does", async () => {
    const goal = parseGoal("accuracy>=50", []);
    const starts: (number | null)[][] = [];
    const run = async (value: number, from: number | null) => {
      starts.push([value, from]);
      return value >= 3 ? 0.6 : 0.4;
    };
    const { smallest, tried } = await bisect({ low: 1, high: 16, goal, run });
    expect(smallest).toBeGreaterThanOrEqual(3);
    expect(smallest).toBeLessThan(3.2);
    expect(starts.slice(0, 4)).toEqual([
      [1, null],
      [16, null],
      [4, 16],
      [2, 4],
    ]);
    expect(tried.every(({ value, reached }) => reached === value >= 3)).toBe(true);
  });

  it("says where no value reaches it, or the smallest does", async () => {
    const goal = parseGoal("accuracy>=50", []);
    expect(await bisect({ low: 1, high: 2, goal, run: async () => 0.1 })).toMatchObject({
      smallest: null,
      tried: [{}, {}],
    });
    expect(await bisect({ low: 1, high: 2, goal, run: async () => 0.9 })).toMatchObject({ smallest: 1 });
    expect(await bisect({ low: 1, high: 2, goal, run: async () => null })).toMatchObject({ smallest: null });
  });
});
