import { describe, expect, it } from "vitest";
import { affine, functionOf, weight } from "../../test/functions.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import type { Node } from "../graph/graph.ts";
import { symmetricEigen } from "../linalg/eigh.ts";
import { type Matrix, matrix, multiply, transpose } from "../linalg/matrix.ts";
import { add, mul } from "../ops/arith.ts";
import { conv } from "../ops/conv.ts";
import { flatten, reshape } from "../ops/movement.ts";
import { floor, gelu, relu, softplus, tanh } from "../ops/pointwise.ts";
import { maxPool } from "../ops/pool.ts";
import { UsageError } from "../tensor/errors.ts";
import { normalTensor, random } from "../tensor/random.ts";
import type { Shape } from "../tensor/shape.ts";
import { curvature } from "./measure.ts";

const engine = nodeEngine({ threads: 1 });

function points(shape: Shape, count: number, seed: number, classes = 3): Dataset {
  const x = normalTensor(random(seed), [count, ...shape]).data as Float32Array;
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  return { name: "points", task: "classification", x, shape, count, labels, targets: new Float32Array(0), classes };
}

/** Weights of a network 10 - 8 - 6 - 3 as rows of float32 numbers. */
function weights(seed: number): number[][][] {
  const widths = [10, 8, 6, 3];
  const r = random(seed);
  return widths
    .slice(1)
    .map((n, i) =>
      Array.from({ length: n }, () => Array.from({ length: widths[i] }, () => Math.fround(0.6 * r.normal()))),
    );
}

const stacked = (rows: readonly (readonly number[])[]): Matrix => matrix(rows.length, rows[0].length, rows.flat());

/** The Hessian by its formula for chains: sum_l J_l^T diag(g_l act''(z_l)) J_l, and for the loss J^T (diag(p) - p p^T) J. */
function exactHessian(W: readonly Matrix[], x: Float64Array, label: number, of: "loss" | "logit") {
  const column = (v: Float64Array) => matrix(v.length, 1, v);
  const rowsBy = (d: Float64Array, A: Matrix): Matrix => ({
    ...A,
    data: A.data.map((v, k) => v * d[Math.floor(k / A.cols)]),
  });
  const slopes: Float64Array[] = [];
  const bends: Float64Array[] = [];
  const J: Matrix[] = [];
  let a = x;
  let Ja: Matrix | null = null;
  W.forEach((w, l) => {
    const z = multiply(w, column(a)).data;
    J.push(Ja ? multiply(w, Ja) : w);
    if (l === W.length - 1) {
      a = z;
      return;
    }
    a = z.map(Math.tanh);
    slopes.push(a.map((t) => 1 - t * t));
    bends.push(a.map((t) => -2 * t * (1 - t * t)));
    Ja = rowsBy(slopes[l], J[l]);
  });
  const top = Math.max(...a);
  const e = a.map((v) => Math.exp(v - top));
  const total = e.reduce((s, v) => s + v, 0);
  const p = e.map((v) => v / total);
  let g: Float64Array =
    of === "loss" ? p.map((v, j) => v - (j === label ? 1 : 0)) : p.map((_, j) => (j === label ? 1 : 0));
  const n = x.length;
  const H = new Float64Array(n * n);
  const gather = (A: Matrix) => {
    for (let k = 0; k < n * n; k++) H[k] += A.data[k];
  };
  const end = J[W.length - 1];
  if (of === "loss") {
    gather(multiply(transpose(end), rowsBy(p, end)));
    const mean = multiply(transpose(end), column(p)).data;
    gather(multiply(column(mean), transpose(column(mean))));
    for (let k = 0; k < n * n; k++) H[k] -= 2 * mean[Math.floor(k / n)] * mean[k % n];
  }
  for (let l = W.length - 1; l > 0; l--) {
    g = multiply(transpose(W[l]), column(g)).data;
    gather(
      multiply(
        transpose(J[l - 1]),
        rowsBy(
          g.map((v, k) => v * bends[l - 1][k]),
          J[l - 1],
        ),
      ),
    );
    g = g.map((v, k) => v * slopes[l - 1][k]);
  }
  const gradient = multiply(transpose(W[0]), column(g)).data;
  return { values: symmetricEigen(matrix(n, n, H)).values, gradient: Math.hypot(...gradient) };
}

const network = (rows: readonly number[][][], act: (x: Node) => Node) =>
  functionOf([10], (x) => rows.slice(1).reduce((y, w) => affine(act(y), w), affine(x, rows[0])));

