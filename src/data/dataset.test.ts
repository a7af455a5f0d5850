/** @file Tests of dataset.ts. */
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ReadError, UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import { checkDataset, type Dataset, hashDataset, splitDataset, subset, take } from "./dataset.ts";

const classification: Dataset = {
  name: "five",
  task: "classification",
  x: Float32Array.from({ length: 10 }, (_, i) => i / 10),
  shape: [2],
  count: 5,
  labels: Int32Array.of(0, 1, 2, 0, 1),
  targets: new Float32Array(0),
  classes: 3,
  range: [0, 1],
};

const regression: Dataset = {
  name: "lines",
  task: "regression",
  x: Float32Array.of(0, 1, 2),
  shape: [1],
  count: 3,
  labels: new Int32Array(0),
  targets: Float32Array.of(0, 10, 1, 11, 2, 12),
  classes: 2,
};

describe("checkDataset()", () => {
  it("gives good data sets back", () => {
    expect(checkDataset(classification)).toBe(classification);
    expect(checkDataset(regression)).toBe(regression);
  });

  const { x } = classification;
  const faults: readonly (readonly [string, Dataset, string])[] = [
    ["empty", { ...classification, count: 0 }, "five: a data set must hold at least one sample, got none"],
    ["a dimension of 0", { ...classification, shape: [0] }, "five: a sample must have positive dimensions, got [0]"],
    ["too few inputs", { ...classification, x: x.subarray(1) }, "five: x must hold 10 numbers, got 9"],
    ["too few labels", { ...classification, labels: Int32Array.of(0) }, "five: labels must hold 5 numbers, got 1"],
    ["no class", { ...classification, classes: 0 }, "five: there must be at least one class, got 0"],
    ["a large label", { ...classification, classes: 2 }, "five: labels must be 0..1, got 2 for sample 2"],
    [
      "a negative label",
      { ...classification, labels: Int32Array.of(0, 0, 0, 0, -1) },
      "five: labels must be 0..2, got -1 for sample 4",
    ],
    ["NaN", { ...classification, x: x.with(3, Number.NaN) }, "five: inputs must be finite, got NaN in sample 1"],
    [
      "infinity",
      { ...regression, x: Float32Array.of(0, 1, -Infinity) },
      "lines: inputs must be finite, got -Infinity in sample 2",
    ],
    [
      "out of range",
      { ...classification, x: x.with(9, 1.5) },
      "five: inputs must be within [0, 1], got 1.5 in sample 4",
    ],
    [
      "a target that is not finite",
      { ...regression, targets: regression.targets.with(5, Number.NaN) },
      "lines: targets must be finite, got NaN in sample 2",
    ],
    ["targets missing", { ...regression, targets: new Float32Array(3) }, "lines: targets must hold 6 numbers, got 3"],
  ];
  it.each(faults)("refuses %s", (_, dataset, message) => {
    expect(() => checkDataset(dataset)).toThrow(new ReadError(message));
  });
});

describe("subset()", () => {
  it("copies samples in the order of the indices", () => {
    const some = subset(classification, [4, 0]);
    expect(Array.from(some.x)).toEqual(Array.from(Float32Array.of(0.8, 0.9, 0, 0.1)));
    expect(Array.from(some.labels)).toEqual([1, 0]);
    expect(some.count).toBe(2);
    expect(Array.from(subset(regression, [2, 1]).targets)).toEqual([2, 12, 1, 11]);
  });

  it("refuses an index out of range", () => {
    expect(() => subset(classification, [5])).toThrow("subset: an index into five must be 0..4, got 5");
    expect(() => subset(classification, [0.5])).toThrow(UsageError);
  });
});

describe("take()", () => {
  it("is the subset of the first indices", () => {
    expect(take(classification, 2)).toEqual(subset(classification, [0, 1]));
    expect(take(regression, 2)).toEqual(subset(regression, [0, 1]));
  });

  it("refuses more than there are, and none", () => {
    expect(() => take(classification, 6)).toThrow("take: the number of samples of five must be 1..5, got 6");
    expect(() => take(classification, 0)).toThrow(UsageError);
  });
});

describe("splitDataset()", () => {
  it("puts every sample into exactly one part, the same for the same seed", () => {
    const { train, test } = splitDataset(classification, 0.8, random(3));
    expect([train.count, test.count]).toEqual([4, 1]);
    expect([...train.x, ...test.x].sort()).toEqual([...classification.x]);
    expect(splitDataset(classification, 0.8, random(3)).test).toEqual(test);
  });

  it("leaves no part empty", () => {
    expect(splitDataset(classification, 0.999, random(0)).test.count).toBe(1);
    expect(splitDataset(classification, 0.001, random(0)).train.count).toBe(1);
    expect(() => splitDataset(take(classification, 1), 0.5, random(0))).toThrow("must hold at least two samples");
  });

  it("refuses a fraction outside (0, 1)", () => {
    for (const fraction of [0, 1, -1, Number.NaN]) {
      expect(() => splitDataset(classification, fraction, random(0))).toThrow(UsageError);
    }
  });
});

describe("slopes of a regression", () => {
  const sloped = { ...regression, slopes: Float32Array.from({ length: regression.count * 2 }, (_, i) => i) };
  const each = sloped.slopes.length / sloped.count;

  it("go with their samples, and count in the hash", async () => {
    expect(checkDataset(sloped)).toBe(sloped);
    expect([...(subset(sloped, [2, 0]).slopes ?? [])]).toEqual([
      ...sloped.slopes.subarray(2 * each, 3 * each),
      ...sloped.slopes.subarray(0, each),
    ]);
    expect(take(sloped, 2)).toEqual(subset(sloped, [0, 1]));
    expect(await hashDataset(sloped)).not.toBe(await hashDataset(regression));
    const short = { ...sloped, slopes: sloped.slopes.subarray(1) };
    expect(() => checkDataset(short)).toThrow(`slopes must hold ${sloped.slopes.length} numbers`);
  });
});

describe("hashDataset()", () => {
  it("is the sha256 of x, labels and targets", async () => {
    const expected = createHash("sha256")
      .update(new Uint8Array(regression.x.buffer))
      .update(new Uint8Array(regression.targets.buffer));
    expect(await hashDataset(regression)).toBe(expected.digest("hex"));
  });

  it("sees only the samples taken, and every label", async () => {
    const two = take(classification, 2);
    expect(await hashDataset(two)).toBe(await hashDataset(subset(classification, [0, 1])));
    expect(await hashDataset({ ...two, labels: Int32Array.of(0, 0) })).not.toBe(await hashDataset(two));
  });
});
