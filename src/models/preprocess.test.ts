import { describe, expect, it } from "vitest";
import { functionOf } from "../../test/functions.ts";
import { plainEngine } from "../../test/plainEngine.ts";
import { lipschitz } from "../bounds/index.ts";
import { evaluate } from "../engine/reference.ts";
import { claimOf } from "../experiment/claim.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { inFamily } from "../layers/family.ts";
import { sandwich } from "../layers/sandwich.ts";
import { reshape } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { freeze } from "./freeze.ts";
import { mlp } from "./mlp.ts";
import { preprocessedModel, withPreprocessing } from "./preprocess.ts";

const identity = (shape: Shape, batch: "free" | number = "free") => functionOf(shape, (x) => x, batch);

/** Outputs for the samples 0, 1, 2, ... in steps of 1. */
function run(network: Network, count: number): number[] {
  const shape = network.inputs[0].shape.map((d) => (typeof d === "number" ? d : count));
  const x = input("x", shape, "float64");
  const [y] = network.build([x]);
  const values = Float64Array.from({ length: sizeOf(shape) }, (_, i) => i);
  return Array.from(evaluate({ y }, { x: tensor(values, shape, "float64") }).y.data as Float64Array);
}

describe("withPreprocessing()", () => {
  it("computes (x * scale - mean) / std per channel", () => {
    const network = withPreprocessing(identity([2, 1, 2]), { scale: 2, mean: [1, 3], std: [0.5, 4] });
    expect(run(network, 1)).toEqual([-2, 2, 0.25, 0.75]);
    expect(run(withPreprocessing(identity([3]), { mean: [1], std: [2] }), 2)).toEqual([-0.5, 0, 0.5, 1, 1.5, 2]);
  });

  it("counts mean and std as float32", () => {
    expect(run(withPreprocessing(identity([1]), { mean: [0.1] }), 1)).toEqual([-Math.fround(0.1)]);
  });

  it("puts channels last", () => {
    const network = withPreprocessing(identity([1, 2, 3], 1), { layout: "nhwc" }, [3, 1, 2]);
    expect(network.inputs[0].shape).toEqual([1, 3, 1, 2]);
    expect(run(network, 1)).toEqual([0, 2, 4, 1, 3, 5]);
  });

  it("takes samples in the form of the data", () => {
    const column = withPreprocessing(identity([4, 1], 1), {}, [1, 2, 2]);
    expect(column.inputs[0].shape).toEqual([1, 1, 2, 2]);
    expect(run(column, 1)).toEqual([0, 1, 2, 3]);
    const bare: Network = {
      ...identity([]),
      inputs: [{ name: "x", shape: [4], dtype: "float32" }],
      build: ([x]) => [reshape(x, [2, 2])],
    };
    expect(withPreprocessing(bare, {}, [1, 2, 2]).inputs[0].shape).toEqual([1, 1, 2, 2]);
    expect(run(withPreprocessing(bare, {}, [1, 2, 2]), 1)).toEqual([0, 1, 2, 3]);
  });

  it("keeps a free batch and a fixed one", () => {
    expect(withPreprocessing(identity([4, 1]), {}, [2, 2]).inputs[0].shape).toEqual(["batch", 2, 2]);
    expect(withPreprocessing(identity([4, 1], 3), {}, [2, 2]).inputs[0].shape).toEqual([3, 2, 2]);
  });

  it("gives back a network that needs nothing", () => {
    const network = identity([2, 2]);
    expect(withPreprocessing(network, {})).toBe(network);
    expect(withPreprocessing(network, { scale: 1, mean: [0] }, [2, 2])).toBe(network);
  });

  it("refuses samples of another size or order", () => {
    expect(() => withPreprocessing(identity([5]), {}, [2, 2])).toThrow(UsageError);
    expect(() => withPreprocessing(identity([2, 2, 3], 1), {}, [3, 2, 2])).toThrow("set the layout");
    expect(() => withPreprocessing(identity([3]), { mean: [1, 2] })).toThrow("must hold 1 or 3 numbers");
    expect(() => withPreprocessing({ ...identity([3]), inputs: [] }, {})).toThrow("one input");
  });
});

describe("preprocessedModel()", () => {
  const numbers = { scale: [2, 1, 4], mean: [1, 0, -1], std: [0.5, 4, 3] };

  it("is the model behind the numbers, the same as put in front of the network", async () => {
    const model = mlp([3, 4, 2]);
    const whole = preprocessedModel(model, numbers, [3]);
    const variables = whole.init(random(1), [3]);
    expect(variables).toEqual(model.init(random(1), [3]));
    const inside = await freeze(plainEngine, whole, variables, [3]);
    const before = withPreprocessing(await freeze(plainEngine, model, variables, [3]), numbers);
    expect(run(inside, 4)).toEqual(run(before, 4));
    expect(preprocessedModel(model, { scale: [1, 1, 1] }, [3])).toBe(model);
    expect(() => preprocessedModel(model, { mean: [1, 2] }, [3])).toThrow("must hold 1 or 3 numbers");
  });

  it("of a prescribed constant says it from the units of the data, and keeps it", async () => {
    const family = sandwich({ gamma: 3 });
    const whole = inFamily(preprocessedModel(mlp([3, 4, 2]), numbers, [3]), family);
    const network = await freeze(plainEngine, whole, whole.init(random(2), [3]), [3]);
    const bracket = await lipschitz(network, { engine: plainEngine, norm: "2", methods: ["autolip", "lipsdp"] });
    const claim = claimOf(network, bracket);
    // 2 / 0.5 is the largest factor.
    expect(claim).toMatchObject({ constant: 12, holds: true });
  });
});
