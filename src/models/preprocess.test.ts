import { describe, expect, it } from "vitest";
import { functionOf } from "../../test/functions.ts";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { reshape } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { withPreprocessing } from "./preprocess.ts";

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
