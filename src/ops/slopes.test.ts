import { describe, expect, it } from "vitest";
import { apply, type Node, type Op } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import { random } from "../tensor/random.ts";
import {
  abs,
  clip,
  cos,
  elu,
  erf,
  gelu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  sin,
  softplus,
  tanh,
} from "./pointwise.ts";

const functions: Readonly<Record<string, (x: Node) => Node>> = {
  relu,
  "leakyRelu 0.1": (x) => leakyRelu(x, 0.1),
  "leakyRelu -0.5": (x) => leakyRelu(x, -0.5),
  "leakyRelu 2": (x) => leakyRelu(x, 2),
  abs,
  "clip -1 2": (x) => clip(x, -1, 2),
  "clip above": (x) => clip(x, Number.NEGATIVE_INFINITY, 0.5),
  hardSigmoid,
  "hardSigmoid falling": (x) => hardSigmoid(x, -0.3, 0.4),
  hardSwish,
  elu,
  "elu 2": (x) => elu(x, 2),
  "elu -0.5": (x) => elu(x, -0.5),
  sigmoid,
  tanh,
  softplus,
  silu,
  gelu,
  "gelu by tanh": (x) => gelu(x, "tanh"),
  erf,
  sin,
  cos,
};

/** The function and its facts. */
function probe(build: (x: Node) => Node) {
  const y = build(input("x", [1], "float64"));
  const facts = y.op.behaviour(y, [true]);
  if (facts.kind !== "pointwise") throw new Error(`not pointwise but ${facts.kind}`);
  const at = (x: number) => (y.op as Op).evaluate(apply(y.op, y.inputs, y.attrs), [Float64Array.of(x)])[0];
  return { ...facts, at };
}

describe("slopeOn()", () => {
  it.each(Object.entries(functions))(
    "%s: no difference quotient leaves the range, and the range is not wide",
    (name, build) => {
      const { at, slope, slopeOn, curvature } = probe(build);
      const r = random(3).fork(name);
      for (let k = 0; k < 600; k++) {
        // Some intervals begin at a kink or turning point.
        const low = k % 5 === 0 ? [0, -3, 3, -1, 2][(k / 5) % 5] : 4 * r.normal();
        const width = 10 ** (1 - 3 * r.uniform());
        const [least, most] = slopeOn(low, low + width);
        expect(least).toBeGreaterThanOrEqual(slope[0]);
        expect(most).toBeLessThanOrEqual(slope[1]);
        let [found0, found1] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
        for (let i = 0; i < 40; i++) {
          const step = width / 40;
          const quotient = (at(low + (i + 1) * step) - at(low + i * step)) / step;
          found0 = Math.min(found0, quotient);
          found1 = Math.max(found1, quotient);
        }
        const rounding = 1e-14 / (width / 40) + 1e-12;
        expect(found0).toBeGreaterThanOrEqual(least - rounding * (Math.abs(low) + 1));
        expect(found1).toBeLessThanOrEqual(most + rounding * (Math.abs(low) + 1));
        // Within a step a derivative moves by at most its curvature times the step; past a kink it may jump.
        expect(found0 - least).toBeLessThan(curvature * (width / 40) + 1e-5);
        expect(most - found1).toBeLessThan(curvature * (width / 40) + 1e-5);
      }
    },
  );

  it.each(Object.entries(functions))(
    "%s: on the whole line it is all that is stated, on half of it no more",
    (_, build) => {
      const { slope, slopeOn } = probe(build);
      const [least, most] = slopeOn(Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY);
      expect(least).toBeCloseTo(slope[0], 9);
      expect(most).toBeCloseTo(slope[1], 9);
      for (const [a, b] of [
        [Number.NEGATIVE_INFINITY, 0.3],
        [-0.3, Number.POSITIVE_INFINITY],
      ]) {
        const half = slopeOn(a, b);
        expect(half[0]).toBeGreaterThanOrEqual(slope[0]);
        expect(half[1]).toBeLessThanOrEqual(slope[1]);
        expect(half[0]).toBeLessThanOrEqual(half[1]);
      }
    },
  );

  it("is one number on either side of a kink", () => {
    expect(probe(relu).slopeOn(0, 5)).toEqual([1, 1]);
    expect(probe(relu).slopeOn(Number.NEGATIVE_INFINITY, 0)).toEqual([0, 0]);
    expect(probe((x) => clip(x, -1, 2)).slopeOn(-1, 2)).toEqual([1, 1]);
    expect(probe(hardSigmoid).slopeOn(3, 4)).toEqual([0, 0]);
  });

  it("meets the turning points of the derivative inside an interval", () => {
    expect(probe(silu).slopeOn(-2.5, -2.3)[0]).toBeLessThan(-0.09983932);
    expect(probe(gelu).slopeOn(1.4, 1.42)[1]).toBeGreaterThan(1.12890414);
    expect(probe((x) => gelu(x, "tanh")).slopeOn(1.41, 1.42)[1]).toBeGreaterThan(1.128993);
  });
});
