/** @file Tests of gather.ts. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { grad } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { tensor } from "../tensor/tensor.ts";
import { mul } from "./arith.ts";
import { sum } from "./broadcast.ts";
import { argMax, gather, oneHot } from "./gather.ts";

const places = (values: number[]) => constant(tensor(values, [values.length], "int64"));
const x = input("x", [2, 3]);
const values = (y: Node, fed: number[]) => Array.from(evaluate({ y }, { x: tensor(fed, [2, 3]) }).y.data, Number);

describe("gather()", () => {
  it("takes slices, negative positions from the end", () => {
    expect(values(gather(x, places([-1, 0]), 1), [1, 2, 3, 4, 5, 6])).toEqual([3, 1, 6, 4]);
    expect(gather(x, constant(tensor([1, 0], [1, 2], "int64"))).shape).toEqual([1, 2, 3]);
    expect(gather(x, constant(1, "int64"), 1).shape).toEqual([2]);
  });

  it("adds up the gradient of what it took twice", () => {
    const y = gather(x, places([1, 1, -2]), 1);
    const [g] = grad(sum(mul(y, constant(tensor([1, 10, 100])))), [x]);
    expect([...evaluate({ g }).g.data]).toEqual([0, 111, 0, 0, 111, 0]);
  });

  it("knows how often a known position occurs", () => {
    const norm = (positions: Node) => {
      const y = gather(x, positions, 1);
      const behaviour = y.op.behaviour(y, [true, false]);
      return behaviour.kind === "linear" && behaviour.of.form === "bounded" ? behaviour.of.norm[1] : null;
    };
    expect(norm(places([2, 0, 1]))).toBe(1);
    expect(norm(places([2, -1, 1]))).toBe(2);
    expect(norm(input("i", [5], "int64"))).toBe(5);
  });

  it("refuses positions that are not there or not integers", () => {
    expect(() => gather(x, places([3]), 1)).toThrow(UsageError);
    expect(() => gather(x, places([-4]), 1)).toThrow(UsageError);
    expect(() => gather(x, constant(tensor([0])), 1)).toThrow(ShapeError);
    expect(() => gather(input("s", []), places([0]))).toThrow(ShapeError);
    const i = input("i", [1], "int64");
    const feeds = { x: tensor([1, 2, 3, 4, 5, 6], [2, 3]), i: tensor([2], [1], "int64") };
    expect(() => evaluate({ y: gather(x, i) }, feeds)).toThrow(UsageError);
  });
});

describe("argMax() and oneHot()", () => {
  it("argMax takes the first of several", () => {
    expect(values(argMax(x, 1), [1, 5, 5, 7, 7, 7])).toEqual([1, 0]);
    expect(values(argMax(x, 0, true), [1, 5, 5, 7, 4, 5])).toEqual([1, 0, 0]);
    expect(argMax(x, 0, true).shape).toEqual([1, 3]);
  });

  it("oneHot leaves a label that is no class at 0", () => {
    const y = oneHot(places([1, 5, 0]), 2);
    expect([...evaluate({ y }).y.data]).toEqual([0, 1, 0, 0, 1, 0]);
    expect(() => oneHot(places([1]), 0)).toThrow(UsageError);
  });
});
