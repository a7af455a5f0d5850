/** @file Halves: every one goes out and comes back, and what lies between two becomes the nearest, the even one in the middle. */
import { describe, expect, it } from "vitest";
import { bitsOfHalf, halfOf } from "./narrow.ts";

describe("bitsOfHalf()", () => {
  it("is the inverse of halfOf() on all that are numbers", () => {
    for (let bits = 0; bits < 65536; bits++) {
      const value = halfOf(bits);
      if (!Number.isNaN(value)) expect(bitsOfHalf(value)).toBe(bits);
    }
    expect(halfOf(bitsOfHalf(Number.NaN))).toBeNaN();
  });

  it("rounds to the nearest, ties to even", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [halfOf(bits), halfOf(bits + 1)];
      const middle = (low + high) / 2;
      expect(bitsOfHalf(middle)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(bitsOfHalf(low + 0.49 * (high - low))).toBe(bits);
      expect(bitsOfHalf(-(low + 0.51 * (high - low)))).toBe((bits + 1) | 0x8000);
    }
    expect([65519, 65520, 1e300].map((v) => halfOf(bitsOfHalf(v)))).toEqual([65504, Infinity, Infinity]);
    expect(halfOf(bitsOfHalf(2 ** -26))).toBe(0);
  });
});
