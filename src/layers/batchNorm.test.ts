/** @file Tests of batchNorm.ts. */
import { describe, expect, it } from "vitest";
import { build, movedVariables } from "../../test/runs.ts";
import { evaluate } from "../engine/reference.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { tensor } from "../tensor/tensor.ts";
import { activation } from "./activation.ts";
import { batchNorm } from "./batchNorm.ts";
import { conv } from "./conv.ts";
import { dense } from "./dense.ts";
import type { Layer } from "./layer.ts";
import { flatten } from "./pool.ts";
import { sequential } from "./sequential.ts";

describe("batchNorm()", () => {
  it("uses the batch's own statistics in training and keeps a part of the running ones", () => {
    const layer = batchNorm({ momentum: 0.75, epsilon: 0.5 });
    const variables = {
      params: { scale: tensor([2, 3]), shift: tensor([10, 20]) },
      state: { mean: tensor([4, 8]), variance: tensor([1, 2]) },
    };
    // Channel 0 holds 1, 3, 5, 7: mean 4, squares 20, biased variance 5, unbiased 20/3. Channel 1 holds 2, 2, 2, 6: 3, 12, 3, 4.
    const batch = tensor([1, 3, 2, 2, 5, 7, 2, 6], [2, 2, 2]);
    const { y, updates, feeds } = build(layer, variables, batch, "train", random(0));
    const values = evaluate({ y, mean: updates.mean, variance: updates.variance }, feeds);
    const a = (v: number) => (2 * (v - 4)) / Math.sqrt(5.5) + 10;
    const b = (v: number) => (3 * (v - 3)) / Math.sqrt(3.5) + 20;
    const want = [a(1), a(3), b(2), b(2), a(5), a(7), b(2), b(6)];
    want.forEach((v, i) => {
      expect(values.y.data[i]).toBeCloseTo(v, 6);
    });
    expect(values.mean.data[0]).toBeCloseTo(0.75 * 4 + 0.25 * 4, 6);
    expect(values.mean.data[1]).toBeCloseTo(0.75 * 8 + 0.25 * 3, 6);
    expect(values.variance.data[0]).toBeCloseTo(0.75 * 1 + 0.25 * (20 / 3), 6);
    expect(values.variance.data[1]).toBeCloseTo(0.75 * 2 + 0.25 * 4, 6);
  });

  it("is scale * (x - mean) / sqrt(variance + epsilon) + shift in evaluation", () => {
    const variables = {
      params: { scale: tensor([2]), shift: tensor([1]) },
      state: { mean: tensor([3]), variance: tensor([8]) },
    };
    const { y, feeds } = build(batchNorm({ epsilon: 1 }), variables, tensor([6, -3], [2, 1]), "eval", random(0));
    expect([...evaluate({ y }, feeds).y.data]).toEqual([3, -3]);
  });

  it("refuses what cannot be normalised", () => {
    expect(() => batchNorm().shape([])).toThrow(ShapeError);
    expect(() => batchNorm({ momentum: 1 })).toThrow("batchNorm: momentum must be in [0, 1), got 1");
    expect(() => batchNorm({ epsilon: 0 })).toThrow(UsageError);
    const variables = batchNorm().init(random(0), [2]);
    expect(() => build(batchNorm(), variables, tensor([1, 2], [1, 2]), "train", random(0))).toThrow(
      "batchNorm: training needs at least 2 values per channel in a batch, got 1",
    );
  });
});

describe("folding a batch-norm into the layer before it", () => {
  const norm = batchNorm({ epsilon: 1e-2 });
  // An identity between the two keeps the layer from taking in the batch-norm: the unfolded evaluation.
  const apart = (layer: Layer) => sequential([layer, activation("identity"), norm]);
  const rows = [
    { name: "conv", layer: conv(3, { kernel: 3, padding: 1 }), sample: [2, 4, 4] },
    { name: "conv without bias", layer: conv(4, { kernel: 2, groups: 2, bias: false }), sample: [2, 4, 4] },
    { name: "conv of one axis", layer: conv(3, { kernel: 2 }), sample: [2, 5] },
    { name: "dense", layer: dense(3), sample: [4] },
    { name: "dense without bias", layer: dense(3, { bias: false }), sample: [4] },
  ];

  it.each(rows)("changes no output: $name", ({ layer, sample }) => {
    const r = random(5);
    const folded = sequential([layer, norm]);
    const variables = movedVariables(folded, r, sample);
    const renamed = {
      params: { ...variables.params, "2/scale": variables.params["1/scale"], "2/shift": variables.params["1/shift"] },
      state: { "2/mean": variables.state["1/mean"], "2/variance": variables.state["1/variance"] },
    };
    const batch = normalTensor(r.fork("x"), [3, ...sample]);
    const one = build(folded, variables, batch, "eval", r);
    const two = build(apart(layer), renamed, batch, "eval", r);
    // What the evaluation really does without the batch-norm: fewer weights, and always a bias.
    expect(Object.keys(folded.weights(one.variables, "eval")).sort()).toEqual(["0/bias", "0/weight"]);
    expect(Object.keys(apart(layer).weights(two.variables, "eval"))).toContain("2/factor");
    const { "1/scale": _, "1/shift": __, ...fedTwo } = two.feeds;
    const a = evaluate({ y: one.y }, one.feeds).y.data;
    const b = evaluate({ y: two.y }, fedTwo).y.data;
    expect(a.length).toBe(b.length);
    a.forEach((v, i) => {
      expect(Math.abs(Number(v) - Number(b[i]))).toBeLessThan(1e-12);
    });
  });

  it("happens once: a second batch-norm stays, and so does one after another kind of layer", () => {
    const r = random(5);
    const twice = sequential([dense(3), norm, norm]);
    const { variables } = build(twice, twice.init(r, [4]), normalTensor(r, [2, 4]), "eval", r);
    expect(Object.keys(twice.weights(variables, "eval")).sort()).toEqual([
      "0/bias",
      "0/weight",
      "2/factor",
      "2/offset",
    ]);
    const after = sequential([flatten(), norm]);
    const built = build(after, after.init(r, [4]), normalTensor(r, [2, 4]), "eval", r);
    expect(Object.keys(after.weights(built.variables, "eval")).sort()).toEqual(["1/factor", "1/offset"]);
  });

  it("does not happen in training", () => {
    const folded = sequential([dense(3), norm]);
    const r = random(5);
    const { variables } = build(folded, folded.init(r, [4]), normalTensor(r, [2, 4]), "train", r);
    expect(folded.weights(variables, "train")).toEqual(variables);
  });
});
