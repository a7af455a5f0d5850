/** @file Tests of lowCurvature.ts, and of the capped batch-norm and the learned softplus inside it. */
import { describe, expect, it } from "vitest";
import { build, feedsFor, movedVariables } from "../../test/runs.ts";
import { lipschitz } from "../bounds/index.ts";
import { curvatureBound } from "../curvature/bound.ts";
import { curvature } from "../curvature/measure.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { grad } from "../graph/gradient.ts";
import { topological } from "../graph/graph.ts";
import { input, inputsOf } from "../graph/leaf.ts";
import { freeze } from "../models/freeze.ts";
import { mlp } from "../models/mlp.ts";
import { resnet } from "../models/resnet.ts";
import { writeNetwork } from "../onnx/network.ts";
import { parseOnnx } from "../onnx/read.ts";
import { mul } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { retype } from "../ops/retype.ts";
import { UsageError } from "../tensor/errors.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, scalar, tensor, toFloat64 } from "../tensor/tensor.ts";
import { lipschitzBatchNorm } from "./batchNorm.ts";
import { centeredSoftplus } from "./centeredSoftplus.ts";
import { conv } from "./conv.ts";
import { lowCurvatureFamily, softplusFamily } from "./lowCurvature.ts";
import { sequential } from "./sequential.ts";
import { spectral } from "./spectral.ts";

const engine = nodeEngine();

describe("lipschitzBatchNorm()", () => {
  const epsilon = 1e-5;
  const batch = tensor([0, 0.1, 4, 8, 0.2, 0.3, -4, 0], [2, 2, 2]);

  it.each([
    { gamma: 0.5, cap: 0.5 },
    // The least deviation is sqrt(0.0125): the norm stretches by 8.94, and less than 20.
    { gamma: 20, cap: 1 / Math.sqrt(0.0125 + epsilon) },
  ])("stretches by min(1 / m, gamma) at statistics that stand still, gamma $gamma", ({ gamma, cap }) => {
    const layer = lipschitzBatchNorm({ gamma, epsilon });
    const params = { logGamma: scalar(Math.log(gamma)) };
    const state = { mean: tensor([0.15, 2]), variance: tensor([0.0125, 20]) };
    const held = build(layer, { params, state }, batch, "eval", random(0));
    const moving = build(layer, { params, state }, batch, "train", random(0));
    for (const { y, feeds } of [held, moving]) {
      const needed = feedsFor(feeds, inputsOf(topological([y])).keys());
      const out = toFloat64(evaluate({ y }, needed).y);
      // Channel 0 of the batch has this mean and variance too, and the least one.
      expect((out[1] - out[0]) / (Number(batch.data[1]) - Number(batch.data[0]))).toBeCloseTo(cap, 4);
      expect((out[3] - out[2]) / 4).toBeLessThanOrEqual(cap);
    }
    const { factor } = layer.weights(held.variables, "eval");
    const needed = feedsFor(held.feeds, inputsOf(topological([factor])).keys());
    const factors = toFloat64(evaluate({ factor }, needed).factor);
    expect(Math.max(...factors)).toBeLessThanOrEqual(gamma * (1 + 1e-6));
  });

  it("folds into the layer before it without a change", () => {
    const r = random(5);
    const layer = sequential([spectral(conv(3, { kernel: 3, bias: false })), lipschitzBatchNorm({ gamma: 0.7 })]);
    const variables = movedVariables(layer, r, [2, 5, 5]);
    const x = normalTensor(r.fork("x"), [2, 2, 5, 5]);
    const { y, variables: nodes, feeds } = build(layer, variables, x, "eval", r);
    expect(Object.keys(layer.weights(nodes, "eval")).sort()).toEqual(["0/bias", "0/weight"]);
    const norm = lipschitzBatchNorm({ gamma: 0.7 });
    const first = spectral(conv(3, { kernel: 3, bias: false }));
    const inner = build(
      first,
      { params: { weight: variables.params["0/weight"] }, state: { vector: variables.state["0/vector"] } },
      x,
      "eval",
      r,
    );
    const middle = cast(evaluate({ y: inner.y }, inner.feeds).y, "float32");
    const last = build(
      norm,
      {
        params: { logGamma: variables.params["1/logGamma"] },
        state: { mean: variables.state["1/mean"], variance: variables.state["1/variance"] },
      },
      middle,
      "eval",
      r,
    );
    const want = toFloat64(evaluate({ y: last.y }, last.feeds).y);
    toFloat64(evaluate({ y }, feeds).y).forEach((v, i) => {
      expect(v).toBeCloseTo(want[i], 5);
    });
  });

  it("refuses caps and statistics that make no sense", () => {
    expect(() => lipschitzBatchNorm({ gamma: 0 })).toThrow("lipschitzBatchNorm: gamma must be above 0, got 0");
    expect(() => lipschitzBatchNorm({ momentum: 1 })).toThrow(UsageError);
  });
});

