import { describe, expect, it } from "vitest";
import { boxAround, checkDomain } from "./domain.ts";

describe("checkDomain()", () => {
  it("says what is wrong", () => {
    expect(() => checkDomain({ kind: "ball", center: [0, 0], radius: 1, norm: 2 }, 3)).toThrow(
      "must have 3 numbers, got 2",
    );
    expect(() => checkDomain({ kind: "ball", center: [0, Number.NaN], radius: 1, norm: 2 }, 2)).toThrow(
      "got NaN at position 1",
    );
    expect(() => checkDomain({ kind: "ball", center: [0], radius: -1, norm: "inf" }, 1)).toThrow(
      "not negative, got -1",
    );
    expect(() => checkDomain({ kind: "box", low: [0, 2], high: [1, 1] }, 2)).toThrow("got 2 and 1 at position 1");
    expect(() => checkDomain({ kind: "box", low: [0], high: [Number.POSITIVE_INFINITY] }, 1)).toThrow("must be finite");
  });

  it("accepts the whole space, a point and a flat box", () => {
    checkDomain({ kind: "global" }, 5);
    checkDomain({ kind: "ball", center: [1], radius: 0, norm: 2 }, 1);
    checkDomain({ kind: "box", low: [0, 1], high: [2, 1] }, 2);
  });
});

describe("boxAround()", () => {
  it("holds the ball, rounded outward", () => {
    const { low, high } = boxAround({ kind: "ball", center: [1e16], radius: 1, norm: 2 }, 1);
    expect(low[0]).toBeLessThan(1e16);
    expect(high[0]).toBeGreaterThan(1e16);
  });
});
