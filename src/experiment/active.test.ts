import { describe, expect, it } from "vitest";
import { twoMoons } from "../data/toy.ts";
import { nodeEngine } from "../engine/node.ts";
import { mlp } from "../models/mlp.ts";
import { type ActiveOptions, type ActiveRound, activeLearning, strategyNames } from "./active.ts";

const engine = nodeEngine({ threads: 1 });
const data = twoMoons(5, { samples: 300 });

async function roundsOf(options: Partial<ActiveOptions>): Promise<ActiveRound[]> {
  const rounds: ActiveRound[] = [];
  const all = { engine, data, model: mlp([2, 16, 2]), strategy: "dfal" as const, steps: 60, batch: 16, seed: 2 };
  for await (const round of activeLearning({ ...all, first: 20, ask: 10, labels: 50, ...options })) rounds.push(round);
  return rounds;
}

describe("activeLearning()", () => {
  it.each(strategyNames)(
    "asks for every sample once, until there are as many as there may be: %s",
    async (strategy) => {
      const rounds = await roundsOf({ strategy });
      expect(rounds.map((r) => r.labels)).toEqual([20, 30, 40, 50]);
      const [first, last] = [rounds[0], rounds[3]];
      expect(new Set(last.asked).size).toBe(50);
      expect(last.asked.slice(0, 20)).toEqual(first.asked);
      // Perturbed copies cost no label.
      expect(last.trained).toBe(strategy === "dfal" ? 80 : 50);
      expect(last.accuracy).toBeGreaterThan(0.7);
    },
  );

  it("asks for what is nearest to the boundary", async () => {
    const distances = new Map<string, number>();
    for (const strategy of ["dfal", "bracket", "uncertainty", "random"] as const) {
      // All begin with one network, and look at the whole pool.
      const [before, after] = await roundsOf({ strategy, labels: 30, candidates: 400 });
      const asked = after.asked.slice(20);
      const { attack } = await import("../attack/attack.ts");
      const { subset } = await import("../data/dataset.ts");
      const found = await attack(before.network, { engine, data: subset(data.train, asked), attacks: ["deepfool"] });
      distances.set(strategy, found.samples.reduce((sum, s) => sum + (s.distance ?? 1), 0) / asked.length);
    }
    const [nearest, ...rest] = ["dfal", "bracket", "uncertainty"].map((s) => distances.get(s) as number);
    expect(nearest).toBeLessThan(0.3 * (distances.get("random") as number));
    for (const other of rest) expect(nearest).toBeLessThanOrEqual(1.01 * other);
  });

  it("ends at a goal, and gives equal rounds for equal options", async () => {
    const rounds = await roundsOf({ goal: 0.5 });
    expect(rounds.length).toBe(1);
    const asked = (all: readonly ActiveRound[]) => all.map((r) => r.asked);
    expect(asked(await roundsOf({}))).toEqual(asked(await roundsOf({})));
  });

  it.each([
    [{ first: 0 }, "first must be a whole number"],
    [{ first: 1000 }, "first must be at most the pool"],
    [{ strategy: "most" as "dfal" }, 'unknown strategy "most"'],
  ])("refuses %j", async (options, message) => {
    await expect(roundsOf(options)).rejects.toThrow(message);
  });
});
