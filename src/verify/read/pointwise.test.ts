import { describe, expect, it } from "vitest";
import { gates, type Scalar, scalars } from "./pointwise.ts";

const made: [string, Scalar][] = Object.entries(scalars).map(([name, { make }]) => {
  // PReLU alone has a slope that no attribute gives.
  const scalar = make((_, otherwise) => otherwise, name === "PRelu" ? [0.25] : []);
  if (!scalar) throw new Error(`${name} has no defaults`);
  return [name, scalar];
});
const all: [string, Scalar][] = [
  ...made,
  ["silu", gates.silu(1, 1)],
  ["silu of 3 x, halved", gates.silu(3, 0.5)],
  ["gelu", gates.gelu(Math.SQRT1_2, 0.5)],
  ["gelu of x / 5", gates.gelu(0.2, 1)],
];

const places = Array.from({ length: 801 }, (_, i) => (i - 400) / 40 + Math.sin(i) / 1000);

describe.each(all)("%s", (_, { slope, value }) => {
  it("has all its slopes between the two", () => {
    for (let i = 1; i < places.length; i++) {
      const quotient = (value(places[i]) - value(places[i - 1])) / (places[i] - places[i - 1]);
      expect(quotient).toBeGreaterThan(slope[0] - 1e-9);
      expect(quotient).toBeLessThan(slope[1] + 1e-9);
    }
  });
});

const smooth = all.filter(([, { curvature }]) => curvature < Number.POSITIVE_INFINITY);

describe.each(smooth)("%s", (_, { curvature, value, derivative }) => {
  it("has the derivative it says, which bends by no more than it says", () => {
    let steepest = 0;
    for (let i = 1; i < places.length; i++) {
      const [a, b] = [places[i - 1], places[i]];
      const h = 1e-5;
      expect(Math.abs(derivative(b) - (value(b + h) - value(b - h)) / (2 * h))).toBeLessThan(h * curvature + 1e-9);
      steepest = Math.max(steepest, Math.abs((derivative(b) - derivative(a)) / (b - a)));
    }
    expect(steepest).toBeLessThan(curvature * (1 + 1e-9));
    // And not by much less.
    expect(steepest).toBeGreaterThan(0.9 * curvature);
  });
});
