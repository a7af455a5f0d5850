/** @file Tests of arith.ts. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, filledLike, input } from "../graph/leaf.ts";
import { ShapeError } from "../tensor/errors.ts";
import { tensor } from "../tensor/tensor.ts";
import { add, cast, div, equal, less, maximum, mul, neg, pow, stopGradient, where } from "./arith.ts";

const values = (y: Node, feeds: Record<string, number[]> = {}) => {
  const named = Object.fromEntries(Object.entries(feeds).map(([k, v]) => [k, tensor(v)]));
  return Array.from(evaluate({ y }, named).y.data, Number);
};
const x = input("x", [3]);
const c = (v: number[], dtype: "float32" | "int64" = "float32") => constant(tensor(v, [v.length], dtype));

describe("arithmetic", () => {
  it("broadcasts numbers and nodes by the NumPy rule", () => {
    expect(values(mul(add(x, 1), c([2, 0, -1])), { x: [1, 2, 3] })).toEqual([4, 0, -4]);
    expect(add(input("a", [2, 1]), input("b", [3])).shape).toEqual([2, 3]);
    expect(() => add(input("a", [2]), input("b", [3]))).toThrow(ShapeError);
    expect(() => add(1, 2)).toThrow(/one operand must be a node/);
  });

  it("never mixes dtypes", () => {
    expect(() => add(x, cast(x, "float64"))).toThrow(ShapeError);
    expect(() => mul(x, cast(x, "int64"))).toThrow(ShapeError);
    expect(() => less(x, cast(x, "int64"))).toThrow(ShapeError);
  });

  it("divides integers towards zero", () => {
    expect(values(div(c([7, -7], "int64"), c([2, 2], "int64")))).toEqual([3, -3]);
  });

  it("leaves out a factor 1 and a double sign", () => {
    expect(mul(x, 1)).toBe(x);
    expect(neg(neg(x))).toBe(x);
  });
});

describe("pow()", () => {
  it("has its derivative at a negative base, where the exponent's has no meaning and is 0", () => {
    const b = input("b", [3]);
    const y = pow(x, b);
    const [dx, db] = vjp([y], [filledLike(y, 1)], [x, b]);
    const feeds = { x: [-2, 0, 2], b: [2, 2, 3] };
    expect(values(dx as Node, feeds)).toEqual([-4, 0, 12]);
    expect(values(db as Node, feeds)[0]).toBe(0);
    expect(values(db as Node, feeds)[2]).toBeCloseTo(8 * Math.LN2, 14);
  });
});

describe("maximum()", () => {
  it("gives the cotangent to its first operand at ties", () => {
    const z = input("z", [3]);
    const y = maximum(x, z);
    const [dx, dz] = vjp([y], [filledLike(y, 1)], [x, z]);
    const feeds = { x: [1, 2, 3], z: [1, 5, 0] };
    expect(values(dx as Node, feeds)).toEqual([1, 0, 1]);
    expect(values(dz as Node, feeds)).toEqual([0, 1, 0]);
  });
});

describe("where(), cast(), stopGradient()", () => {
  it("where wants a bool", () => {
    expect(() => where(x, x, x)).toThrow(ShapeError);
    expect(values(where(less(x, 2), x, -1), { x: [1, 2, 3] })).toEqual([1, -1, -1]);
  });

  it("where is affine in its branches and jumps in its condition", () => {
    const y = where(less(x, 2), x, input("z", [3]));
    expect(y.op.behaviour(y, [false, true, true]).kind).toBe("linear");
    expect(y.op.behaviour(y, [true, true, false]).kind).toBe("unbounded");
  });

  it("cast truncates to integers and asks for non-zero to bool", () => {
    expect(values(cast(x, "int64"), { x: [1.9, -1.9, 0.5] }).map((v) => v + 0)).toEqual([1, -1, 0]);
    expect(values(cast(x, "bool"), { x: [0.5, 0, -2] })).toEqual([1, 0, 1]);
    expect(cast(x, "float32")).toBe(x);
  });

  it("nothing flows back through stopGradient or a condition", () => {
    const [a] = vjp([stopGradient(x)], [x], [x]);
    const mask = cast(equal(x, 1), "float32");
    const [b] = vjp([mask], [mask], [x]);
    expect([a, b]).toEqual([null, null]);
  });
});
