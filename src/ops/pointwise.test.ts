/** @file Tests of pointwise.ts. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { grad } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { type DType, tensor } from "../tensor/tensor.ts";
import { mul } from "./arith.ts";
import { sum } from "./broadcast.ts";
import {
  abs,
  clip,
  elu,
  erf,
  gelu,
  hardSigmoid,
  hardSwish,
  leakyRelu,
  relu,
  sigmoid,
  sign,
  silu,
  softplus,
  tanh,
} from "./pointwise.ts";
import { logSoftmax, logSumExp, softmax } from "./softmax.ts";

/** f and f' at points, in float64 by the reference. */
function at(f: (x: Node) => Node, points: readonly number[]) {
  const outputs = withDerivatives(f, points.length, "float64");
  const found = evaluate(outputs, { x: tensor(points, [points.length], "float64") });
  return { y: Array.from(found.y.data, Number), slope: Array.from(found.slope.data, Number) };
}

function withDerivatives(f: (x: Node) => Node, size: number, dtype: DType) {
  const x = input("x", [size], dtype);
  const y = f(x);
  const [slope] = grad(sum(y), [x]);
  const [bend] = grad(sum(mul(slope, slope)), [x]);
  return { y, slope, bend };
}

describe("derivatives at kinks", () => {
  it("are 0 at 0 for relu and abs, and 1 at the ends of clip", () => {
    expect(at(relu, [0, -0, 1e-300]).slope).toEqual([0, 0, 1]);
    expect(at(abs, [0, -2, 2]).slope.map(Math.abs)).toEqual([0, 1, 1]);
    expect(at((x) => clip(x, -1, 2), [-1.1, -1, 0, 2, 2.1]).slope).toEqual([0, 1, 1, 1, 0]);
  });

  it("are the lower branch's at 0 for leakyRelu and elu", () => {
    expect(at((x) => leakyRelu(x, 0.2), [0]).slope).toEqual([0.2]);
    expect(at((x) => elu(x, 0.5), [0]).slope).toEqual([0.5]);
  });
});

describe("far from 0", () => {
  const functions: Record<string, (x: Node) => Node> = {
    relu,
    sigmoid,
    tanh,
    softplus,
    silu,
    hardSigmoid,
    hardSwish,
    erf,
    abs,
    elu,
    gelu,
    softmax,
    logSoftmax,
    logSumExp,
    leakyRelu,
    geluTanh: (x) => gelu(x, "tanh"),
  };
  const points = [-1000, -100, -30, 0, 30, 100, 1000];

  it.each(["float32", "float64"] as const)("nothing overflows in %s, nor in two derivatives", async (dtype) => {
    for (const [name, f] of Object.entries(functions)) {
      const parts = withDerivatives((x) => f(x), points.length, dtype);
      const feeds = { x: tensor(points, [points.length], dtype) };
      const program = await nodeEngine({ threads: 1 }).compile(parts);
      const got = await program.run(feeds);
      await program.dispose();
      const want = evaluate(parts, feeds);
      for (const part of Object.keys(parts)) {
        [...want[part].data].forEach((v, i) => {
          expect(Number.isFinite(v), `${name} ${part}`).toBe(true);
          const error = Math.abs(Number(got[part].data[i]) - Number(v));
          expect(error, `${name} ${part}`).toBeLessThanOrEqual(
            (dtype === "float64" ? 1e-13 : 2e-6) * Math.max(1, Math.abs(Number(v))),
          );
        });
      }
    }
  });

  it("keeps the lower tails", () => {
    // -x e^(-x^2/2) / (sqrt(2 pi) x) (1 - 1/x^2 + 3/x^4 - ...) at x = -10, and x e^x at x = -40.
    expect(at((x) => gelu(x), [-10]).y[0] / -7.61985302416e-23).toBeCloseTo(1, 8);
    expect(at(silu, [-40]).y[0] / (-40 * Math.exp(-40))).toBeCloseTo(1, 12);
    expect(at(softplus, [-40]).y[0] / Math.exp(-40)).toBeCloseTo(1, 12);
  });
});

describe("behaviour", () => {
  const slopeOf = (y: Node) => {
    const behaviour = y.op.behaviour(y, [true]);
    return behaviour.kind === "pointwise" ? behaviour.slope : behaviour.kind;
  };
  const x = input("x", [2]);

  it("follows alpha", () => {
    expect(slopeOf(leakyRelu(x, 0.1))).toEqual([0.1, 1]);
    expect(slopeOf(leakyRelu(x, -2))).toEqual([-2, 1]);
    expect(slopeOf(leakyRelu(x, 3))).toEqual([1, 3]);
    expect(slopeOf(leakyRelu(x, 1))).toBe("isometry");
    expect(slopeOf(elu(x, 3))).toEqual([0, 3]);
    expect(slopeOf(elu(x, -3))).toEqual([-3, 1]);
    expect(slopeOf(hardSigmoid(x, -0.5))).toEqual([-0.5, 0]);
  });
});

describe("misuse", () => {
  it("is refused", () => {
    expect(() => clip(input("x", [1]), 2, 1)).toThrow(UsageError);
    expect(() => clip(input("x", [1]), Number.NaN, 1)).toThrow(UsageError);
    expect(() => sigmoid(input("x", [1], "int64"))).toThrow(ShapeError);
    expect(sign(input("x", [1], "int64")).dtype).toBe("int64");
  });
});
