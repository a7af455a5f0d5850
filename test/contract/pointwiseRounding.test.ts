/** @file What radii and witnesses assume of float64 on the runtime: functions of one number err by a few units in the last place of value, argument, and argument times slope, from 10^-14 to 100. */
import { describe, expect, it } from "vitest";
import { asFunction } from "../../src/bounds/fixed.ts";
import type { Node } from "../../src/graph/graph.ts";
import { input } from "../../src/graph/leaf.ts";
import {
  abs,
  clip,
  cos,
  elu,
  erf,
  exp,
  gelu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  sin,
  softplus,
  softsign,
  sqrt,
  tanh,
} from "../../src/ops/pointwise.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { testEngine } from "../testEngine.ts";

const engine = testEngine({ threads: 1 });

/** Without parameters, and those that have some at values that make them steep. */
const functions: Readonly<Record<string, (x: Node) => Node>> = {
  ...{ abs, cos, erf, exp, hardSwish, relu, sigmoid, silu, sin, softplus, softsign, sqrt, tanh },
  clip: (x) => clip(x, -1e-3, 0.5),
  elu: (x) => elu(x),
  "elu, steep": (x) => elu(x, 1e6),
  gelu: (x) => gelu(x),
  "gelu by tanh": (x) => gelu(x, "tanh"),
  hardSigmoid: (x) => hardSigmoid(x),
  "hardSigmoid, steep": (x) => hardSigmoid(x, 1e6, 1e4),
  leakyRelu: (x) => leakyRelu(x, 1e6),
};

const points = Float64Array.from([
  0,
  ...range(-14, 2, 0.25).flatMap((e) => [1, 1.37, -1, -1.37].map((m) => m * 10 ** e)),
]);

describe("float64 on the runtime", () => {
  it.each(Object.entries(functions))("is relative to value and argument: %s", async (_, f) => {
    const x = input("x", [points.length], "float64");
    const y = f(x);
    const program = await engine.compile({ y });
    const found = (await program.run({ x: tensor(points, [points.length], "float64") })).y.data as Float64Array;
    await program.dispose();
    const truth = asFunction(y, x)(points);
    const behaviour = y.op.behaviour(y, [true]);
    const slope = behaviour.kind === "pointwise" ? Math.max(...behaviour.slope.map(Math.abs)) : 1;
    points.forEach((at, i) => {
      if (Number.isNaN(truth[i]) && Number.isNaN(found[i])) return;
      const scale = Math.max(1, slope) * Math.abs(at) + Math.abs(truth[i]);
      expect(Math.abs(found[i] - truth[i]), `at ${at}`).toBeLessThanOrEqual(8 * 2 ** -53 * scale);
    });
  });
});

// --- internal ---

function range(from: number, to: number, by: number): number[] {
  return Array.from({ length: Math.floor((to - from) / by) + 1 }, (_, k) => from + k * by);
}
