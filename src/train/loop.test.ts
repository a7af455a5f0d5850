/** @file Tests of loop.ts: what is yielded, what repeats to the bit, and how a run ends. */
import { describe, expect, it } from "vitest";
import { subset, take } from "../data/dataset.ts";
import { digits } from "../data/digits.ts";
import { iris } from "../data/iris.ts";
import { squareWave, twoMoons } from "../data/toy.ts";
import type { Engine } from "../engine/engine.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import { activation } from "../layers/activation.ts";
import { batchNorm } from "../layers/batchNorm.ts";
import { dense } from "../layers/dense.ts";
import { dropout } from "../layers/dropout.ts";
import { sequential } from "../layers/sequential.ts";
import { convnet } from "../models/convnet.ts";
import { mlp } from "../models/mlp.ts";
import { add } from "../ops/arith.ts";
import { UsageError } from "../tensor/errors.ts";
import { scalar, tensor, zeros } from "../tensor/tensor.ts";
import { type Checkpoint, type TrainEvent, type TrainOptions, train } from "./loop.ts";
import type { EpochSummary, Method } from "./method.ts";
import { sgd } from "./optimizer.ts";
import { weightDecay } from "./plain.ts";
import { constantRate, cosine, type Schedule } from "./schedule.ts";

const engine = nodeEngine();
const moons = twoMoons(1, { samples: 200 });
const small: TrainOptions = { engine, data: moons, model: mlp([2, 8, 2]), epochs: 3, batch: 32, seed: 4 };

async function eventsOf(options: TrainOptions): Promise<TrainEvent[]> {
  const events: TrainEvent[] = [];
  for await (const event of train(options)) events.push(event);
  return events;
}

type Of<K extends TrainEvent["kind"]> = Extract<TrainEvent, { kind: K }>;
const only = <K extends TrainEvent["kind"]>(events: readonly TrainEvent[], kind: K) =>
  events.filter((e): e is Of<K> => e.kind === kind);

/** An engine that counts the programs that are open. */
function countingEngine(): { engine: Engine; counts: { made: number; open: number } } {
  const counts = { made: 0, open: 0 };
  const counted = <P extends { dispose(): Promise<void> }>(program: P): P => {
    counts.made++;
    counts.open++;
    return {
      ...program,
      async dispose() {
        counts.open--;
        await program.dispose();
      },
    };
  };
  return {
    counts,
    engine: {
      ...engine,
      compile: async (outputs) => counted(await engine.compile(outputs)),
      iterate: async (iteration) => counted(await engine.iterate(iteration)),
    },
  };
}