describe("curvature()", () => {
  it.each(["loss", "logit"] as const)("is exact for a network of ten inputs: %s", async (of) => {
    const rows = weights(1);
    const data = points([10], 20, 2);
    const { samples } = await curvature(network(rows, tanh), { engine, data, of, tolerance: 1e-12 });
    const quick = await curvature(network(rows, tanh), { engine, data, of });
    for (const s of samples) {
      const x = Float64Array.from(data.x.subarray(10 * s.index, 10 * s.index + 10));
      const exact = exactHessian(rows.map(stacked), x, s.label, of);
      const norm = Math.max(Math.abs(exact.values[0]), Math.abs(exact.values[9]));
      expect(Math.abs(s.hessian / norm - 1)).toBeLessThan(1e-9);
      expect(Math.abs(quick.samples[s.index].hessian / norm - 1)).toBeLessThan(1e-4);
      expect(s.largest).toBeCloseTo(exact.values[0], 9);
      expect(s.smallest).toBeCloseTo(exact.values[9], 9);
      expect(Math.abs(s.gradient / exact.gradient - 1)).toBeLessThan(1e-9);
      expect(s.curvature).toBeCloseTo(norm / (exact.gradient + 1e-6), 8);
    }
  });

  it("by the power method goes up to the same, never past it", async () => {
    const rows = weights(3);
    const data = points([10], 20, 4);
    const f = network(rows, tanh);
    const exact = await curvature(f, { engine, data });
    const short = await curvature(f, { engine, data, method: "power" });
    const long = await curvature(f, { engine, data, method: "power", steps: 400 });
    exact.samples.forEach(({ hessian }, i) => {
      expect(short.samples[i].hessian).toBeLessThanOrEqual(hessian * (1 + 1e-9));
      expect(long.samples[i].hessian).toBeLessThanOrEqual(hessian * (1 + 1e-9));
      // Where two eigenvalues of opposite sign are nearly the largest, 400 steps are few: the residual says so.
      if (long.samples[i].residual < 1e-6 * hessian) expect(long.samples[i].hessian / hessian).toBeCloseTo(1, 5);
    });
    expect(long.samples.filter((s) => s.residual < 1e-6 * s.hessian).length).toBeGreaterThan(10);
    expect(short.hessian.mean / exact.hessian.mean).toBeGreaterThan(0.8);
  });

  it("sees both signs where the power method sees nothing", async () => {
    // s = x0 x1 written as squares: eigenvalues +1 and -1, between which the power method swings.
    const f = functionOf([2], (x) =>
      affine(
        mul(
          affine(x, [
            [1, 1],
            [1, -1],
          ]),
          affine(x, [
            [1, 1],
            [1, -1],
          ]),
        ),
        [[0.25, -0.25]],
      ),
    );
    const data = points([2], 16, 5, 1);
    const found = await curvature(f, { engine, data, of: "logit" });
    for (const s of found.samples) {
      expect(s.largest).toBeCloseTo(1, 12);
      expect(s.smallest).toBeCloseTo(-1, 12);
    }
    const power = await curvature(f, { engine, data, of: "logit", method: "power" });
    expect(power.hessian.min).toBeLessThan(0.9);
    expect(Math.max(...power.samples.map((s) => s.residual))).toBeGreaterThan(0.1);
  });

  it("scales as it must: by the square of the inputs' unit, and not at all with the outputs' for a logit", async () => {
    const rows = weights(6);
    const data = points([10], 8, 7);
    const half = { ...data, x: data.x.map((v) => v / 2) };
    const f = network(rows, tanh);
    const stretched = functionOf([10], (x) => mul(f.build([mul(x, 2)])[0], 3));
    const [a, b] = [
      await curvature(f, { engine, data, of: "logit" }),
      await curvature(stretched, { engine, data: half, of: "logit" }),
    ];
    a.samples.forEach((s, i) => {
      expect(b.samples[i].hessian / s.hessian).toBeCloseTo(12, 6);
      expect(b.samples[i].gradient / s.gradient).toBeCloseTo(6, 6);
      expect(b.samples[i].curvature / s.curvature).toBeCloseTo(2, 4);
    });
  });

  it("does not depend on the batch, nor on float32 by more than its rounding", async () => {
    const rows = weights(8);
    const data = points([10], 70, 9);
    const fixed = functionOf([10], (x) => network(rows, softplus).build([x])[0], 7);
    const whole = await curvature(network(rows, softplus), { engine, data });
    const parts = await curvature(fixed, { engine, data });
    const single = await curvature(network(rows, softplus), { engine, data, dtype: "float32" });
    whole.samples.forEach(({ hessian, gradient }, i) => {
      expect(parts.samples[i].hessian).toBeCloseTo(hessian, 9);
      expect(parts.samples[i].gradient).toBeCloseTo(gradient, 9);
      expect(Math.abs(single.samples[i].hessian - hessian)).toBeLessThan(1e-6 * (1 + hessian));
    });
    expect(parts.samples).toHaveLength(70);
  });

  it("says where the second derivative is zero almost everywhere, and what is left of it", async () => {
    const rows = weights(10);
    const data = points([10], 12, 11);
    const f = network(rows, relu);
    const logit = await curvature(f, { engine, data, of: "logit" });
    expect(logit.smoothness).toEqual({ kind: "piecewise linear", kinks: ["Relu"], jumps: [] });
    expect(logit.curvature.max).toBe(0);
    expect(logit.gradient.median).toBeGreaterThan(0);
    const loss = await curvature(f, { engine, data });
    expect(loss.curvature.median).toBeGreaterThan(0);
    // The loss alone is convex in the outputs.
    for (const s of loss.samples) expect(s.smallest).toBeGreaterThanOrEqual(-1e-12 * s.hessian);
  });

  it("tells smooth from kinked and affine networks", async () => {
    const data = points([4], 3, 12, 2);
    const kind = async (f: (x: Node) => Node) => (await curvature(functionOf([4], f), { engine, data })).smoothness;
    const rows = [
      [1, 2, 3, 4],
      [0, -1, 1, 0.5],
    ];
    expect((await kind((x) => affine(x, rows))).kind).toBe("affine");
    expect((await kind((x) => gelu(affine(x, rows), "tanh"))).kind).toBe("smooth");
    expect((await kind((x) => mul(affine(x, rows), affine(x, rows)))).kind).toBe("smooth");
    expect(await kind((x) => tanh(relu(affine(x, rows))))).toMatchObject({ kind: "kinked", kinks: ["Relu"] });
    expect(await kind((x) => add(floor(affine(x, rows)), affine(x, rows)))).toMatchObject({ jumps: ["Floor"] });
  });

  it("measures convolutions and pools, and samples without data or labels", async () => {
    const f = functionOf([1, 6, 6], (x) => {
      const kernel = weight(x, Array.from(normalTensor(random(13), [18]).data as Float32Array), [2, 1, 3, 3]);
      const y = maxPool(tanh(conv(x, kernel, { pads: [1, 1, 1, 1] })), { kernel: [2, 2], strides: [2, 2] });
      const rows = Array.from({ length: 3 }, (_, k) =>
        Array.from(normalTensor(random(14 + k), [18], 0.5).data as Float32Array),
      );
      return affine(reshape(flatten(y), [x.shape[0], 18]), rows);
    });
    const { samples, smoothness, hessian, gradient } = await curvature(f, { engine, samples: 5 });
    expect(samples.map((s) => s.index)).toEqual([0, 1, 2, 3, 4]);
    expect(smoothness).toMatchObject({ kind: "kinked", kinks: ["MaxPool"] });
    expect(hessian.min).toBeGreaterThan(0);
    expect(gradient.standardError).toBeGreaterThan(0);
    const again = await curvature(f, { engine, samples: 3 });
    expect(again.samples).toEqual(samples.slice(0, 3));
  });

  it("measures the squared error of a regression, and a margin", async () => {
    const targets = Float32Array.of(1, 2, 3, 4);
    const x = Float32Array.of(0.1, 0.2, 0.3, 0.4);
    const common = { name: "r", shape: [1], count: 4, classes: 1, labels: new Int32Array(0) } as const;
    const regression: Dataset = { ...common, task: "regression", x, targets };
    const f = functionOf([1], (v) => mul(v, v));
    const loss = await curvature(f, { engine, data: regression });
    // (x^2 - t)^2 / 2 has the second derivative 6 x^2 - 2 t.
    loss.samples.forEach(({ largest }, i) => {
      expect(largest).toBeCloseTo(6 * x[i] ** 2 - 2 * targets[i], 9);
    });
    const data = points([3], 5, 15, 3);
    const margin = await curvature(
      functionOf([3], (v) =>
        affine(v, [
          [1, 0, 0],
          [0, 2, 0],
          [0, 0, 3],
        ]),
      ),
      { engine, data, of: "margin" },
    );
    expect(margin.hessian.max).toBe(0);
    for (const s of margin.samples) expect([5, 10, 13]).toContainEqual(Math.round(s.gradient ** 2));
  });

  it("refuses what it cannot measure", async () => {
    const one = functionOf([4], (x) => affine(x, [[1, 2, 3, 4]]));
    const three = points([4], 3, 16, 3);
    await expect(curvature(one, { engine, data: three })).rejects.toThrow(/its loss needs 3 outputs for points, got/);
    await expect(curvature(one, { engine })).rejects.toThrow('measure "logit"');
    await expect(curvature(one, { engine, data: points([5], 2, 1, 2), of: "logit" })).rejects.toThrow(UsageError);
    for (const bad of [{ steps: 0 }, { samples: 0 }]) {
      await expect(curvature(one, { engine, ...bad })).rejects.toThrow("whole number >= 1");
    }
  });
});
