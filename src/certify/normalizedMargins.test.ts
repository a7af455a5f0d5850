import { describe, expect, it } from "vitest";
import { testEngine } from "../../test/testEngine.ts";
import type { Dataset } from "../data/dataset.ts";
import { twoMoons } from "../data/toy.ts";
import { constant } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { mlp } from "../models/mlp.ts";
import { matmul } from "../ops/matmul.ts";
import { softmax } from "../ops/softmax.ts";
import { random } from "../tensor/random.ts";
import { cast, tensor } from "../tensor/tensor.ts";
import { randomLabels } from "../train/afresh.ts";
import { trainNetwork } from "../train/trainNetwork.ts";
import { normalizedMargins } from "./normalizedMargins.ts";

const engine = testEngine({ threads: 1 });
const scale = tensor(Float32Array.of(2, 0, 0, 0, 1, 0), [2, 3]);
/** Logits (2 a, b, 0), behind a softmax. */
const linear: Network = {
  name: "linear",
  inputs: [{ name: "x", shape: ["batch", 2], dtype: "float32" }],
  outputs: ["p"],
  metadata: {},
  build: ([x]) => [softmax(matmul(x, constant(cast(scale, x.dtype))), 1)],
};
const data: Dataset = {
  name: "four",
  task: "classification",
  x: Float32Array.of(3, 1, 1, 4, -1, -2, 2, 3),
  shape: [2],
  count: 4,
  labels: Int32Array.of(0, 1, 2, 1),
  targets: new Float32Array(),
  classes: 3,
};

describe("normalizedMargins()", () => {
  it("is the closed form of a linear classifier, in front of its softmax", async () => {
    const found = await normalizedMargins(linear, { engine, data, seconds: 1 });
    // (6, 1, 0): 5; (2, 4, 0): 2; (-2, -2, 0): 2; (4, 3, 0) of class 1: -1.
    expect(found.margins).toEqual([5, 2, 2, -1]);
    expect(found.accuracy).toBe(0.75);
    expect(found.scale).toBeCloseTo(Math.sqrt(45) / 4, 6);
    // Norm 2, rows of length 2, 1 and 0.
    expect(found.complexity?.value).toBeCloseTo(3, 5);
    expect(found.constant.upper).toBeCloseTo(2, 5);
    expect(found.constant.lower).toBeCloseTo(2, 4);
    const [least] = found.quantiles;
    expect(least).toMatchObject({ part: 0, margin: -1 });
    expect(least.byComplexity).toBeCloseTo(-1 / (3 * found.scale), 5);
    expect(least.byConstant).toBeCloseTo(-1 / (2 * found.scale), 5);
  });

  it("tells a network that memorised from one that learnt, by margins over both", async () => {
    const { train } = twoMoons(2, { samples: 100 });
    const options = { engine, model: mlp([2, 100, 100, 2]), epochs: 150, batch: 40, seed: 1 };
    const found = [];
    for (const own of [train, randomLabels(train, random(1))]) {
      const { network } = await trainNetwork({ ...options, data: { train: own, test: own } });
      found.push(await normalizedMargins(network, { engine, data: own, seconds: 1 }));
    }
    const [learnt, memorised] = found.map(({ quantiles }) => quantiles.find(({ part }) => part === 0.5));
    expect(learnt?.byComplexity ?? 0).toBeGreaterThan(2 * (memorised?.byComplexity ?? 1));
    expect(learnt?.byConstant ?? 0).toBeGreaterThan(2 * (memorised?.byConstant ?? 1));
  });

  it("refuses a regression", async () => {
    const regression: Dataset = {
      ...data,
      task: "regression",
      labels: new Int32Array(),
      targets: new Float32Array(12),
    };
    await expect(normalizedMargins(linear, { engine, data: regression })).rejects.toThrow(
      "normalizedMargins: needs classes, and four is a regression",
    );
  });
});

describe("randomLabels()", () => {
  it("deals the labels out anew, as many of each class", () => {
    const { train } = twoMoons(1, { samples: 100 });
    const dealt = randomLabels(train, random(3));
    const ones = (labels: Int32Array) => labels.reduce((sum, v) => sum + v, 0);
    expect(ones(dealt.labels)).toBe(ones(train.labels));
    expect(dealt.labels).not.toEqual(train.labels);
    expect(dealt.x).toBe(train.x);
  });
});