describe("train()", () => {
  it("yields start, the steps and the end of every epoch, and the end", async () => {
    const events = await eventsOf(small);
    // 160 samples make 5 batches of 32.
    const epoch = [...Array(5).fill("step"), "epoch"];
    expect(events.map((e) => e.kind)).toEqual(["start", ...epoch, ...epoch, ...epoch, "end"]);
    expect(events[0]).toEqual({ kind: "start", epochs: 3, stepsPerEpoch: 5, parameters: 2 * 8 + 8 + 8 * 2 + 2 });
    expect(only(events, "step").map((e) => [e.epoch, e.step])).toEqual(
      Array.from({ length: 15 }, (_, i) => [Math.floor(i / 5) + 1, i + 1]),
    );
    for (const [i, e] of only(events, "epoch").entries()) {
      expect([e.epoch, e.epochs, e.checkpoint.epoch, e.checkpoint.step]).toEqual([i + 1, 3, i + 1, 5 * (i + 1)]);
      const losses = only(events, "step").filter((s) => s.epoch === i + 1);
      expect(e.trainLoss).toBeCloseTo(losses.reduce((a, s) => a + s.loss, 0) / 5, 12);
      expect(e.seconds).toBeGreaterThan(0);
    }
  });

  it("drops the samples that fill no batch, and asks the schedule at every step", async () => {
    const asked: number[] = [];
    const schedule: Schedule = {
      name: "spy",
      rate(epoch, epochs) {
        expect(epochs).toBe(2);
        asked.push(epoch);
        return 1e-3;
      },
    };
    const events = await eventsOf({ ...small, batch: 50, epochs: 2, schedule });
    expect(only(events, "step").length).toBe(6);
    expect(asked).toEqual([0, 1 / 3, 2 / 3, 1, 1 + 1 / 3, 1 + 2 / 3]);
  });

  it("learns two moons", async () => {
    const events = await eventsOf({
      ...small,
      data: twoMoons(1, { samples: 500 }),
      model: mlp([2, 24, 24, 2]),
      epochs: 40,
      schedule: cosine(2e-2),
    });
    const last = only(events, "epoch").at(-1);
    expect(last?.trainAccuracy).toBeGreaterThan(0.97);
    expect(last?.testAccuracy).toBeGreaterThan(0.95);
  });

  it("learns a regression, without accuracies", async () => {
    const { train: all, test } = squareWave(1);
    const events = await eventsOf({
      ...small,
      data: { train: all, test },
      model: mlp([1, 32, 32, 1]),
      epochs: 25,
      schedule: constantRate(1e-2),
    });
    const epochs = only(events, "epoch");
    expect(epochs.every((e) => e.trainAccuracy === null && e.testAccuracy === null)).toBe(true);
    // Half the variance of the wave is 1/8: what the best constant leaves.
    expect(epochs.at(-1)?.testLoss).toBeLessThan(0.05);
  });

  it("learns images by a convnet with batch-norm", async () => {
    const { train: all, test } = await digits();
    const events = await eventsOf({
      ...small,
      data: { train: take(all, 600), test: take(test, 100) },
      model: convnet(10, { channels: [4, 8], hidden: 16, batchNorm: true }),
      schedule: constantRate(1e-2),
    });
    expect(only(events, "epoch").at(-1)?.testAccuracy).toBeGreaterThan(0.7);
  });

  it("tests the whole test part in evaluation mode, by the network that it ends with", async () => {
    // 320 test samples: a whole evaluation batch and a part of one.
    const data = twoMoons(1, { samples: 1600 });
    const model = sequential([dense(6), batchNorm(), activation("tanh"), dropout(0.5), dense(2)]);
    const events = await eventsOf({ ...small, data, model, epochs: 1 });
    const [{ network }] = only(events, "end");
    const [{ testLoss, testAccuracy }] = only(events, "epoch");
    const { x, count, labels } = data.test;
    const [output] = network.build([input("input", [count, 2])]);
    const values = evaluate({ output }, { input: tensor(x, [count, 2]) }).output.data;
    let loss = 0;
    let correct = 0;
    labels.forEach((label, i) => {
      const [truth, other] = [Number(values[2 * i + label]), Number(values[2 * i + 1 - label])];
      loss += Math.log1p(Math.exp(other - truth)) / count;
      if (truth > other) correct++;
    });
    expect(count).toBe(320);
    expect(testLoss).toBeCloseTo(loss, 5);
    expect(testAccuracy).toBe(correct / count);
  });

  it("passes a method's state through the steps and its own turn after each epoch", async () => {
    const seen: [EpochSummary, number][] = [];
    const method: Method = {
      name: "counting",
      init: () => ({ count: scalar(0) }),
      objective({ x, y, forward, loss, state }) {
        const outputs = forward(x);
        return { loss: loss(outputs, y), outputs, state: { count: add(state.count, 1) } };
      },
      after(summary, state) {
        seen.push([summary, Number(state.count.data[0])]);
        return { count: scalar(100 * summary.epoch) };
      },
    };
    const events = await eventsOf({ ...small, epochs: 2, method });
    expect(seen.map(([, count]) => count)).toEqual([5, 105]);
    const [first] = only(events, "epoch");
    const { epoch, epochs, trainLoss, trainAccuracy } = first;
    expect(seen[0][0]).toEqual({ epoch, epochs, trainLoss, trainAccuracy });
    expect(Number(first.checkpoint.state["method/count"].data[0])).toBe(100);
    const strange: Method = { name: "strange", after: () => ({ other: zeros([1]) }) };
    await expect(eventsOf({ ...small, method: strange })).rejects.toThrow(
      'strange: a step updates "method/other", which init did not make',
    );
  });
});

