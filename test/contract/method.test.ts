/** @file What is asked of every training method, over the list of their names. */
import { describe, expect, it } from "vitest";
import { twoMoons } from "../../src/data/toy.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { batchNorm } from "../../src/layers/batchNorm.ts";
import { dense } from "../../src/layers/dense.ts";
import { dropout } from "../../src/layers/dropout.ts";
import { sequential } from "../../src/layers/sequential.ts";
import { mlp } from "../../src/models/mlp.ts";
import { mul } from "../../src/ops/arith.ts";
import { type TrainEvent, type TrainOptions, train } from "../../src/train/loop.ts";
import { buildMethod, methodNames, takesTeacher } from "../../src/train/methods.ts";
import { sgd } from "../../src/train/optimizer.ts";
import { constantRate } from "../../src/train/schedule.ts";

const data = twoMoons(3, { samples: 200 });

async function eventsOf(options: Omit<TrainOptions, "engine" | "data">) {
  const events: TrainEvent[] = [];
  for await (const event of train({ engine: nodeEngine(), data, ...options })) events.push(event);
  const epochs = events.flatMap((e) => (e.kind === "epoch" ? [e] : []));
  const end = events.flatMap((e) => (e.kind === "end" ? [e] : []))[0];
  const losses = events.flatMap((e) => (e.kind === "step" ? [e.loss] : []));
  return { losses, epochs, end };
}

describe.each(methodNames)("method contract: %s", (name) => {
  const built = () => buildMethod({ name }, takesTeacher(name) ? (x) => mul(x, 2) : undefined);
  const method = built();

  it("goes by its name", () => {
    expect(method.name).toBe(name);
  });

  it("lowers the loss by two steps", async () => {
    // The whole data in one batch: the losses are of the same samples.
    const { losses } = await eventsOf({
      model: mlp([2, 16, 2]),
      method,
      optimizer: sgd(),
      schedule: constantRate(1e-2),
      batch: data.train.count,
      epochs: 3,
    });
    expect(losses[2]).toBeLessThan(losses[0]);
  });

  it("goes on from a checkpoint to the same numbers, however many steps go through the engine at once", async () => {
    // A method with layers of its own takes a model that can be built from them.
    const model = method.family ? mlp([2, 8, 8, 2]) : sequential([dense(8), batchNorm(), dropout(0.2), dense(2)]);
    const options = { model, method, epochs: 3, batch: 40, seed: 2 };
    const whole = await eventsOf(options);
    const rest = await eventsOf({ ...options, method: built(), resume: whole.epochs[0].checkpoint });
    expect(rest.end).toMatchObject({ variables: whole.end.variables });
    expect(rest.losses).toEqual(whole.losses.slice(4));
    expect(rest.epochs[1].checkpoint).toEqual(whole.epochs[2].checkpoint);
    // 4 steps an epoch: one by one, and 3 and 1, in place of all at once.
    for (const block of [1, 3]) {
      const other = await eventsOf({ ...options, method: built(), block });
      expect(other.losses).toEqual(whole.losses);
      expect(other.epochs[2].checkpoint).toEqual(whole.epochs[2].checkpoint);
    }
  });
});