describe("centeredSoftplus(), the layer", () => {
  it("learns beta: values, gradients and second derivatives by differences", () => {
    const layer = centeredSoftplus({ beta: 2 });
    const batch = tensor([-2, -0.3, 0.4, 1.5], [2, 2]);
    const { x, y, variables, feeds } = build(layer, layer.init(random(0), [2]), batch, "train", random(0));
    const s = sum(mul(y, mul(y, y)));
    const [gx, gb] = grad(s, [x, variables.logBeta]);
    const squares = sum(mul(gx, gx));
    const [mixed] = grad(squares, [variables.logBeta]);
    const at = (node: typeof s, logBeta: number) => {
      const [value] = retype([node], "float64");
      const all = { ...feeds, x: cast(feeds.x, "float64"), logBeta: scalar(logBeta, "float64") };
      return toFloat64(evaluate({ value }, all).value)[0];
    };
    const here = Math.log(2 - 1e-3);
    const slope = (node: typeof s) => (at(node, here + 1e-5) - at(node, here - 1e-5)) / 2e-5;
    expect(at(gb, here)).toBeCloseTo(slope(s), 6);
    expect(at(mixed, here)).toBeCloseTo(slope(squares), 6);
    expect(() => centeredSoftplus({ beta: 0 })).toThrow("centeredSoftplus: beta must be above 0.001, got 0");
  });
});

describe("lowCurvatureFamily()", () => {
  const models = [
    { name: "mlp", model: mlp([6, 8, 5, 3]), sample: [6] },
    { name: "resnet", model: resnet(3, { channels: [2, 3] }), sample: [1, 6, 6] },
  ];

  it.each(models)("freezes to the same outputs, which bounds prove something of: $name", async ({ model, sample }) => {
    const layer = model.inFamily(lowCurvatureFamily());
    const r = random(3);
    const variables = movedVariables(layer, r, sample);
    const network = await freeze(engine, layer, variables, sample);
    const batch = normalTensor(r.fork("x"), [4, ...sample]);
    const { y, feeds } = build(layer, variables, batch, "eval", r);
    const x = input("input", [4, ...sample]);
    const frozen = toFloat64(evaluate({ y: network.build([x])[0] }, { input: batch }).y);
    const needed = feedsFor(feeds, inputsOf(topological([y])).keys());
    toFloat64(evaluate({ y }, needed).y).forEach((v, i) => {
      expect(frozen[i]).toBeCloseTo(v, 5);
    });
    const { upper, lower } = await lipschitz(network, { engine, norm: 2, methods: ["autolip", "jacobian"] });
    expect(upper?.proved).toBe(true);
    expect(upper?.value).toBeGreaterThanOrEqual(lower?.value ?? Number.POSITIVE_INFINITY);
    expect(lower?.value).toBeGreaterThan(0);
  });

  it.each(models)("bends no more than is proved of it, also when it has been written and read: $name", async (row) => {
    const layer = row.model.inFamily(lowCurvatureFamily());
    const variables = movedVariables(layer, random(4), row.sample);
    const network = await freeze(engine, layer, variables, row.sample);
    const bound = await curvatureBound(network);
    const read = await curvatureBound(parseOnnx(writeNetwork(network)));
    expect(bound.proved && Number.isFinite(bound.loss)).toBe(true);
    expect(read.loss / bound.loss).toBeCloseTo(1, 6);
    const { hessian } = await curvature(network, { engine, samples: 4, steps: 5 });
    expect(hessian.max).toBeGreaterThan(0);
    expect(hessian.max).toBeLessThanOrEqual(bound.loss);
  });

  it("knows beta of every frozen activation", async () => {
    const layer = mlp([3, 4, 4, 2]).inFamily(lowCurvatureFamily({ beta: 3 }));
    const network = await freeze(engine, layer, layer.init(random(0), [3]), [3]);
    const soft = topological(network.build([input("input", [1, 3])])).filter((n) => n.op.name === "CenteredSoftplus");
    expect(soft.length).toBe(2);
    for (const node of soft) {
      const behaviour = node.op.behaviour(node, [true]);
      expect(behaviour).toMatchObject({ kind: "pointwise", slope: [0, 1] });
      expect("curvature" in behaviour && behaviour.curvature).toBeCloseTo(3 / 4, 5);
    }
  });

  it("has a plain counterpart with a softplus of a given beta", () => {
    const layer = resnet(3, { channels: [2] }).inFamily(softplusFamily(10));
    expect(Object.keys(layer.init(random(0), [1, 6, 6]).params).some((name) => name.endsWith("logBeta"))).toBe(false);
  });
});
