/** @file Tests of parameters.ts: what of a file is trained, and what stays and why. */
import { describe, expect, it } from "vitest";
import { modelOf } from "../../test/model.ts";
import { retrofitModel } from "../../test/retrofitModel.ts";
import { tensor, zeros } from "../tensor/tensor.ts";
import { parametersOf } from "./parameters.ts";
import { readingOf } from "./read.ts";

describe("parametersOf()", () => {
  it("trains weights, biases, and scale and shift of a batch-norm, and leaves its statistics", () => {
    const { roles, held } = parametersOf(readingOf(retrofitModel()));
    expect([...roles]).toEqual([
      ["fc1.weight", "weight"],
      ["fc1.bias", "number"],
      ["bn.weight", "number"],
      ["bn.bias", "number"],
      ["fc2.weight", "weight"],
      ["fc2.bias", "number"],
    ]);
    const why = "it is a running statistic of a batch-norm";
    expect([...held]).toEqual([
      ["bn.mean", why],
      ["bn.var", why],
    ]);
  });

  it("leaves numbers of formulas, units of the input, and what the graph is built by", () => {
    const bytes = modelOf({
      inputs: { x: [1, 4] },
      tensors: {
        mean: tensor([1, 2, 3, 4]),
        W: zeros([4, 4]),
        turned: zeros([4, 1]),
        b: tensor([0.5]),
        root: tensor([1.702], []),
        high: tensor([6], []),
        scale: tensor([1, 2, 3, 4]),
        unread: tensor([1]),
      },
      nodes: [
        { op: "Sub", in: ["x", "mean"], out: ["c"] },
        { op: "MatMul", in: ["c", "W"], out: ["h"] },
        { op: "Div", in: ["h", "root"], out: ["i"] },
        { op: "Clip", in: ["i", "", "high"], out: ["j"] },
        { op: "Mul", in: ["j", "scale"], out: ["k"] },
        { op: "MatMul", in: ["k", "turned"], out: ["l"] },
        { op: "Add", in: ["l", "b"] },
      ],
    });
    const { roles, held } = parametersOf(readingOf(bytes));
    expect([...roles]).toEqual([
      ["W", "weight"],
      ["turned", "weight"],
      ["b", "number"],
      ["scale", "number"],
    ]);
    expect([...held]).toEqual([
      ["mean", "it stands in front of the first layer, for the units of the input"],
      ["root", "it is a single number of a formula"],
      ["high", "it is a single number of a formula"],
    ]);
  });

  it("leaves what has to be known when the graph is built, whatever its size", () => {
    const bytes = modelOf({
      inputs: { x: [1, 1, 2, 2] },
      tensors: { W: zeros([1, 1, 1, 1]), scales: tensor([1, 1, 2, 2]) },
      nodes: [
        { op: "Conv", in: ["x", "W"], out: ["h"] },
        { op: "Resize", in: ["h", "", "scales"] },
      ],
    });
    const { roles, held } = parametersOf(readingOf(bytes));
    expect([...roles.keys()]).toEqual(["W"]);
    expect([...held]).toEqual([["scales", "it has to be known when the graph is built"]]);
  });
});
