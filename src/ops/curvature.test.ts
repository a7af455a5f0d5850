/** @file Second derivatives on ranges: held against differences of slopes, and met by them. */
import { describe, expect, it } from "vitest";
import type { Node, Slopes } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import { random } from "../tensor/random.ts";
import { centeredSoftplus } from "./centeredSoftplus.ts";
import { cos, erf, gelu, sigmoid, silu, sin, softplus, tanh } from "./pointwise.ts";

const functions: readonly (readonly [string, (x: Node) => Node])[] = [
  ["tanh", tanh],
  ["sigmoid", sigmoid],
  ["softplus", softplus],
  ["silu", silu],
  ["gelu", (x) => gelu(x)],
  ["erf", erf],
  ["sin", sin],
  ["cos", cos],
  ["centred softplus", (x) => centeredSoftplus(x, 3)],
];

const factsOf = (f: (x: Node) => Node): { readonly slopeOn: Slopes; readonly curvatureOn: Slopes } => {
  const y = f(input("x", [1], "float64"));
  const behaviour = y.op.behaviour(y, [true]);
  if (behaviour.kind !== "pointwise" || !behaviour.curvatureOn) throw new Error("says nothing of second derivatives");
  return { slopeOn: behaviour.slopeOn, curvatureOn: behaviour.curvatureOn };
};

describe("curvatureOn", () => {
  it.each(functions)("holds every difference quotient of slopes, and is met: %s", (name, f) => {
    const { slopeOn, curvatureOn } = factsOf(f);
    const slope = (x: number) => (slopeOn(x, x)[0] + slopeOn(x, x)[1]) / 2;
    const r = random(2).fork(name);
    for (let trial = 0; trial < 200; trial++) {
      const low = 4 * r.normal();
      const high = low + 10 ** (1 - 3 * r.uniform());
      const [least, most] = curvatureOn(low, high);
      let [bottom, top] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      const n = 400;
      for (let k = 0; k < n; k++) {
        const [a, b] = [low + ((high - low) * k) / n, low + ((high - low) * (k + 1)) / n];
        const bend = (slope(b) - slope(a)) / (b - a);
        bottom = Math.min(bottom, bend);
        top = Math.max(top, bend);
      }
      const slack = 1e-11 / ((high - low) / n) + 1e-9;
      expect(bottom).toBeGreaterThanOrEqual(least - slack);
      expect(top).toBeLessThanOrEqual(most + slack);
      const near = 0.05 + slack;
      expect(bottom - least).toBeLessThan(near);
      expect(most - top).toBeLessThan(near);
    }
  });
});