describe("train(), repeated", () => {
  const model = sequential([dense(12), batchNorm(), activation("relu"), dropout(0.2), dense(3)]);
  const options: TrainOptions = {
    engine,
    data: iris(),
    model,
    method: weightDecay({ decay: 1e-2 }),
    schedule: cosine(1e-2, 1),
    epochs: 4,
    batch: 25,
    seed: 9,
  };

  it("gives equal bits for equal seeds, and others for another", async () => {
    const [a, b, c] = [await eventsOf(options), await eventsOf(options), await eventsOf({ ...options, seed: 10 })];
    const ends = [a, b, c].map((events) => only(events, "end")[0].variables);
    expect(ends[0]).toEqual(ends[1]);
    expect(only(a, "step")).toEqual(only(b, "step"));
    expect(ends[0].params).not.toEqual(ends[2].params);
    expect(only(a, "step")[0].loss).not.toBe(only(c, "step")[0].loss);
  });

  it.each([
    ["adam", options],
    ["sgd with momentum", { ...options, optimizer: sgd({ momentum: 0.9, nesterov: true }) }],
  ])("goes on from a checkpoint to the same bits: %s", async (_, whole) => {
    const events = await eventsOf(whole);
    for (const done of [1, 3]) {
      const { checkpoint } = only(events, "epoch")[done - 1];
      const rest = await eventsOf({ ...whole, resume: checkpoint });
      expect(only(rest, "end")[0].variables).toEqual(only(events, "end")[0].variables);
      expect(only(rest, "step")).toEqual(only(events, "step").slice(4 * done));
      expect(only(rest, "epoch").map((e) => [e.epoch, e.testLoss])).toEqual(
        only(events, "epoch")
          .slice(done)
          .map((e) => [e.epoch, e.testLoss]),
      );
    }
  });

  it("gives equal bits however many steps go through the engine at once, with a short last block too", async () => {
    const turns: number[] = [];
    const watched: Engine = {
      ...engine,
      async iterate(iteration) {
        const program = await engine.iterate(iteration);
        return {
          ...program,
          run(feeds, count) {
            turns.push(count);
            return program.run(feeds, count);
          },
        };
      },
    };
    const withoutTime = (events: readonly TrainEvent[]) =>
      events.flatMap(({ kind, ...rest }) => (kind === "end" ? [] : [{ kind, ...rest, seconds: 0 }]));
    const run = async (block?: number) => {
      turns.length = 0;
      const events = await eventsOf({ ...options, engine: watched, ...(block === undefined ? {} : { block }) });
      return { events: withoutTime(events), turns: [...turns], variables: only(events, "end")[0].variables };
    };
    // 120 samples make 4 batches of 25 an epoch, and 4 epochs.
    const [one, three, all] = [await run(1), await run(3), await run()];
    expect(one.turns).toEqual(new Array(16).fill(1));
    expect(three.turns).toEqual([3, 1, 3, 1, 3, 1, 3, 1]);
    expect(all.turns).toEqual([4, 4, 4, 4]);
    for (const other of [three, all]) {
      expect(other.events).toEqual(one.events);
      expect(other.variables).toEqual(one.variables);
    }
    expect(one.events.length).toBe(1 + 4 * 5);
  });

  it("leaves a checkpoint as it is while training goes on", async () => {
    let first: Checkpoint | undefined;
    let copy: unknown;
    for await (const event of train(options)) {
      if (event.kind !== "epoch" || first) continue;
      first = event.checkpoint;
      copy = structuredClone(first);
    }
    expect(first).toEqual(copy);
  });

  it("only ends where a checkpoint has nothing left to do", async () => {
    const events = await eventsOf(options);
    const { checkpoint } = only(events, "epoch")[3];
    const rest = await eventsOf({ ...options, resume: checkpoint });
    expect(rest.map((e) => e.kind)).toEqual(["start", "end"]);
    expect(only(rest, "end")[0].variables).toEqual(only(events, "end")[0].variables);
  });

  it("refuses a checkpoint of another run", async () => {
    const { checkpoint } = only(await eventsOf({ ...options, epochs: 2 }), "epoch")[1];
    const resumed = (changed: Partial<TrainOptions>) => eventsOf({ ...options, resume: checkpoint, ...changed });
    await expect(resumed({ model: mlp([4, 5, 3]) })).rejects.toThrow("the checkpoint is of another model");
    await expect(resumed({ optimizer: sgd() })).rejects.toThrow('"optimizer/mean/0/weight" differs');
    await expect(resumed({ batch: 60 })).rejects.toThrow(
      "train: the checkpoint is of other data or another batch: 2 epochs take 4 steps, got 8",
    );
    await expect(resumed({ epochs: 1 })).rejects.toThrow(
      "train: epochs must not be fewer than the checkpoint's 2, got 1",
    );
  });
});

