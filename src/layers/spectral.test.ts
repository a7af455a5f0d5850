/** @file Tests of spectral.ts. */
import { describe, expect, it } from "vitest";
import { build } from "../../test/runs.ts";
import { evaluate } from "../engine/reference.ts";
import { grad } from "../graph/gradient.ts";
import { topological } from "../graph/graph.ts";
import { input, inputsOf } from "../graph/leaf.ts";
import { convolutionNorm } from "../linalg/convolution.ts";
import { spectralNorm } from "../linalg/norm.ts";
import { mul } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { retype } from "../ops/retype.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, type Tensor, tensor, toFloat64 } from "../tensor/tensor.ts";
import { batchNorm } from "./batchNorm.ts";
import { conv } from "./conv.ts";
import { dense } from "./dense.ts";
import type { Layer, Variables } from "./layer.ts";
import { spectral } from "./spectral.ts";

/** The evaluation weight of a layer, in float64. */
function weightOf(layer: Layer, { params, state }: Variables): Float64Array {
  const values: Named<Tensor> = { ...params, ...state };
  const nodes = Object.fromEntries(Object.entries(values).map(([name, t]) => [name, input(name, t.shape)]));
  const { weight } = layer.weights(nodes, "eval");
  const needed = [...inputsOf(topological([weight])).keys()];
  return toFloat64(evaluate({ weight }, Object.fromEntries(needed.map((name) => [name, values[name]]))).weight);
}

const matrix = (data: Float64Array, rows: number, cols: number) => spectralNorm({ rows, cols, data });

describe("spectral()", () => {
  it("brings a matrix to norm 1, or to the norm that it began with", () => {
    const plain = dense(6).init(random(1), [9]);
    const one = spectral(dense(6), { warmup: 200 });
    expect(matrix(weightOf(one, one.init(random(1), [9])), 9, 6).upper).toBeCloseTo(1, 6);
    const learned = spectral(dense(6), { gain: "learned", warmup: 200 });
    const begun = learned.init(random(1), [9]);
    expect(begun.params.weight).toEqual(plain.params.weight);
    weightOf(learned, begun).forEach((w, i) => {
      expect(w).toBeCloseTo(Number(plain.params.weight.data[i]), 6);
    });
  });

  it("brings a convolution to norm 1 at the size of its input, stride and padding included", () => {
    const options = { kernel: 3, stride: 2, padding: 1 };
    const layer = spectral(conv(4, options), { warmup: 300 });
    const kernel = weightOf(layer, layer.init(random(2), [3, 9, 8]));
    const norm = convolutionNorm(
      {
        kernel,
        outChannels: 4,
        inChannels: 3,
        groups: 1,
        kernelShape: [3, 3],
        strides: [2, 2],
        dilations: [1, 1],
        pads: [1, 1, 1, 1],
        input: [9, 8],
      },
      2,
    );
    expect(norm.upper).toBeGreaterThan(1 - 1e-6);
    expect(norm.lower).toBeLessThan(1 + 1e-3);
  });

  it("is below no norm after 15 iterations, and nearer after each training pass", () => {
    const layer = spectral(dense(40, { bias: false }));
    let { params, state } = layer.init(random(3), [60]);
    const excess = () => matrix(weightOf(layer, { params, state }), 60, 40).upper - 1;
    const before = excess();
    expect(before).toBeGreaterThan(-1e-6);
    expect(before).toBeLessThan(0.1);
    for (let k = 0; k < 60; k++) {
      const { updates, feeds } = build(layer, { params, state }, normalTensor(random(0), [2, 60]), "train", random(0));
      const { weight, vector } = feeds;
      const next = evaluate({ next: updates.vector }, { weight, vector }).next;
      state = { vector: tensor(Float32Array.from(toFloat64(next)), [60]) };
    }
    expect(excess()).toBeLessThan(Math.max(1e-5, before));
  });

  it("lets gradients through to the weight as if u and v stood still", () => {
    const layer = spectral(dense(2, { bias: false }), { warmup: 400 });
    const { params, state } = layer.init(random(4), [3]);
    const { x, y, variables, feeds } = build(
      layer,
      { params, state },
      normalTensor(random(5), [2, 3]),
      "train",
      random(0),
    );
    const s = sum(mul(y, y));
    const [g, gx] = grad(s, [variables.weight, x]);
    const second = grad(sum(mul(gx, gx)), [variables.weight])[0];
    const at = (node: typeof s, w: Float64Array) => {
      const [y64] = retype([node], "float64");
      const all: Named<Tensor> = { ...feeds, weight: tensor(w, [3, 2], "float64") };
      const needed = [...inputsOf(topological([y64])).keys()];
      return toFloat64(evaluate({ y64 }, Object.fromEntries(needed.map((n) => [n, cast(all[n], "float64")]))).y64);
    };
    const w = toFloat64(params.weight);
    const squares = sum(mul(gx, gx));
    const h = 1e-4;
    for (const [value, gradient] of [
      [s, g],
      [squares, second],
    ] as const) {
      const found = at(gradient, w);
      w.forEach((_, i) => {
        const moved = (d: number) =>
          at(
            value,
            w.map((v, j) => (i === j ? v + d : v)),
          )[0];
        // At a converged v the norm's own derivative is u v^T, so that the true derivative is met.
        expect(Math.abs(found[i] - (moved(h) - moved(-h)) / (2 * h))).toBeLessThan(1e-4 * (1 + Math.abs(found[i])));
      });
    }
  });

  it("refuses layers that are not linear", () => {
    expect(() => spectral(batchNorm()).init(random(0), [3])).toThrow(UsageError);
    expect(() => spectral(dense(2), { warmup: 0 })).toThrow("spectral: warmup must be a whole number >= 1, got 0");
  });
});
