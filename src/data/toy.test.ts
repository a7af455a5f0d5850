/** @file Tests of toy.ts. */
import { describe, expect, it } from "vitest";
import { UsageError } from "../tensor/errors.ts";
import { checkDataset } from "./dataset.ts";
import { squareWave, twoMoons } from "./toy.ts";

describe("squareWave()", () => {
  const { train, test } = squareWave(1);

  it("is 1 on [-2,-1] and (0,1], else 0", () => {
    for (const part of [train, test]) {
      checkDataset(part);
      part.x.forEach((x, i) => {
        const expected = (x >= -2 && x <= -1) || (x > 0 && x <= 1) ? 1 : 0;
        expect(part.targets[i], `x = ${x}`).toBe(expected);
      });
    }
  });

  it("has 300 random training points and a test grid with both ends", () => {
    expect([train.count, test.count]).toEqual([300, 200]);
    expect([test.x[0], test.x[199]]).toEqual([-2, 2]);
    expect(new Set(train.x).size).toBe(300);
    expect(train.targets.reduce((a, b) => a + b)).toBeGreaterThan(100);
    expect(squareWave(1)).toEqual({ train, test });
    expect(squareWave(2).train.x).not.toEqual(train.x);
  });
});

describe("twoMoons()", () => {
  it("lies on two half circles when there is no noise", () => {
    const { train, test } = twoMoons(1, { samples: 100, noise: 0 });
    expect([train.count, test.count]).toEqual([80, 20]);
    for (const part of [train, test]) {
      checkDataset(part);
      part.labels.forEach((label, i) => {
        const [x, y] = part.x.subarray(2 * i, 2 * i + 2);
        const [dx, dy] = label === 0 ? [x, y] : [1 - x, 0.5 - y];
        expect(Math.hypot(dx, dy)).toBeCloseTo(1, 5);
        expect(dy).toBeGreaterThan(-1e-6);
      });
    }
  });

  it("is balanced, noisy as told, and a function of the seed", () => {
    const { train, test } = twoMoons(7);
    const ones = [...train.labels, ...test.labels].filter((label) => label === 1).length;
    expect(ones).toBe(500);
    expect(twoMoons(7)).toEqual({ train, test });
    expect(twoMoons(8).train.x).not.toEqual(train.x);
    const radii = [...train.labels].flatMap((label, i) =>
      label === 0 ? [Math.hypot(train.x[2 * i], train.x[2 * i + 1]) - 1] : [],
    );
    const deviation = Math.sqrt(radii.reduce((sum, r) => sum + r * r, 0) / radii.length);
    expect(deviation).toBeGreaterThan(0.085);
    expect(deviation).toBeLessThan(0.115);
  });

  it("refuses impossible options", () => {
    expect(() => twoMoons(1, { samples: 3 })).toThrow(UsageError);
    expect(() => twoMoons(1, { noise: -1 })).toThrow(UsageError);
  });
});
