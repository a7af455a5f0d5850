/** @file Tests of arrays.ts. */
import { describe, expect, it } from "vitest";
import { datasetFromArrays, type StoredArray } from "./arrays.ts";

const pixels: StoredArray = { dtype: "uint8", shape: [2, 1, 3], data: Uint8Array.of(0, 51, 255, 1, 2, 3) };
const labels: StoredArray = { dtype: "uint8", shape: [2], data: Uint8Array.of(1, 0) };

describe("datasetFromArrays()", () => {
  it("reads bytes as grey images in [0,1] and whole numbers as labels", () => {
    const { x, shape, task, labels: own, classes, range } = datasetFromArrays("a", pixels, labels);
    expect(shape).toEqual([1, 1, 3]);
    expect(x[1]).toBe(Math.fround(51 / 255));
    expect(x[2]).toBe(1);
    expect([task, [...own], classes, range]).toEqual(["classification", [1, 0], 2, [0, 1]]);
  });

  it("reads float answers as targets and leaves float inputs as they are", () => {
    const x: StoredArray = { dtype: "float32", shape: [2], data: Float32Array.of(-3, 300) };
    const y: StoredArray = { dtype: "float64", shape: [2, 2], data: Float64Array.of(1, 2, 3, 4) };
    const data = datasetFromArrays("a", x, y);
    expect([data.task, data.shape, [...data.x], [...data.targets], data.classes, data.range]).toEqual([
      "regression",
      [1],
      [-3, 300],
      [1, 2, 3, 4],
      2,
      undefined,
    ]);
  });

  it("refuses labels that int32 would wrap", () => {
    const y: StoredArray = { dtype: "int64", shape: [2], data: BigInt64Array.of(0n, 4294967296n) };
    expect(() => datasetFromArrays("a", pixels, y)).toThrow(
      "a: labels must be whole numbers 0..65535, got 4294967296 in sample 1",
    );
  });

  it("refuses labels beyond the classes", () => {
    const y: StoredArray = { dtype: "uint8", shape: [2], data: Uint8Array.of(0, 10) };
    expect(() => datasetFromArrays("a", pixels, y, { classes: 10 })).toThrow(
      "a: labels must be 0..9, got 10 for sample 1",
    );
  });

  it("refuses unequal numbers of samples and labels", () => {
    const y: StoredArray = { dtype: "uint8", shape: [3], data: Uint8Array.of(0, 1, 0) };
    expect(() => datasetFromArrays("a", pixels, y)).toThrow(
      "a: samples and labels must be equally many, got shapes [2,1,3] and [3]",
    );
  });
});
