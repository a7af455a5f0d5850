/** @file Tests of dense.ts, conv.ts, pool.ts and activation.ts: values by hand, and what they refuse. */
import { describe, expect, it } from "vitest";
import { build, movedVariables } from "../../test/runs.ts";
import { evaluate } from "../engine/reference.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { type Activation, activation } from "./activation.ts";
import { conv } from "./conv.ts";
import { dense } from "./dense.ts";
import { noVariables } from "./layer.ts";
import { averagePool, flatten, globalAveragePool, maxPool } from "./pool.ts";

const r = random(4);

describe("conv()", () => {
  it("correlates with zeros around, strides and groups, against a plain loop", () => {
    const [kernel, stride, padding, dilation] = [2, 2, 1, 2];
    const layer = conv(4, { kernel, stride, padding, dilation, groups: 2 });
    const variables = movedVariables(layer, r, [2, 6, 5]);
    const batch = normalTensor(r.fork("x"), [2, 2, 6, 5]);
    const { y, feeds } = build(layer, variables, batch, "eval", r);
    const { weight, bias } = variables.params;
    expect(weight.shape).toEqual([4, 1, 2, 2]);
    expect(y.shape).toEqual([2, 4, 3, 3]);
    const want: number[] = [];
    const at = (n: number, c: number, i: number, j: number) =>
      i < 0 || i >= 6 || j < 0 || j >= 5 ? 0 : Number(batch.data[((n * 2 + c) * 6 + i) * 5 + j]);
    for (let n = 0; n < 2; n++)
      for (let c = 0; c < 4; c++)
        for (let i = 0; i < 3; i++)
          for (let j = 0; j < 3; j++) {
            let sum = Number(bias.data[c]);
            // Two output channels read each input channel.
            const from = c < 2 ? 0 : 1;
            for (let a = 0; a < 2; a++)
              for (let b = 0; b < 2; b++)
                sum += Number(weight.data[c * 4 + a * 2 + b]) * at(n, from, 2 * i - 1 + 2 * a, 2 * j - 1 + 2 * b);
            want.push(sum);
          }
    const got = evaluate({ y }, feeds).y.data;
    want.forEach((v, i) => {
      expect(got[i]).toBeCloseTo(v, 10);
    });
  });

  it("refuses bad options and samples that do not fit", () => {
    expect(() => conv(0, { kernel: 3 })).toThrow("conv: channels must be a whole number >= 1, got 0");
    expect(() => conv(4, { kernel: 1.5 })).toThrow(UsageError);
    expect(() => conv(4, { kernel: 3, stride: 0 })).toThrow(UsageError);
    expect(() => conv(4, { kernel: 3, padding: -1 })).toThrow("conv: padding must be a whole number >= 0, got -1");
    expect(() => conv(4, { kernel: 3, groups: 3 })).toThrow("conv: 3 groups must divide 4 channels");
    expect(() => conv(4, { kernel: 3, groups: 2 }).shape([3, 8, 8])).toThrow(ShapeError);
    expect(() => conv(4, { kernel: 3 }).shape([8])).toThrow(
      "conv: a sample must be [channels, length] or [channels, height, width], got [8]",
    );
    expect(() => conv(4, { kernel: 3, dilation: 2 }).shape([1, 4, 8])).toThrow(
      "conv: a kernel of extent 5 does not fit into [1,4,8]",
    );
  });
});

describe("dense()", () => {
  it("refuses bad widths and samples that are not vectors", () => {
    expect(() => dense(2.5)).toThrow("dense: width must be a whole number >= 1, got 2.5");
    expect(() => dense(2).shape([1, 28, 28])).toThrow(
      "dense: a sample must be a vector, got [1,28,28]; flatten it first",
    );
  });
});

describe("pooling", () => {
  // One channel, 3 x 3.
  const batch = tensor([1, 2, 3, 4, 5, 6, 7, 8, 10], [1, 1, 3, 3]);
  const values = (layer: ReturnType<typeof maxPool>) => {
    const { y, feeds } = build(layer, noVariables, batch, "eval", r);
    return [...evaluate({ y }, feeds).y.data];
  };

  it("takes the largest, or the mean, of every whole window", () => {
    expect(values(maxPool(2))).toEqual([5]);
    expect(values(maxPool(2, { stride: 1 }))).toEqual([5, 6, 8, 10]);
    expect(values(averagePool(2))).toEqual([3]);
    expect(values(averagePool(2, { stride: 1 }))).toEqual([3, 4, 6, 7.25]);
    expect(values(globalAveragePool())[0]).toBeCloseTo(46 / 9, 12);
    expect(values(flatten())).toEqual([...batch.data]);
  });

  it("refuses windows that do not fit, and samples without space", () => {
    expect(() => maxPool(4).shape([1, 3, 3])).toThrow("maxPool: a window of 4 does not fit into [1,3,3]");
    expect(() => averagePool(2).shape([3])).toThrow("averagePool: a sample must be [channels, ...space], got [3]");
    expect(() => globalAveragePool().shape([3])).toThrow(ShapeError);
    expect(() => maxPool(0)).toThrow(UsageError);
    expect(() => maxPool(2, { stride: 0 })).toThrow("maxPool: stride must be a whole number >= 1, got 0");
    expect(() => flatten(10).shape([3, 3])).toThrow(
      "flatten: the model takes 10 numbers a sample, the data have 9: [3,3]",
    );
  });
});

describe("activation()", () => {
  it.each([
    ["relu", (x: number) => Math.max(0, x)],
    ["leakyRelu", (x: number) => (x < 0 ? 0.01 * x : x)],
    ["elu", (x: number) => (x < 0 ? Math.expm1(x) : x)],
    ["sigmoid", (x: number) => 1 / (1 + Math.exp(-x))],
    ["tanh", Math.tanh],
    ["softplus", (x: number) => Math.log1p(Math.exp(x))],
    ["silu", (x: number) => x / (1 + Math.exp(-x))],
    ["hardSigmoid", (x: number) => Math.min(1, Math.max(0, x / 6 + 0.5))],
    ["hardSwish", (x: number) => x * Math.min(1, Math.max(0, x / 6 + 0.5))],
    ["softRelu", (x: number) => Math.max(0, x) + (Math.log1p(Math.exp(-1000 * Math.abs(x))) - Math.LN2) / 1000],
    ["identity", (x: number) => x],
  ] as const)("is %s", (name, f) => {
    const points = [-7, -2, -0.5, 0, 0.25, 1, 3.5, 8];
    const { y, feeds } = build(activation(name), noVariables, tensor(points, [1, 8]), "eval", r);
    const got = evaluate({ y }, feeds).y.data;
    points.forEach((x, i) => {
      expect(got[i]).toBeCloseTo(f(x), 7);
    });
  });

  it("is gelu by the normal distribution", () => {
    const { y, feeds } = build(activation("gelu"), noVariables, tensor([1, -1], [1, 2]), "eval", r);
    const got = evaluate({ y }, feeds).y.data;
    // The standard normal distribution function at 1.
    expect(got[0]).toBeCloseTo(0.8413447460685429, 7);
    expect(got[1]).toBeCloseTo(-0.15865525393145707, 7);
  });

  it("refuses an unknown name", () => {
    expect(() => activation("swish" as Activation)).toThrow('activation: unknown name "swish"; known: relu,');
  });
});
