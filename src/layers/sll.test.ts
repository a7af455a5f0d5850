/** @file Residual layers as a whole network: where gamma stands, and where the outputs are taken. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { topological } from "../graph/graph.ts";
import { constant, input, inputsOf } from "../graph/leaf.ts";
import { convnet } from "../models/convnet.ts";
import { mlp } from "../models/mlp.ts";
import { mul } from "../ops/arith.ts";
import { sqrt } from "../ops/pointwise.ts";
import { retype } from "../ops/retype.ts";
import { mapNamed } from "../tensor/named.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, toFloat64 } from "../tensor/tensor.ts";
import { type Family, inFamily } from "./family.ts";
import { evalRun } from "./layer.ts";
import { cpl, firstOutputs, sll } from "./sll.ts";

const wide = mlp([3, 5, 5, 2]);
const narrow = mlp([6, 5, 4, 2], { activation: "tanh" });
const images = convnet(2, { channels: [4, 6], hidden: 5 });

/** Outputs in float64 with variables drawn by a seed, biases of the last layer left at zero, of inputs times a number. */
function outputs(family: Family, model: typeof wide, sample: readonly number[], times: number): Float64Array {
  const layer = inFamily(model, family);
  const { params, state } = layer.init(random(1), sample);
  const last = Object.keys(params).at(-1);
  const values = {
    ...mapNamed(params, (t, name) => (name === last ? t : normalTensor(random(2).fork(name), t.shape))),
    ...state,
  };
  const leaves = mapNamed(values, (t, name) => input(name, t.shape));
  const x = input("input", [3, ...sample]);
  const y = layer.forward(mul(x, sqrt(constant(times))), layer.weights(leaves, "eval"), evalRun);
  const needed = inputsOf(topological([y]));
  const feeds = Object.fromEntries(
    Object.entries({ ...values, input: normalTensor(random(3), x.shape) }).filter(([name]) => needed.has(name)),
  );
  return toFloat64(
    evaluate(
      { y: retype([y], "float64")[0] },
      mapNamed(feeds, (t) => cast(t, "float64")),
    ).y,
  );
}

describe("sll(), cpl()", () => {
  it.each([
    ["sll", sll, wide, [3]],
    ["sll, narrower", sll, narrow, [6]],
    ["sll, images", sll, images, [1, 4, 4]],
    ["cpl", cpl, wide, [3]],
    ["cpl, images", cpl, images, [1, 4, 4]],
  ] as const)("have the root of gamma before all layers and behind them: %s", (_, family, model, sample) => {
    const whole = outputs(family({ gamma: 9 }), model, sample, 1);
    const halves = outputs(family({ gamma: 1 }), model, sample, 9);
    expect(Math.max(...halves.map(Math.abs))).toBeGreaterThan(0.1);
    whole.forEach((y, i) => {
      expect(y).toBeCloseTo(3 * halves[i], 4);
    });
  });

  it("take the outputs from a layer that is wide enough, and refuse another", () => {
    expect(firstOutputs(2).shape([2])).toEqual([2]);
    expect(() => inFamily(mlp([3, 4, 5]), sll()).shape([3])).toThrow(
      "firstOutputs: the layer before the last must be at least as wide as the outputs, got 4 for 5; make it wider",
    );
  });
});
