import { describe, expect, it } from "vitest";
import { add, mul } from "../ops/arith.ts";
import { concat } from "../ops/movement.ts";
import { relu, tanh } from "../ops/pointwise.ts";
import { tensor } from "../tensor/tensor.ts";
import { flowOf, isAffine, regionEnds, regionOf } from "./behaviour.ts";
import { constant, input } from "./leaf.ts";

const two = constant(tensor([2, 2], [2]));

describe("flowOf()", () => {
  it("holds what depends on the input, inputs first", () => {
    const x = input("x", [2]);
    const a = relu(x);
    const y = add(mul(a, two), mul(two, two));
    const flow = flowOf(x, y);
    expect(flow.varying[0]).toBe(x);
    expect(flow.varying.at(-1)).toBe(y);
    expect(flow.varying.map((n) => n.op.name)).toEqual(["Input", "Relu", "Mul", "Add"]);
  });

  it("is empty where the output does not depend on the input", () => {
    expect(flowOf(input("x", [2]), mul(two, two)).varying).toEqual([]);
  });
});

describe("regionOf()", () => {
  it("goes back to what is not affine, through all branches", () => {
    const x = input("x", [2]);
    const a = relu(x);
    const inner = add(mul(a, two), a);
    const y = add(concat([inner, x], 0), concat([a, a], 0));
    const flow = flowOf(x, y);
    const region = regionOf(y, flow);
    expect(region.sources).toEqual([x, a]);
    expect(region.nodes).toHaveLength(5);
    expect(region.nodes.at(-1)).toBe(y);
    expect(region.nodes).toContain(inner);
  });

  it("is empty behind a node that is not affine", () => {
    const x = input("x", [2]);
    const y = tanh(x);
    expect(regionOf(y, flowOf(x, y))).toEqual({ output: y, sources: [y], nodes: [] });
  });
});

describe("regionEnds()", () => {
  it("are the affine nodes that another kind reads, and the output", () => {
    const x = input("x", [2]);
    const a = mul(x, two);
    const b = add(a, two);
    const y = mul(relu(b), two);
    expect([...regionEnds(flowOf(x, y))]).toEqual([b, y]);
  });
});

describe("isAffine()", () => {
  it("depends on what varies", () => {
    const [x, z] = [input("x", [2]), input("z", [2])];
    const y = mul(x, z);
    expect(isAffine(y, new Set([x]))).toBe(true);
    expect(isAffine(y, new Set([x, z]))).toBe(false);
    expect(isAffine(y, new Set())).toBe(false);
  });
});
