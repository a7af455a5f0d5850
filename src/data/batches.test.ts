/** @file Tests of batches.ts. */
import { describe, expect, it } from "vitest";
import { UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import { evaluationBatches, gatherBatch, roomFor, trainingBatches } from "./batches.ts";
import { take } from "./dataset.ts";
import { iris } from "./iris.ts";
import { squareWave } from "./toy.ts";

const { train } = iris();

describe("trainingBatches()", () => {
  it("visits each sample at most once and drops only the last partial batch", () => {
    const batches = [...trainingBatches(train, 32, random(1))];
    expect(batches.map((b) => b.length)).toEqual([32, 32, 32]);
    expect(new Set(batches.flatMap((b) => [...b])).size).toBe(96);
    expect(new Set([...trainingBatches(train, 40, random(1))].flatMap((b) => [...b])).size).toBe(120);
  });

  it("gives several together, the same in the same order", () => {
    const alone = [...trainingBatches(train, 16, random(2))];
    const together = [...trainingBatches(train, 16, random(2), 3)];
    expect(together.map((b) => b.length)).toEqual([48, 48, 16]);
    expect(together.flatMap((b) => [...b])).toEqual(alone.flatMap((b) => [...b]));
  });

  it("is a function of the stream", () => {
    const order = (seed: number) => [...trainingBatches(train, 120, random(seed))].map((b) => [...b]);
    expect(order(1)).toEqual(order(1));
    expect(order(1)).not.toEqual(order(2));
  });

  it("refuses a batch larger than the data, instead of an epoch without steps", () => {
    expect(() => [...trainingBatches(train, 128, random(1))]).toThrow(
      "trainingBatches: a batch must not be larger than the data set, got 128 for 120 samples of iris; use a smaller one",
    );
    expect(() => [...trainingBatches(train, 0, random(1))]).toThrow(UsageError);
  });
});

describe("evaluationBatches()", () => {
  it("visits every sample once, in order", () => {
    const batches = [...evaluationBatches(train, 50)];
    expect(batches.map((b) => b.length)).toEqual([50, 50, 20]);
    expect(batches.flatMap((b) => [...b])).toEqual(Array.from({ length: 120 }, (_, i) => i));
    expect([...evaluationBatches(take(train, 3), 50)].map((b) => [...b])).toEqual([[0, 1, 2]]);
    expect(() => [...evaluationBatches(train, 1.5)]).toThrow(UsageError);
  });
});

describe("gatherBatch()", () => {
  it("makes inputs and one-hot labels", () => {
    const { x, y, labels } = gatherBatch(train, [2, 0]);
    expect([x.shape, x.dtype, y.shape, y.dtype]).toEqual([[2, 4], "float32", [2, 3], "float32"]);
    expect([...x.data]).toEqual([...train.x.subarray(8, 12), ...train.x.subarray(0, 4)]);
    expect([...labels]).toEqual([2, 0]);
    expect([...y.data]).toEqual([0, 0, 1, 1, 0, 0]);
  });

  it("makes targets for a regression", () => {
    const wave = squareWave(0).test;
    const { x, y, labels } = gatherBatch(wave, [0, 60]);
    expect([x.shape, y.shape, labels.length]).toEqual([[2, 1], [2, 1], 0]);
    expect([...y.data]).toEqual([wave.targets[0], wave.targets[60]]);
  });

  it("fills the same room again, with what fresh room would hold", () => {
    const room = roomFor(train, 3);
    gatherBatch(train, [110, 60, 1], room);
    const again = gatherBatch(train, [2, 70], room);
    expect(again).toEqual(gatherBatch(train, [2, 70]));
    expect(again.x.data.buffer).toBe(room.x.buffer);
    const wave = squareWave(0).train;
    const other = roomFor(wave, 2);
    gatherBatch(wave, [5, 6], other);
    expect(gatherBatch(wave, [7], other)).toEqual(gatherBatch(wave, [7]));
  });

  it("refuses an index out of range", () => {
    expect(() => gatherBatch(train, [120])).toThrow("gatherBatch: an index into iris must be 0..119, got 120");
  });
});
