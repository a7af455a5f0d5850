import { describe, expect, it } from "vitest";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { parseOnnx } from "../onnx/read.ts";
import { writeModel } from "../onnx/write.ts";
import { matmul } from "../ops/matmul.ts";
import { transpose } from "../ops/movement.ts";
import { batchNorm } from "../ops/normalize.ts";
import { tensor } from "../tensor/tensor.ts";
import { autoLip } from "./autoLip.ts";
import { computedError, fixedValues } from "./fixed.ts";
import { subjectOf } from "./subject.ts";

const numbers = (...values: readonly number[]) => constant(tensor(values, [values.length]));

/** As a model is that was written and read. */
function reread(make: (x: Node) => Node) {
  const network = parseOnnx(writeModel({ y: make(input("x", [1, 2])) }));
  const subject = subjectOf(network);
  return { subject, ...subject.at(1, "float64") };
}

const normalised = (x: Node) => batchNorm(x, numbers(3, 3), numbers(0, 0), numbers(0, 0), numbers(7, 7));

describe("fixedValues()", () => {
  it("grants rounding to what was computed from weights when the model was read", () => {
    const { y } = reread(normalised);
    const factors = y.inputs[0].inputs[1];
    expect(factors.op.name).toBe("Expand");
    expect(fixedValues()(factors).error).toBe(computedError);
  });

  it("takes weights that were only moved as they are", () => {
    const W = constant(tensor([1, 2, 3, 4, 5, 6], [3, 2]));
    const { y } = reread((x) => matmul(x, transpose(W)));
    const [, weight] = y.inputs;
    expect(weight.op.name).toBe("Constant");
    expect(fixedValues()(weight).error).toBe(0);
  });

  it("is why the bound of a batch-norm that was read has room for its roundings", async () => {
    const { subject } = reread(normalised);
    const { bound } = await autoLip(subject, 2);
    // Constants are rounded to the type that they have in the file, after every operator.
    const { fround } = Math;
    const floating = fround(3 / fround(Math.sqrt(fround(7 + fround(1e-5)))));
    expect(bound.value).toBeGreaterThan(floating * (1 + computedError / 2));
    expect(bound.value).toBeLessThan(floating * (1 + 4 * computedError));
  });
});
