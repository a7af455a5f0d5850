/** @file A training that starts from the parameters of an earlier one. */
import { describe, expect, it } from "vitest";
import { iris } from "../data/iris.ts";
import { nodeEngine } from "../engine/node.ts";
import { mlp } from "../models/mlp.ts";
import { type Checkpoint, type TrainOptions, train } from "./loop.ts";

const engine = nodeEngine({ threads: 1 });

async function trained(
  options: Partial<TrainOptions>,
): Promise<{ readonly losses: readonly number[]; readonly last: Checkpoint }> {
  const losses: number[] = [];
  let last: Checkpoint | undefined;
  const model = mlp([4, 8, 3]);
  for await (const event of train({ engine, data: await iris(), model, epochs: 5, batch: 16, seed: 1, ...options })) {
    if (event.kind === "step") losses.push(event.loss);
    if (event.kind === "epoch") last = event.checkpoint;
  }
  return { losses, last: last as Checkpoint };
}

describe("train({ start })", () => {
  it("begins where the other ended, counts from 0, and gives the same numbers again", async () => {
    const cold = await trained({ epochs: 10 });
    const [warm, again] = [
      await trained({ start: cold.last.state, seed: 2 }),
      await trained({ start: cold.last.state, seed: 2 }),
    ];
    expect(warm.losses[0]).toBeLessThan(0.8 * cold.losses[0]);
    expect(warm.losses).toEqual(again.losses);
    expect([warm.last.epoch, warm.last.step]).toEqual([5, warm.losses.length]);
  });

  it("refuses the parameters of another model", async () => {
    const { last } = await trained({ epochs: 1 });
    await expect(trained({ model: mlp([4, 6, 3]), start: last.state })).rejects.toThrow(/another model/);
  });
});
