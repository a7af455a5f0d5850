/** @file Tests of erf.ts. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import { tensor } from "../tensor/tensor.ts";
import { erfGraph, erfNumber, normalCdf } from "./erf.ts";
import { abs, exp, sign } from "./pointwise.ts";

/** From 40-digit arithmetic, rounded to the nearest float64. */
const known: readonly (readonly [number, number])[] = [
  [0.1, 0.11246291601828488],
  [0.5, 0.5204998778130465],
  [1.0, 0.8427007929497149],
  [1.5, 0.9661051464753108],
  [2.0, 0.9953222650189527],
  [2.49, 0.9995707121322661],
  [2.51, 0.9996142945182758],
  [3.0, 0.9999779095030014],
  [4.0, 0.9999999845827421],
  [5.5, 0.9999999999999927],
];

describe("erfNumber()", () => {
  it.each(known)("erf(%f)", (x, value) => {
    expect(Math.abs(erfNumber(x) - value)).toBeLessThanOrEqual(1e-15 * value);
    expect(erfNumber(-x)).toBe(-erfNumber(x));
  });

  it("keeps tiny, huge and undefined arguments", () => {
    expect(erfNumber(1e-300)).toBeCloseTo((2 / Math.sqrt(Math.PI)) * 1e-300, 310);
    expect(erfNumber(40)).toBe(1);
    expect(erfNumber(Number.NEGATIVE_INFINITY)).toBe(-1);
    expect(erfNumber(0)).toBe(0);
    expect(erfNumber(Number.NaN)).toBeNaN();
  });
});

describe("normalCdf()", () => {
  it("keeps the lower tail", () => {
    // Phi(-10), from 40-digit arithmetic.
    expect(Math.abs(normalCdf(-10) / 7.619853024160525e-24 - 1)).toBeLessThan(1e-12);
    expect(normalCdf(0)).toBe(0.5);
    expect(normalCdf(3) + normalCdf(-3)).toBeCloseTo(1, 15);
  });
});

describe("erfGraph()", () => {
  it("is erf to 5e-16 on all of the line", () => {
    const points = Float64Array.from({ length: 20001 }, (_, i) => (i - 10000) / 1000);
    const x = input("x", [points.length], "float64");
    const { y } = evaluate({ y: erfGraph(x, abs, sign, exp) }, { x: tensor(points, [points.length], "float64") });
    const worst = points.reduce((most, v, i) => Math.max(most, Math.abs(Number(y.data[i]) - erfNumber(v))), 0);
    expect(worst).toBeLessThan(1e-15);
  });
});
