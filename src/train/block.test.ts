/** @file Tests of block.ts: how long a block is, and what it is fed. */
import { describe, expect, it } from "vitest";
import { roomFor } from "../data/batches.ts";
import { iris } from "../data/iris.ts";
import { input } from "../graph/leaf.ts";
import { add } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { full } from "../tensor/tensor.ts";
import { blockFeeds, blockLength } from "./block.ts";

describe("blockLength()", () => {
  const x = (n: number) => input("x", [n, n]);

  it("is short where a step is much work, and never 0", () => {
    expect(blockLength({ y: matmul(x(2048), input("w", [2048, 2048])) }, {})).toBe(1);
    // Some 2^27 multiply-adds are a sixteenth of what a block may be.
    const several = blockLength({ y: matmul(x(512), input("w", [512, 512])) }, {});
    expect(several).toBeGreaterThan(8);
    expect(several).toBeLessThanOrEqual(16);
  });

  it("is short where a step is fed much", () => {
    const y = add(x(4), x(4));
    expect(blockLength({ y }, { x: { shape: [128, 784] } })).toBe(41);
    expect(blockLength({ y }, { x: { shape: [10000, 1000] } })).toBe(1);
    expect(blockLength({ y }, {})).toBeGreaterThan(1000);
  });
});

describe("blockFeeds()", () => {
  const { train } = iris();
  const paces = [
    { rate: 0.5, step: 7, epoch: 1 },
    { rate: 0.25, step: 8, epoch: 1.5 },
  ];

  it("puts the steps in front of everything", () => {
    const asked: [string, number][] = [];
    const noise = {
      shapes: { "noise/0": [2], "noise/1": [1, 3] },
      at(name: string, step: number) {
        asked.push([name, step]);
        return full(name === "noise/0" ? [2] : [1, 3], step);
      },
    };
    const fed = blockFeeds(train, Uint32Array.of(3, 1, 4, 1, 5, 9), paces, noise, roomFor(train, 9));
    expect(Object.entries(fed).map(([name, { shape }]) => [name, shape])).toEqual([
      ["x", [2, 3, 4]],
      ["y", [2, 3, 3]],
      ["rate", [2]],
      ["step", [2]],
      ["epoch", [2]],
      ["noise/0", [2, 2]],
      ["noise/1", [2, 1, 3]],
    ]);
    expect([...fed.x.data].slice(8, 12)).toEqual([...train.x.subarray(16, 20)]);
    expect([fed.rate, fed.step, fed.epoch].map((t) => [...t.data])).toEqual([
      [0.5, 0.25],
      [7, 8],
      [1, 1.5],
    ]);
    expect([...fed["noise/1"].data]).toEqual([7, 7, 7, 8, 8, 8]);
    expect(asked).toEqual([
      ["noise/0", 7],
      ["noise/0", 8],
      ["noise/1", 7],
      ["noise/1", 8],
    ]);
  });
});
