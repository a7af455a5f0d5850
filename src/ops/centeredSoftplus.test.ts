/** @file Tests of centeredSoftplus.ts, beyond what the op contract asks. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { grad } from "../graph/gradient.ts";
import { constant, input } from "../graph/leaf.ts";
import { parseOnnx } from "../onnx/read.ts";
import { writeModel } from "../onnx/write.ts";
import { UsageError } from "../tensor/errors.ts";
import { scalar, tensor, toFloat64 } from "../tensor/tensor.ts";
import { sub } from "./arith.ts";
import { sum } from "./broadcast.ts";
import { centeredSoftplus } from "./centeredSoftplus.ts";
import { relu } from "./pointwise.ts";

const engine = nodeEngine();
const xs = [-300, -20, -3, -0.5, -1e-3, 0, 1e-3, 0.5, 3, 20, 300].map(Math.fround);

/** By two series that meet: x/2 + beta x^2/8 - beta^3 x^4/192 near 0, and max(x, 0) - (ln 2 - ln(1 + e^-z)) / beta far away. */
function exact(x: number, beta: number): number {
  const z = Math.abs(beta * x);
  if (z < 1e-2) return x / 2 + (beta * x * x) / 8 - (beta ** 3 * x ** 4) / 192;
  return Math.max(x, 0) + (Math.log1p(Math.exp(-z)) - Math.LN2) / beta;
}

describe("centeredSoftplus()", () => {
  it.each([1e-6, 1e-3, 0.1, 1, 5, 1000, 1e6])("is right to float32 for beta %d, known or fed", async (beta) => {
    const x = input("x", [xs.length]);
    const b = input("beta", []);
    const trained = centeredSoftplus(x, b);
    const [slope] = grad(sum(trained), [x]);
    const program = await engine.compile({ known: centeredSoftplus(x, Math.fround(beta)), trained, slope });
    const results = await program.run({ x: tensor(xs), beta: scalar(beta) });
    await program.dispose();
    const [known, fed, slopes] = [results.known, results.trained, results.slope].map(toFloat64);
    xs.forEach((v, i) => {
      const want = exact(v, Math.fround(beta));
      const tolerance = 3e-6 * Math.max(Math.abs(want), Math.abs(v) / 2);
      // Written as a Softplus less ln 2 where that is well enough.
      expect(Math.abs(known[i] - want)).toBeLessThanOrEqual(tolerance + (beta >= 1 / 8 ? 1.2e-7 / beta : 0));
      expect(Math.abs(fed[i] - want)).toBeLessThanOrEqual(tolerance);
      expect(slopes[i]).toBeCloseTo(1 / (1 + Math.exp(-Math.fround(beta) * v)), 5);
    });
  });

  it("says its slope between two points and its curvature, for any beta", () => {
    for (const beta of [1e-3, 0.5, 40]) {
      const y = centeredSoftplus(input("x", [1]), beta);
      const behaviour = y.op.behaviour(y, [true]);
      if (behaviour.kind !== "pointwise") throw new Error("expected a pointwise op");
      expect(behaviour.slope).toEqual([0, 1]);
      expect(behaviour.curvature).toBe(beta / 4);
      for (const [low, high] of [
        [-9, -1],
        [-1, 2],
        [3, 4000],
        [-1e6, 1e6],
      ]) {
        const sigmoid = (v: number) => 1 / (1 + Math.exp(-beta * v));
        const [least, most] = behaviour.slopeOn(low, high);
        expect(least).toBeLessThanOrEqual(sigmoid(low));
        expect(most).toBeGreaterThanOrEqual(sigmoid(high));
        expect(least).toBeCloseTo(sigmoid(low), 10);
        expect(most).toBeCloseTo(sigmoid(high), 10);
      }
    }
  });

  it.each([1e-3, 0.3, 1, 2, 1000])("is known again when it has been written and read, beta %d", async (beta) => {
    const x = input("x", [1, 4]);
    const bytes = writeModel({ y: centeredSoftplus(x, beta) });
    const [y] = parseOnnx(bytes).build([x]);
    expect(y.op.name).toBe("CenteredSoftplus");
    expect(y.attrs).toEqual({ beta: Math.fround(beta) });
    const [wide] = parseOnnx(bytes).build([input("x", [1, 4], "float64")]);
    const core = wide.op.name === "Add" ? wide.inputs[0] : wide;
    expect(core.attrs).toEqual({ beta: Math.fround(beta) });
    // In float64 it is the model to the last digits, whose ln 2 is a float32.
    const ln2 = beta >= 1 / 8 ? Math.fround(Math.LN2) : Math.LN2;
    const b = Math.fround(beta);
    const at = evaluate({ wide }, { x: tensor([1, 0, 0, 0], [1, 4], "float64") }).wide.data[0];
    expect(Number(at)).toBeCloseTo((b + Math.log1p(Math.exp(-b)) - ln2) / b, 12);
    const feeds = { x: tensor([-3, -0.1, 0.2, 5], [1, 4]) };
    expect(evaluate({ y }, feeds).y.data[3]).toBeCloseTo(exact(5, beta), 5);
  });

  it("is not seen in a difference that is another", () => {
    const x = input("x", [2]);
    const y = sub(relu(x), relu(x));
    const bytes = writeModel({ y });
    expect(parseOnnx(bytes).build([x])[0].op.name).toBe("Sub");
  });

  it("refuses a beta that is not above 0, and one that is not a number for all", () => {
    const x = input("x", [2]);
    expect(() => centeredSoftplus(x, 0)).toThrow(UsageError);
    expect(() => centeredSoftplus(x, constant(-1))).toThrow("centeredSoftplus: beta must be above 0, got -1");
    expect(() => centeredSoftplus(x, input("b", [2]))).toThrow("a beta that is a scalar");
  });
});
