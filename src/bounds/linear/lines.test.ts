import { describe, expect, it } from "vitest";
import { input } from "../../graph/leaf.ts";
import { reciprocal } from "../../ops/pointwise.ts";
import { linesOn } from "./lines.ts";

/** 1 / x on one number, as its op says it. */
function inverse() {
  const y = reciprocal(input("x", [1], "float64"));
  const behaviour = y.op.behaviour(y, [true]);
  if (behaviour.kind !== "unbounded" || behaviour.local?.kind !== "slopes")
    throw new Error("1 / x has slopes on ranges");
  const { slopeOn } = behaviour.local;
  return { size: 1, slopeOn, apply: (z: Float64Array) => y.op.evaluate(y, [z]) };
}

const lines = (low: number, high: number) => linesOn(inverse(), Float64Array.of(low), Float64Array.of(high));

describe("linesOn()", () => {
  it("has no line where a range holds a pole, wherever in it", () => {
    for (const [low, high] of [
      [-0.5, 0.2],
      [-0.2, 0.5],
      [-1, 1],
      [-1e-9, 3],
      [0, 1],
      [-1, 0],
    ]) {
      const { belowSlope, aboveSlope, size } = lines(low, high);
      expect([belowSlope[0], aboveSlope[0], size[0]], `${low} to ${high}`).toEqual([
        Number.NaN,
        Number.NaN,
        Number.POSITIVE_INFINITY,
      ]);
    }
  });

  it("keeps its sides clear of the pole", () => {
    for (const [low, high] of [
      [0.01, 1],
      [-3, -0.5],
    ]) {
      const { belowSlope, belowOffset, aboveSlope, aboveOffset } = lines(low, high);
      for (let k = 0; k <= 100; k++) {
        const z = low + ((high - low) * k) / 100;
        expect(belowSlope[0] * z + belowOffset[0]).toBeLessThanOrEqual(1 / z);
        expect(aboveSlope[0] * z + aboveOffset[0]).toBeGreaterThanOrEqual(1 / z);
      }
    }
  });
});
