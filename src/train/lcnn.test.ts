/** @file Tests of lcnn.ts and of the penalties beside it: their values from the formulas, by differences of the loss alone. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { grad } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { matmul } from "../ops/matmul.ts";
import { tanh } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, tensor, toFloat64 } from "../tensor/tensor.ts";
import { lcnn } from "./lcnn.ts";
import { crossEntropy } from "./loss.ts";
import type { Method, Step } from "./method.ts";
import { cure, gradReg, softplusDecay } from "./penalty.ts";

const r = random(1);
const batch = cast(normalTensor(r.fork("x"), [4, 3]), "float64");
const weight = cast(normalTensor(r.fork("w"), [3, 2]), "float64");
const targets = tensor([1, 0, 0, 1, 0, 1, 1, 0], [4, 2], "float64");

/** A step of tanh(x W) on the rows of the batch that are named. */
function stepOn(rows: readonly number[], params: Named<Node> = {}) {
  const pick = (values: Float64Array, width: number) =>
    tensor(
      Float64Array.from(rows.flatMap((i) => [...values.subarray(i * width, (i + 1) * width)])),
      [rows.length, width],
      "float64",
    );
  const x = input("x", [rows.length, 3], "float64");
  const y = constant(pick(toFloat64(targets), 2));
  const forward = (at: Node) => tanh(matmul(at, constant(weight)));
  const step: Step = {
    x,
    y,
    forward,
    evaluated: forward,
    loss: crossEntropy,
    params,
    state: {},
    epoch: constant(0),
    noise: () => x,
  };
  return { step, x, y, forward, feeds: { x: pick(toFloat64(batch), 3) } };
}

const lossOf = (method: Method, rows: readonly number[], params?: Named<Node>): number => {
  const { step, feeds } = stepOn(rows, params);
  const { loss } = method.objective?.(step) ?? {};
  return loss ? toFloat64(evaluate({ loss }, feeds).loss)[0] : Number.NaN;
};

/** The gradient of one row's own loss at a point. */
function gradientAt(row: number, at?: Float64Array): Float64Array {
  const { x, y, forward, feeds } = stepOn([row]);
  const [g] = grad(crossEntropy(forward(x), y), [x]);
  return toFloat64(evaluate({ g }, at ? { x: tensor(at, [1, 3], "float64") } : feeds).g);
}

const square = (v: Float64Array): number => v.reduce((total, d) => total + d * d, 0);
const all = [0, 1, 2, 3];
const without = gradReg({ gradientWeight: 0 });

describe("gradReg()", () => {
  it("adds the mean squared gradient of each sample's own loss, whatever the batch", () => {
    const want = all.reduce((total, i) => total + square(gradientAt(i)), 0) / 4;
    expect(lossOf(gradReg({ gradientWeight: 3 }), all) - lossOf(without, all)).toBeCloseTo(3 * want, 10);
    const twice = [...all, ...all];
    expect(lossOf(gradReg({ gradientWeight: 3 }), twice)).toBeCloseTo(lossOf(gradReg({ gradientWeight: 3 }), all), 10);
  });

  it("has a gradient in the weights: double backprop against differences", () => {
    const { x, y, feeds } = stepOn(all);
    const w = input("w", [3, 2], "float64");
    const forward = (at: Node) => tanh(matmul(at, w));
    const { step } = stepOn(all);
    const loss = gradReg({ gradientWeight: 2 }).objective?.({ ...step, x, y, forward }).loss as Node;
    const [g] = grad(loss, [w]);
    const at = (node: Node, values: Float64Array) =>
      toFloat64(evaluate({ node }, { ...feeds, w: tensor(values, [3, 2], "float64") }).node);
    const start = toFloat64(weight);
    at(g, start).forEach((d, i) => {
      const moved = (h: number) =>
        at(
          loss,
          start.map((v, j) => (i === j ? v + h : v)),
        )[0];
      expect(d).toBeCloseTo((moved(1e-5) - moved(-1e-5)) / 2e-5, 7);
    });
  });
});

describe("cure()", () => {
  it("adds the mean squared change of the gradient along its own sign", () => {
    const want = all.map((i) => {
      const g = gradientAt(i);
      const x = toFloat64(batch).subarray(3 * i, 3 * i + 3);
      const near = x.map((v, j) => v + (0.5 * Math.sign(g[j])) / Math.sqrt(3));
      return square(gradientAt(i, near).map((d, j) => d - g[j]));
    });
    const total = want.reduce((a, b) => a + b, 0) / 4;
    const found = lossOf(cure({ curvatureWeight: 2, distance: 0.5 }), all) - lossOf(without, all);
    expect(found).toBeCloseTo(2 * total, 8);
    expect(() => cure({ distance: 0 })).toThrow("cure: distance must be above 0, got 0");
  });
});

describe("lcnn()", () => {
  const params = {
    "0/weight": constant(1, "float64"),
    "0/logGamma": constant(Math.log(0.5), "float64"),
    "1/logBeta": constant(Math.log(2), "float64"),
    "3/logBeta": constant(0, "float64"),
  };

  it("adds the betas, |log gamma| and the gradient", () => {
    const plain = lossOf(without, all);
    const low = (o: object) => lossOf(lcnn({ betaWeight: 0, gammaWeight: 0, ...o }), all, params) - plain;
    expect(low({})).toBeCloseTo(0, 12);
    expect(low({ betaWeight: 0.1 })).toBeCloseTo(0.1 * (3 + 2e-3), 10);
    expect(low({ gammaWeight: 0.1 })).toBeCloseTo(0.1 * Math.log(2), 10);
    const gradient = all.reduce((total, i) => total + square(gradientAt(i)), 0) / 4;
    expect(low({ gradientWeight: 2 })).toBeCloseTo(2 * gradient, 10);
  });

  it("moves beta and gamma 20 times as fast as weights, and lets nothing decay", () => {
    const method = lcnn();
    expect(["0/weight", "0/logGamma", "1/logBeta", "0/bias"].map((name) => method.pace?.(name))).toEqual([
      1, 20, 20, 1,
    ]);
    expect(method.decay).toBeUndefined();
    expect(() => lcnn({ betaWeight: -1 })).toThrow(UsageError);
  });
});

describe("softplusDecay()", () => {
  it("decays weights and brings its own activation", () => {
    const method = softplusDecay({ beta: 4, decay: 0.1 });
    expect([method.decay?.("0/weight"), method.decay?.("0/bias")]).toEqual([0.1, 0]);
    expect(method.family?.name).toBe("softplus 4");
  });
});
