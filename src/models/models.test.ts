/** @file Tests of mlp.ts, convnet.ts, resnet.ts and spec.ts: sizes, and what they refuse. */
import { describe, expect, it } from "vitest";
import { activationNames } from "../layers/activation.ts";
import type { Layer } from "../layers/layer.ts";
import { UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import type { Shape } from "../tensor/shape.ts";
import { toFloat64 } from "../tensor/tensor.ts";
import { convnet } from "./convnet.ts";
import { mlp } from "./mlp.ts";
import { resnet } from "./resnet.ts";
import { buildModel, type ModelKind, modelKinds } from "./spec.ts";

const parameters = (model: Layer, sample: Shape) =>
  Object.values(model.init(random(0), sample).params).reduce((n, p) => n + p.data.length, 0);

describe("mlp()", () => {
  it("has a matrix and a bias per layer, and flattens its samples", () => {
    expect(parameters(mlp([784, 128, 64, 10]), [1, 28, 28])).toBe(784 * 128 + 128 + 128 * 64 + 64 + 64 * 10 + 10);
    expect(mlp([4, 3]).shape([2, 2])).toEqual([3]);
  });

  it("starts by Glorot for sigmoid and tanh, by He otherwise", () => {
    const spread = (activation: "relu" | "tanh") => {
      const { "1/weight": w } = mlp([50, 200], { activation }).init(random(0), [50]).params;
      return Math.max(...toFloat64(w).map(Math.abs));
    };
    expect(spread("tanh")).toBeLessThanOrEqual(Math.fround(Math.sqrt(6 / 250)));
    expect(spread("relu")).toBeGreaterThan(3 * Math.sqrt(2 / 50));
  });

  it("refuses bad widths, and data of another size", () => {
    expect(() => mlp([784])).toThrow("mlp: widths must be at least two whole numbers >= 1, got [784]");
    expect(() => mlp([784, 0, 10])).toThrow(UsageError);
    expect(() => mlp([784, 10]).shape([3, 32, 32])).toThrow(
      "flatten: the model takes 784 numbers a sample, the data have 3072: [3,32,32]",
    );
  });
});

describe("convnet()", () => {
  it("is the network of Madry et al. 2018 with their sizes", () => {
    const madry = convnet(10, { shrink: "pool", channels: [32, 64], hidden: 1024 });
    const want = 32 * 25 + 32 + 64 * 32 * 25 + 64 + 7 * 7 * 64 * 1024 + 1024 + 1024 * 10 + 10;
    expect(parameters(madry, [1, 28, 28])).toBe(want);
    expect(parameters(buildModel({ kind: "madry" }, [1, 28, 28], 10), [1, 28, 28])).toBe(want);
  });

  it("halves the image by stride", () => {
    expect(parameters(convnet(10), [3, 32, 32])).toBe(
      16 * 27 + 16 + 32 * 16 * 9 + 32 + 8 * 8 * 32 * 100 + 100 + 100 * 10 + 10,
    );
  });
});

describe("resnet()", () => {
  it("has the sizes of He et al. 2016: 20 layers for 3 blocks a stage", () => {
    // The paper's 0.27 million for CIFAR-10; here with the projections of two stages (option B).
    const conv = (a: number, b: number, k = 3) => a * b * k * k + 2 * b;
    const stage = (a: number, b: number) => conv(a, b) + 5 * conv(b, b) + (a === b ? 0 : conv(a, b, 1));
    const want = conv(3, 16) + stage(16, 16) + stage(16, 32) + stage(32, 64) + 64 * 10 + 10;
    expect(parameters(resnet(10, { blocks: 3 }), [3, 32, 32])).toBe(want);
    expect(want).toBeGreaterThan(270_000);
    expect(want).toBeLessThan(275_000);
  });

  it("refuses no stages and no blocks", () => {
    expect(() => resnet(10, { channels: [] })).toThrow("resnet: channels must name at least one stage, got []");
    expect(() => resnet(10, { blocks: 0 })).toThrow("resnet: blocks must be a whole number >= 1, got 0");
  });
});

describe("buildModel()", () => {
  it.each(modelKinds)("builds %s with its defaults and with given widths", (kind) => {
    expect(buildModel({ kind }, [1, 28, 28], 7).shape([1, 28, 28])).toEqual([7]);
    const small = buildModel({ kind, widths: [3] }, [1, 28, 28], 7);
    expect(small.shape([1, 28, 28])).toEqual([7]);
    expect(parameters(small, [1, 28, 28])).toBeLessThan(parameters(buildModel({ kind }, [1, 28, 28], 7), [1, 28, 28]));
  });

  it("refuses what is not in its lists", () => {
    expect(() => buildModel({ kind: "vgg" as ModelKind }, [4], 2)).toThrow(
      'model: unknown kind "vgg"; known: mlp, convnet, madry, resnet',
    );
    expect(() => buildModel({ kind: "mlp", activation: "swish" as "silu" }, [4], 2)).toThrow(
      `model: unknown activation "swish"; known: ${activationNames.join(", ")}`,
    );
    expect(() => buildModel({ kind: "mlp", widths: [1.5] }, [4], 2)).toThrow(
      "model: widths must be whole numbers >= 1, got 1.5",
    );
  });
});
