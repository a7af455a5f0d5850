/** @file Tests of broadcast.ts and reduce.ts. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { filledLike, input } from "../graph/leaf.ts";
import { ShapeError } from "../tensor/errors.ts";
import { tensor } from "../tensor/tensor.ts";
import { broadcastTo, sum } from "./broadcast.ts";
import { mean, reduceMax, reduceMin } from "./reduce.ts";

const x = input("x", [2, 3]);
const values = (y: Node, fed: number[]) => Array.from(evaluate({ y }, { x: tensor(fed, [2, 3]) }).y.data, Number);

describe("broadcastTo() and sum()", () => {
  it("stretch and add", () => {
    expect(values(broadcastTo(x, [2, 2, 3]), [1, 2, 3, 4, 5, 6])).toEqual([1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
    expect(values(sum(x, [-1]), [1, 2, 3, 4, 5, 6])).toEqual([6, 15]);
    expect(sum(x, [0, 0, -2], true).shape).toEqual([1, 3]);
    expect(sum(x, []).shape).toEqual([2, 3]);
    expect(broadcastTo(x, [2, 3])).toBe(x);
  });

  it("refuse what does not stretch and axes that are not there", () => {
    expect(() => broadcastTo(x, [4, 3])).toThrow(ShapeError);
    expect(() => broadcastTo(x, [3])).toThrow(ShapeError);
    expect(() => sum(x, [2])).toThrow(ShapeError);
  });

  it("an empty sum is 0 and an empty mean is refused", () => {
    const none = input("none", [0, 2]);
    expect([...evaluate({ y: sum(none, [0]) }, { none: tensor([], [0, 2]) }).y.data]).toEqual([0, 0]);
    expect(() => mean(none, [0])).toThrow(ShapeError);
    expect(() => reduceMax(none)).toThrow(ShapeError);
  });
});

describe("reduceMax() and reduceMin()", () => {
  it("share the cotangent evenly among ties", () => {
    const fed = [1, 3, 3, 0, 0, 0];
    const pulled = (y: Node) => values(vjp([y], [filledLike(y, 6)], [x])[0] as Node, fed);
    expect(pulled(reduceMax(x, [1]))).toEqual([0, 3, 3, 2, 2, 2]);
    expect(pulled(reduceMin(x))).toEqual([0, 0, 0, 2, 2, 2]);
  });
});