describe("train(), ended early", () => {
  it("frees its programs when its reader breaks off", async () => {
    for (const kind of ["start", "step", "epoch", "end"] as const) {
      const { engine: counted, counts } = countingEngine();
      for await (const event of train({ ...small, engine: counted })) if (event.kind === kind) break;
      expect(counts.made).toBeGreaterThan(0);
      expect(counts.open).toBe(0);
    }
  });

  it("frees its programs when its reader throws, and when it ends by itself", async () => {
    const { engine: counted, counts } = countingEngine();
    const reading = async () => {
      for await (const event of train({ ...small, engine: counted })) if (event.kind === "step") throw new Error("no");
    };
    await expect(reading()).rejects.toThrow("no");
    expect(counts.open).toBe(0);
    await eventsOf({ ...small, engine: counted });
    expect(counts.open).toBe(0);
  });

  it("stops at the next step with the signal's reason", async () => {
    const { engine: counted, counts } = countingEngine();
    const controller = new AbortController();
    const reason = new Error("enough");
    let steps = 0;
    const reading = async () => {
      for await (const event of train({ ...small, engine: counted, signal: controller.signal })) {
        if (event.kind === "step" && ++steps === 3) controller.abort(reason);
      }
    };
    await expect(reading()).rejects.toBe(reason);
    expect(steps).toBe(3);
    expect(counts.open).toBe(0);
  });

  it("stops before the test and before the end, and compiles nothing once aborted", async () => {
    for (const [kind, want] of [
      ["step", 0],
      ["epoch", 1],
    ] as const) {
      const { engine: counted, counts } = countingEngine();
      const controller = new AbortController();
      const kinds: string[] = [];
      const reading = async () => {
        for await (const event of train({
          ...small,
          engine: counted,
          epochs: 1,
          batch: 160,
          signal: controller.signal,
        })) {
          kinds.push(event.kind);
          if (event.kind === kind) controller.abort();
        }
      };
      await expect(reading()).rejects.toThrow("aborted");
      expect(kinds.filter((k) => k === "epoch").length).toBe(want);
      expect(kinds).not.toContain("end");
      expect(counts.open).toBe(0);
    }
    const { engine: counted, counts } = countingEngine();
    await expect(eventsOf({ ...small, engine: counted, signal: AbortSignal.abort() })).rejects.toThrow("aborted");
    expect(counts.made).toBe(0);
  });

  it("lets timers run between steps, so that they can abort", async () => {
    await expect(eventsOf({ ...small, epochs: 1e6, signal: AbortSignal.timeout(100) })).rejects.toThrow("timeout");
  });
});

describe("train(), misused", () => {
  const refused = async (changed: Partial<TrainOptions>, message: string) => {
    const { engine: counted, counts } = countingEngine();
    const run = eventsOf({ ...small, engine: counted, ...changed });
    await expect(run).rejects.toThrow(message);
    await expect(run).rejects.toThrow(UsageError);
    return counts;
  };

  it("says so before it compiles", async () => {
    const bad: [Partial<TrainOptions>, string][] = [
      [{ model: mlp([3, 2]) }, "flatten: the model takes 3 numbers a sample, the data have 2: [2]"],
      [{ model: mlp([2, 5]) }, "train: two-moons has 2 classes, the model gives [5] a sample"],
      [{ data: squareWave(1), model: mlp([1, 2]) }, "train: square-wave has 1 outputs, the model gives [2] a sample"],
      [{ batch: 161 }, "train: batch must not be larger than the data set, got 161 for 160 samples of two-moons"],
      [{ batch: 0 }, "train: batch must be a whole number >= 1, got 0"],
      [{ block: 0 }, "train: block must be a whole number >= 1, got 0"],
      [{ epochs: 1.5 }, "train: epochs must be a whole number >= 1, got 1.5"],
      [{ seed: -1 }, "random: seed must be a whole number from 0 to 2^53 - 1, got -1"],
      [{ model: sequential([batchNorm(), dense(2)]), batch: 1 }, "batchNorm: training needs at least 2 values"],
      [
        { data: { train: moons.train, test: iris().test } },
        "train: both parts of the data must be alike, got classification of [2] into 2 and classification of [4] into 3",
      ],
    ];
    for (const [changed, message] of bad) expect((await refused(changed, message)).made).toBe(0);
  });

  it("says so when the loss is no longer finite, in training or in the test after it", async () => {
    const wild = { optimizer: sgd(), schedule: constantRate(1e30) };
    const counts = await refused(wild, "train: the loss must stay finite, got NaN at step");
    expect(counts.open).toBe(0);
    const steps = async (block: number) => {
      const seen: number[] = [];
      const reading = async () => {
        for await (const e of train({ ...small, ...wild, block })) if (e.kind === "step") seen.push(e.loss);
      };
      const message = await reading().catch((error: Error) => error.message);
      expect(message).toBe(
        `train: the loss must stay finite, got NaN at step ${seen.length + 1}; use a smaller learning rate`,
      );
      return seen;
    };
    const alone = await steps(1);
    expect(alone.length).toBeGreaterThan(0);
    expect(alone.length).toBeLessThan(5);
    expect(await steps(5)).toEqual(alone);
    // A single step: only the test sees what it has done.
    const one = { train: subset(moons.train, [0, 1]), test: moons.test };
    await refused({ ...wild, data: one, batch: 2, epochs: 1 }, "train: the test loss must stay finite, got");
  });
});
