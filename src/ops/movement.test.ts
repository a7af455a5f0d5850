/** @file Tests of movement.ts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import { ShapeError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { concat, flatten, pad, reshape, slice, split, squeeze, transpose, unsqueeze } from "./movement.ts";

const counted = (shape: readonly number[]) => tensor([...new Array(sizeOf(shape)).keys()], shape);
const values = (y: Node, shape: readonly number[]) => Array.from(evaluate({ y }, { x: counted(shape) }).y.data, Number);
const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });

describe("reshape()", () => {
  const x = input("x", [2, 3, 4]);
  it("fills one dimension and merges with a reshape before it", () => {
    expect(reshape(x, [4, -1]).shape).toEqual([4, 6]);
    expect(reshape(reshape(x, [24]), [2, 3, 4])).toBe(x);
    expect(reshape(reshape(x, [24]), [6, 4]).inputs[0]).toBe(x);
  });

  it("refuses what does not fit", () => {
    expect(() => reshape(x, [5, -1])).toThrow(ShapeError);
    expect(() => reshape(x, [-1, -1])).toThrow(ShapeError);
    expect(() => reshape(x, [5, 5])).toThrow(ShapeError);
  });

  it("has flatten, squeeze and unsqueeze as its special cases", () => {
    expect(flatten(x, 2).shape).toEqual([6, 4]);
    expect(flatten(x, -1).shape).toEqual([6, 4]);
    expect(flatten(x, 0).shape).toEqual([1, 24]);
    expect(flatten(x, 3).shape).toEqual([24, 1]);
    expect(unsqueeze(x, [0, -1]).shape).toEqual([1, 2, 3, 4, 1]);
    expect(squeeze(unsqueeze(x, [1, 3]), [1, 3])).toBe(x);
    expect(squeeze(input("y", [1, 2, 1])).shape).toEqual([2]);
    expect(() => squeeze(x, [0])).toThrow(ShapeError);
    expect(() => unsqueeze(x, [0, 0])).toThrow(ShapeError);
  });
});

describe("transpose()", () => {
  it("merges with one before it, and any permutation comes back by its inverse", () => {
    fc.assert(
      fc.property(shapes, fc.infiniteStream(fc.nat()), (shape, dice) => {
        const perm = shape
          .map((_, i) => ({ i, key: dice.next().value }))
          .sort((a, b) => a.key - b.key)
          .map(({ i }) => i);
        const inverse = perm.map((_, i) => perm.indexOf(i));
        const x = input("x", shape);
        expect(transpose(transpose(x, perm), inverse)).toBe(x);
        const y = transpose(x, perm);
        expect(y.shape).toEqual(perm.map((p) => shape[p]));
      }),
    );
  });

  it("swaps the last two axes by default, and refuses what is no permutation", () => {
    const x = input("x", [2, 3]);
    expect(values(transpose(x), [2, 3])).toEqual([0, 3, 1, 4, 2, 5]);
    expect(() => transpose(x, [0, 0])).toThrow(ShapeError);
    expect(() => transpose(x, [0])).toThrow(ShapeError);
  });
});

describe("slice() and pad()", () => {
  const x = input("x", [6]);
  it("steps forwards and backwards", () => {
    expect(values(slice(x, [1], [3], [2]), [6])).toEqual([1, 3, 5]);
    expect(values(slice(x, [5], [3], [-2]), [6])).toEqual([5, 3, 1]);
    expect(values(slice(x, [5], [6], [-1]), [6])).toEqual([5, 4, 3, 2, 1, 0]);
    expect(slice(x, [0], [6])).toBe(x);
    expect(slice(x, [3], [0]).shape).toEqual([0]);
  });

  it("refuses what is not there", () => {
    expect(() => slice(x, [4], [3])).toThrow(ShapeError);
    expect(() => slice(x, [1], [3], [-1])).toThrow(ShapeError);
    expect(() => slice(x, [-1], [1])).toThrow(ShapeError);
  });

  it("pad surrounds with zeros, and cutting them off gives back what was", () => {
    expect(values(pad(x, [1], [2]), [6])).toEqual([0, 0, 1, 2, 3, 4, 5, 0, 0]);
    expect(pad(x, [0], [0])).toBe(x);
    expect(() => pad(x, [-1], [0])).toThrow(ShapeError);
    expect(values(slice(pad(x, [1], [2]), [1], [6]), [6])).toEqual([0, 1, 2, 3, 4, 5]);
  });
});

describe("concat() and split()", () => {
  it("undo each other on any axis", () => {
    fc.assert(
      fc.property(shapes, fc.nat(), fc.nat(), (shape, a, b) => {
        const axis = a % shape.length;
        const cut = b % (shape[axis] + 1);
        const x = input("x", shape);
        const parts = split(x, axis, [cut, shape[axis] - cut]);
        expect(values(concat(parts, axis - shape.length), shape)).toEqual(Array.from(counted(shape).data, Number));
      }),
    );
  });

  it("refuse sizes that do not add up and shapes that do not match", () => {
    const x = input("x", [2, 3]);
    expect(() => split(x, 1, [1, 1])).toThrow(ShapeError);
    expect(() => concat([x, input("z", [3, 3])], 1)).toThrow(ShapeError);
    expect(() => concat([x, input("z", [2, 3], "float64")], 1)).toThrow(ShapeError);
    expect(() => concat([], 0)).toThrow(ShapeError);
  });
});
