/** @file Tests of iris.ts. */
import { describe, expect, it } from "vitest";
import { checkDataset } from "./dataset.ts";
import { iris } from "./iris.ts";

describe("iris()", () => {
  const { train, test } = iris();

  it("has 40 and 10 flowers of each species", () => {
    for (const [part, each] of [
      [train, 40],
      [test, 10],
    ] as const) {
      checkDataset(part);
      for (const species of [0, 1, 2]) expect(part.labels.filter((label) => label === species)).toHaveLength(each);
    }
    expect([...train.labels.subarray(0, 6)]).toEqual([0, 1, 2, 0, 1, 2]);
  });

  it("has Fisher's means", () => {
    const sums = [0, 1, 2].map((species) => {
      const sum = [0, 0, 0, 0];
      for (const part of [train, test]) {
        part.labels.forEach((label, i) => {
          if (label === species) for (let f = 0; f < 4; f++) sum[f] += part.x[4 * i + f] / 50;
        });
      }
      return sum.map((v) => Number(v.toFixed(3)));
    });
    expect(sums).toEqual([
      [5.006, 3.428, 1.462, 0.246],
      [5.936, 2.77, 4.26, 1.326],
      [6.588, 2.974, 5.552, 2.026],
    ]);
  });
});
