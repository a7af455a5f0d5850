/** @file Tests of loss.ts: closed forms. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { grad } from "../graph/gradient.ts";
import { input } from "../graph/leaf.ts";
import { UsageError } from "../tensor/errors.ts";
import { tensor } from "../tensor/tensor.ts";
import { crossEntropy, type Loss, multiMargin, offsetCrossEntropy, squaredError } from "./loss.ts";

/** Loss and gradient of rows of outputs. */
function lossOf(loss: Loss, outputs: number[][], targets: number[][]) {
  const shape = [outputs.length, outputs[0].length];
  const [z, t] = [input("z", shape, "float64"), input("t", shape, "float64")];
  const value = loss(z, t);
  expect(value.shape).toEqual([]);
  const [gradient] = grad(value, [z]);
  const feeds = { z: tensor(outputs.flat(), shape, "float64"), t: tensor(targets.flat(), shape, "float64") };
  const results = evaluate({ value, gradient }, feeds);
  return { value: Number(results.value.data[0]), gradient: [...results.gradient.data].map(Number) };
}

function close(got: readonly number[], want: readonly number[]) {
  expect(got.length).toBe(want.length);
  want.forEach((v, i) => {
    expect(got[i]).toBeCloseTo(v, 12);
  });
}

describe("crossEntropy()", () => {
  it("is log(classes) for equal outputs, and its gradient is (softmax - target) / batch", () => {
    const { value, gradient } = lossOf(crossEntropy, [[5, 5, 5, 5]], [[0, 1, 0, 0]]);
    close([value], [Math.log(4)]);
    close(gradient, [0.25, -0.75, 0.25, 0.25]);
  });

  it("is the mean of -log of the true class's probability", () => {
    // Softmax of [0, log 3] is [1/4, 3/4].
    const { value, gradient } = lossOf(
      crossEntropy,
      [
        [0, Math.log(3)],
        [0, Math.log(3)],
      ],
      [
        [1, 0],
        [0, 1],
      ],
    );
    close([value], [(Math.log(4) + Math.log(4 / 3)) / 2]);
    close(gradient, [-0.375, 0.375, 0.125, -0.125]);
  });

  it("stays finite for huge outputs", () => {
    const { value, gradient } = lossOf(crossEntropy, [[1000, -1000]], [[0, 1]]);
    close([value, ...gradient], [2000, 1, -1]);
  });
});

describe("squaredError()", () => {
  it("is half the squared distance, its gradient the error", () => {
    const { value, gradient } = lossOf(
      squaredError,
      [
        [1, 2],
        [0, 0],
      ],
      [
        [0, 4],
        [1, 0],
      ],
    );
    close([value], [(1 + 4 + 1) / 4]);
    close(gradient, [0.5, -1, -0.5, 0]);
  });
});

describe("multiMargin()", () => {
  it("counts every wrong class that comes within the margin", () => {
    // Margins to the true class 0: 0.25 (short by 0.75), 3 (not short), -1 (short by 2).
    const { value, gradient } = lossOf(multiMargin(), [[2, 1.75, -1, 3]], [[1, 0, 0, 0]]);
    close([value], [(0.75 + 2) / 4]);
    close(gradient, [-0.5, 0.25, 0, 0.25]);
  });

  it("takes the margin that it is given", () => {
    close([lossOf(multiMargin(0.5), [[2, 1.75]], [[1, 0]]).value], [0.125]);
    close([lossOf(multiMargin(0.2), [[2, 1.75]], [[1, 0]]).value], [0]);
    expect(() => multiMargin(0)).toThrow("multiMargin: margin must be above 0, got 0");
  });
});

describe("offsetCrossEntropy()", () => {
  it("is the cross-entropy at temperature 1 without an offset", () => {
    const [outputs, targets] = [[[1, 2, -0.5]], [[0, 0, 1]]];
    const plain = lossOf(crossEntropy, outputs, targets);
    const same = lossOf(offsetCrossEntropy({ offset: 0, temperature: 1 }), outputs, targets);
    close([same.value, ...same.gradient], [plain.value, ...plain.gradient]);
  });

  it("takes the offset from the true class and divides by the temperature", () => {
    const { value, gradient } = lossOf(offsetCrossEntropy({ offset: 2, temperature: 0.5 }), [[3, 0]], [[1, 0]]);
    // The true logit is (3 - 2) / 0.5 = 2 against 0.
    const wrong = 1 / (1 + Math.exp(2));
    close([value], [-0.5 * Math.log(1 - wrong)]);
    close(gradient, [-wrong, wrong]);
  });

  it("refuses a temperature that is not above 0", () => {
    expect(() => offsetCrossEntropy({ temperature: 0 })).toThrow(UsageError);
    expect(() => offsetCrossEntropy({ offset: Number.NaN })).toThrow(
      "offsetCrossEntropy: offset must be finite, got NaN",
    );
  });
});
