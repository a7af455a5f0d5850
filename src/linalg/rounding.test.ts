/** @file Directed rounding against exact rational arithmetic in BigInt. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compare, exact, minus, plus, product } from "./exact.ts";
import {
  down,
  exponentOf,
  gamma,
  powerOfTwo,
  scale,
  scaleDown,
  scaleUp,
  sqrtUp,
  sumDown,
  sumUp,
  up,
} from "./rounding.ts";

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const positive = fc.double({ noNaN: true, noDefaultInfinity: true, min: 0 });
const runs = { numRuns: 1000 };

describe("up() and down()", () => {
  it("move every number outwards, by at most three spacings", () => {
    fc.assert(
      fc.property(finite, (x) => {
        expect(up(x)).toBeGreaterThan(x);
        expect(down(x)).toBeLessThan(x);
        if (Math.abs(x) < 1e308)
          expect(up(x) - x).toBeLessThanOrEqual(Math.abs(x) * 3 * Number.EPSILON + Number.MIN_VALUE);
      }),
      runs,
    );
  });

  it("keep the side at the ends of the range", () => {
    expect(up(Number.MAX_VALUE)).toBe(Number.POSITIVE_INFINITY);
    expect(up(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    expect(down(Number.POSITIVE_INFINITY)).toBe(Number.MAX_VALUE);
    expect(up(0)).toBe(Number.MIN_VALUE);
    expect(up(-Number.MIN_VALUE)).toBe(0);
    expect(up(powerOfTwo(-1022))).toBeGreaterThan(powerOfTwo(-1022));
    expect(up(Number.NaN)).toBeNaN();
  });

  it("bound sums, products and roots", () => {
    const moderate = fc.double({ noNaN: true, min: -1e150, max: 1e150 });
    fc.assert(
      fc.property(moderate, moderate, (x, y) => {
        expect(compare(exact(up(x + y)), plus(exact(x), exact(y)))).toBe(1);
        expect(compare(exact(down(x * y)), product(exact(x), exact(y)))).toBe(-1);
        const root = exact(sqrtUp(Math.abs(x)));
        expect(compare(product(root, root), exact(Math.abs(x)))).toBeGreaterThanOrEqual(0);
      }),
      runs,
    );
  });
});

describe("sumUp() and sumDown()", () => {
  it("enclose the exact sum of non-negative numbers", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ noNaN: true, min: 0, max: 1e100 }), { minLength: 1, maxLength: 60 }),
        (numbers) => {
          const floating = numbers.reduce((a, b) => a + b, 0);
          const sum = numbers.map(exact).reduce(plus, exact(0));
          expect(compare(exact(sumUp(floating, numbers.length)), sum)).toBeGreaterThanOrEqual(0);
          expect(compare(exact(sumDown(floating, numbers.length)), sum)).toBeLessThanOrEqual(0);
        },
      ),
    );
  });

  it("uses gamma_n >= n u / (1 - n u)", () => {
    for (const n of [1, 3, 1000, 1e6]) {
      const nu = exact(n * 2 ** -53);
      expect(compare(product(exact(gamma(n)), minus(exact(1), nu)), nu)).toBeGreaterThanOrEqual(0);
      expect(gamma(n)).toBeLessThan(n * 1.2e-16);
    }
  });
});

describe("powerOfTwo(), exponentOf() and scale()", () => {
  it("are exact", () => {
    for (let e = -1022; e <= 1023; e += 5) {
      expect(compare(exact(powerOfTwo(e)), { top: e < 0 ? 1n : 1n << BigInt(e), bits: Math.max(0, -e) })).toBe(0);
      expect(exponentOf(powerOfTwo(e))).toBe(e + 1);
    }
    expect(exponentOf(Number.MIN_VALUE)).toBe(-1073);
    expect(exponentOf(Number.MAX_VALUE)).toBe(1024);
    expect(scale(3, -4)).toBe(3 / 16);
    expect(scale(Number.MIN_VALUE, 2000)).toBe(powerOfTwo(926));
  });

  it("round outwards where a scaled number leaves the normal range", () => {
    fc.assert(
      fc.property(positive, fc.integer({ min: -2200, max: 2200 }), (x, e) => {
        const truth = product(exact(x), { top: e < 0 ? 1n : 1n << BigInt(e), bits: Math.max(0, -e) });
        const [low, high] = [scaleDown(x, e), scaleUp(x, e)];
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThan(Number.POSITIVE_INFINITY);
        expect(compare(exact(low), truth)).toBeLessThanOrEqual(0);
        if (high < Number.POSITIVE_INFINITY) expect(compare(exact(high), truth)).toBeGreaterThanOrEqual(0);
      }),
      runs,
    );
  });
});
