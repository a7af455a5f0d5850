import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { showAtLeast, showAtMost, showNumber, showPercentAtLeast, showPercentAtMost, showShort } from "./number.ts";

describe("showAtMost() and showAtLeast()", () => {
  it("are on their sides of every number, and near it", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
        fc.constantFrom(showNumber, showShort),
        (value, show) => {
          const [low, high] = [Number(showAtLeast(value, show)), Number(showAtMost(value, show))];
          expect(low).toBeLessThanOrEqual(value);
          expect(high).toBeGreaterThanOrEqual(value);
          expect(high - low).toBeLessThanOrEqual(0.11 * value);
        },
      ),
    );
  });

  it("say what is missing and what is unbounded", () => {
    expect([showAtMost(null), showAtLeast(undefined), showAtMost(Number.POSITIVE_INFINITY), showAtMost(0)]).toEqual([
      "-",
      "-",
      "unbounded",
      "0",
    ]);
  });
});

describe("showNumber()", () => {
  it.each([
    [0, "0"],
    [21.8, "21.80"],
    [9999.6, "10000"],
    [11791, "11790"],
    [1.5e7, "1.50e+7"],
    [0.00012, "1.20e-4"],
  ])("shows %d as %s", (value, text) => expect(showNumber(value)).toBe(text));

  it("rounds parts that are proved down, and parts that were found up", () => {
    expect([0.64251, 0.642, 1, 0, 2 / 3].map(showPercentAtLeast)).toEqual([
      "64.2 %",
      "64.2 %",
      "100.0 %",
      "0.0 %",
      "66.6 %",
    ]);
    expect([0.64251, 0.642, 1, 0, 2 / 3].map(showPercentAtMost)).toEqual([
      "64.3 %",
      "64.2 %",
      "100.0 %",
      "0.0 %",
      "66.7 %",
    ]);
    expect(showPercentAtLeast(null)).toBe("-");
  });
});
