/** @file Max pools before the functions that they read: the same values, and only where that is so. */
import { describe, expect, it } from "vitest";
import { functionOf, weight } from "../../../test/functions.ts";
import type { Node } from "../../graph/graph.ts";
import { maximum, neg } from "../../ops/arith.ts";
import { leakyRelu, relu, sigmoid, silu } from "../../ops/pointwise.ts";
import { maxPool, type PoolOptions } from "../../ops/pool.ts";
import { random } from "../../tensor/random.ts";
import { asFunction } from "../fixed.ts";
import { fusedFlow } from "../patterns/fuse.ts";
import { subjectOf } from "../subject.ts";
import { poolsFirst, stagedPools, windowsOf } from "./pools.ts";

const pool = (x: Node): Node => maxPool(x, { kernel: [3, 2], strides: [2, 1], pads: [1, 0, 1, 0] });

const flowFor = (f: (x: Node) => Node) => {
  const { x, y } = subjectOf(functionOf([2, 5, 4], f)).at(1, "float64");
  return fusedFlow(x, y);
};

const filled = (like: Node, shape: readonly number[]): Node => {
  const r = random(3);
  return weight(
    like,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => r.normal()),
    shape,
  );
};

describe("poolsFirst()", () => {
  it("puts a pool before what does not decrease, and gives the same numbers", () => {
    const cases: readonly ((x: Node) => Node)[] = [
      (x) => pool(relu(x)),
      (x) => pool(sigmoid(leakyRelu(x, 0.1))),
      (x) => pool(relu(pool(relu(x)))),
    ];
    for (const f of cases) {
      const flow = flowFor(f);
      const swapped = poolsFirst(flow);
      expect(swapped).not.toBe(flow);
      expect(swapped.varying[1].op.name).toBe(pool(flow.input).op.name);
      const r = random(5);
      const at = Float64Array.from({ length: 40 }, () => 2 * r.normal());
      expect(asFunction(swapped.output, swapped.input)(at)).toEqual(asFunction(flow.output, flow.input)(at));
    }
  });

  it("leaves what may decrease, what differs from place to place, and what others read too", () => {
    const cases: readonly ((x: Node) => Node)[] = [
      (x) => pool(neg(relu(x))),
      (x) => pool(silu(x)),
      (x) => pool(maximum(x, filled(x, [2, 5, 1]))),
      (x) => {
        const h = relu(x);
        return maximum(pool(h), pool(neg(h)));
      },
    ];
    for (const f of cases) {
      const flow = flowFor(f);
      expect(poolsFirst(flow)).toBe(flow);
    }
  });
});

describe("stagedPools()", () => {
  it("gives the same numbers axis by axis: side by side, apart, over each other, with pads and dilations", () => {
    const pools: readonly PoolOptions[] = [
      { kernel: [4, 6], strides: [4, 6] },
      { kernel: [3, 2], strides: [2, 1], pads: [1, 0, 1, 1] },
      { kernel: [2, 3], strides: [3, 2], dilations: [2, 1] },
      { kernel: [1, 1], strides: [2, 2] },
    ];
    for (const options of pools) {
      const { x, y } = subjectOf(functionOf([2, 9, 13], (h) => relu(maxPool(h, options)))).at(1, "float64");
      const flow = fusedFlow(x, y);
      const staged = stagedPools(flow);
      const r = random(7);
      const at = Float64Array.from({ length: 2 * 9 * 13 }, () => r.normal());
      expect(asFunction(staged.output, staged.input)(at)).toEqual(asFunction(flow.output, flow.input)(at));
      const most = staged.varying.map((node) => windowsOf(node)?.kernel.reduce((a, b) => a * b, 1) ?? 0);
      expect(Math.max(...most)).toBeLessThanOrEqual(3);
    }
  });
});
