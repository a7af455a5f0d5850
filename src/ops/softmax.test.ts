/** @file Tests of softmax.ts. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { grad } from "../graph/gradient.ts";
import { input } from "../graph/leaf.ts";
import { ShapeError } from "../tensor/errors.ts";
import { tensor } from "../tensor/tensor.ts";
import { logSoftmax, logSumExp, softmax } from "./softmax.ts";

const x = input("x", [2, 3]);
const run = (values: number[], f = softmax) => [...evaluate({ y: f(x) }, { x: tensor(values, [2, 3]) }).y.data];

describe("softmax()", () => {
  it("adds up to 1 along its axis, and does not feel a common shift", () => {
    const y = run([1, 2, 3, 1001, 1002, 1003]);
    expect(Number(y[0]) + Number(y[1]) + Number(y[2])).toBeCloseTo(1, 14);
    for (let i = 0; i < 3; i++) expect(y[i]).toBeCloseTo(Number(y[i + 3]), 14);
  });

  it("refuses a scalar and an axis that is not there", () => {
    expect(() => softmax(input("s", []))).toThrow(ShapeError);
    expect(() => logSoftmax(x, 2)).toThrow(ShapeError);
  });
});

describe("logSumExp()", () => {
  it("has the softmax as its gradient", () => {
    const v = input("v", [3], "float64");
    const [g] = grad(logSumExp(v), [v]);
    const found = evaluate({ g, p: softmax(v) }, { v: tensor([1, -2, 700], [3], "float64") });
    for (let i = 0; i < 3; i++) expect(found.g.data[i]).toBeCloseTo(Number(found.p.data[i]), 14);
  });

  it("is the element itself where there is one, and minus infinity where all are", () => {
    const one = input("one", [1]);
    expect([...evaluate({ y: logSumExp(one) }, { one: tensor([-1234]) }).y.data]).toEqual([-1234]);
    const none = new Array(6).fill(Number.NEGATIVE_INFINITY);
    expect(run(none, (n) => logSumExp(n, [1]))).toEqual([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]);
  });
});
