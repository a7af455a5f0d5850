/** @file Tests of schedule.ts. */
import { describe, expect, it } from "vitest";
import { UsageError } from "../tensor/errors.ts";
import { constantRate, cosine, piecewiseLinear, stepRate } from "./schedule.ts";

describe("constantRate()", () => {
  it("is constant", () => {
    expect([0, 1.5, 9].map((e) => constantRate(0.3).rate(e, 10))).toEqual([0.3, 0.3, 0.3]);
    expect(() => constantRate(0)).toThrow("schedule: a rate must be above 0, got 0");
  });
});

describe("piecewiseLinear()", () => {
  it("goes straight from point to point and stays at the ends", () => {
    const { rate } = piecewiseLinear([
      [0.2, 0.4],
      [0.6, 0.8],
      [0.8, 0],
    ]);
    const at = [0, 2, 3, 4, 6, 7, 8, 9.5].map((e) => rate(e, 10));
    [0.4, 0.4, 0.5, 0.6, 0.8, 0.4, 0, 0].forEach((want, i) => {
      expect(at[i]).toBeCloseTo(want, 12);
    });
  });

  it("refuses points out of order, outside of the training, or of no rate", () => {
    const refused: [number, number][][] = [
      [[0, 1]],
      [
        [0.5, 1],
        [0.5, 2],
      ],
      [
        [0, 1],
        [1.5, 2],
      ],
      [
        [0, 1],
        [1, -2],
      ],
      [
        [0, 1],
        [Number.NaN, 2],
      ],
    ];
    for (const points of refused) expect(() => piecewiseLinear(points)).toThrow(UsageError);
  });
});

describe("stepRate()", () => {
  it("multiplies once each number of epochs is done", () => {
    const { rate } = stepRate(1, [2, 4], 0.5);
    expect([0, 1.99, 2, 3.99, 4, 9].map((e) => rate(e, 10))).toEqual([1, 1, 0.5, 0.5, 0.25, 0.25]);
    expect(() => stepRate(1, [-1])).toThrow("stepRate: needs a factor above 0 and epochs >= 0, got 0.1 at [-1]");
    expect(() => stepRate(1, [2], 0)).toThrow(UsageError);
  });
});

describe("cosine()", () => {
  it("falls from the rate to 0, and is half-way down in the middle", () => {
    const { rate } = cosine(0.4);
    expect(rate(0, 8)).toBe(0.4);
    expect(rate(2, 8)).toBeCloseTo(0.2 * (1 + Math.SQRT1_2), 12);
    expect(rate(4, 8)).toBeCloseTo(0.2, 12);
    expect(rate(8, 8)).toBeCloseTo(0, 12);
  });

  it("rises straight while it warms up, which may last the whole training", () => {
    const { rate } = cosine(0.4, 2);
    expect([0, 0.5, 1].map((e) => rate(e, 6))).toEqual([0, 0.1, 0.2]);
    expect(rate(2, 6)).toBe(0.4);
    expect(rate(4, 6)).toBeCloseTo(0.2, 12);
    expect([0, 1, 1.5].map((e) => cosine(0.4, 2).rate(e, 2))).toEqual([0, 0.2, 0.30000000000000004]);
    expect(() => cosine(0.1, -1)).toThrow("cosine: warmup must be a number of epochs >= 0, got -1");
  });
});
