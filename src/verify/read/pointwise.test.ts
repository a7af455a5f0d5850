import { describe, expect, it } from "vitest";
import { bent, distance, gates, limit, type Scalar, scalars } from "./pointwise.ts";

const made: [string, Scalar][] = Object.entries(scalars).map(([name, { make }]) => {
  // A thresholded ReLU is one without a threshold only.
  const scalar = make((_, otherwise) => (name === "ThresholdedRelu" ? 0 : otherwise), []);
  if (!scalar) throw new Error(`${name} has no defaults`);
  return [name, scalar];
});
function celu(alpha: number): Scalar {
  const scalar = scalars.Celu.make(() => alpha, []);
  if (!scalar) throw new Error("Celu has no settings");
  return scalar;
}
const all: [string, Scalar][] = [
  ...made,
  ["silu", gates.silu(1, 1)],
  ["silu of 3 x, halved", gates.silu(3, 0.5)],
  ["gelu", gates.gelu(Math.SQRT1_2, 0.5)],
  ["gelu of x / 5", gates.gelu(0.2, 1)],
  ["gelu by tanh", gates.tanhGelu],
  ["mish", gates.mish],
  ["hard swish of a quarter", gates.ramp(0.25, 0.5, 1)],
  ["hard swish of 0.8 x - 0.7, halved", gates.ramp(0.8, -0.7, 0.5)],
  ["celu of 0.3", celu(0.3)],
  ["|x|", distance],
  ["PReLU", bent(Float64Array.of(-0.75)) as Scalar],
  ["PReLU by place", bent(Float64Array.of(1.5, 0.25)) as Scalar],
  ["a limit from below", limit("Max", Float64Array.of(0.7))],
  ["a limit from above", limit("Min", Float64Array.of(-0.4))],
];

const places = Array.from({ length: 801 }, (_, i) => (i - 400) / 40 + Math.sin(i) / 1000);

describe.each(all)("%s", (_, { slope, halfLines, ...scalar }) => {
  const value = (x: number) => scalar.value(x, 0);
  it("is two half-lines where it says so", () => {
    if (halfLines === undefined) return;
    const [line = halfLines as readonly [number, number]] = halfLines.filter((l) => typeof l !== "number");
    for (const x of places) expect(value(x)).toBeCloseTo(x * line[x < 0 ? 0 : 1], 12);
  });

  it("has all its slopes between the two", () => {
    for (let i = 1; i < places.length; i++) {
      const quotient = (value(places[i]) - value(places[i - 1])) / (places[i] - places[i - 1]);
      expect(quotient).toBeGreaterThan(slope[0] - 1e-9);
      expect(quotient).toBeLessThan(slope[1] + 1e-9);
    }
  });
});

const smooth = all.filter(([, { curvature }]) => curvature < Number.POSITIVE_INFINITY);

describe.each(smooth)("%s", (_, { curvature, derivative, ...scalar }) => {
  const value = (x: number) => scalar.value(x, 0);
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
