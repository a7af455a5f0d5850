import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork, weight } from "../../test/functions.ts";
import type { UpperBound } from "../bounds/bound.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import type { Network } from "../graph/network.ts";
import { withPreprocessing } from "../models/preprocess.ts";
import { add, div, mul, sub } from "../ops/arith.ts";
import { broadcastTo } from "../ops/broadcast.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/movement.ts";
import { exp, relu, sqrt, tanh } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { softmax } from "../ops/softmax.ts";
import { UsageError } from "../tensor/errors.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { accuracyOf, certify, labelledBy, logitsOf } from "./evaluate.ts";

const engine = nodeEngine({ threads: 1 });
const norms = ["1", "2", "inf"] as const;

function dataset(shape: Shape, values: ArrayLike<number>, labels: readonly number[], classes = 3): Dataset {
  const count = values.length / sizeOf(shape);
  const x = Float32Array.from(values);
  const common = { name: "points", task: "classification", targets: new Float32Array(0) } as const;
  return {
    ...common,
    x,
    shape,
    count,
    labels: Int32Array.from({ length: count }, (_, i) => labels[i % labels.length]),
    classes,
  };
}

const normals = (seed: number, n: number) => normalTensor(random(seed), [n]).data as Float32Array;

/** Scale a direction to length 1. */
function unit(v: Float64Array, norm: (typeof norms)[number]): Float64Array {
  let length = 0;
  for (const c of v) {
    if (norm === "inf") length = Math.max(length, Math.abs(c));
    else length += norm === "1" ? Math.abs(c) : c * c;
  }
  return v.map((c) => c / (norm === "2" ? Math.sqrt(length) : length));
}

/** A network with a layer normalisation in its middle. */
function normalised(seed: number): Network {
  return functionOf([5], (x) => {
    const v = matmul(x, weight(x, [...normals(seed, 30)], [5, 6]));
    const c = sub(v, broadcastTo(mean(v, [1], true), v.shape));
    const spread = sqrt(add(mean(mul(c, c), [1], true), 0.01));
    return matmul(relu(div(c, broadcastTo(spread, c.shape))), weight(x, [...normals(seed + 1, 18)], [6, 3]));
  });
}

describe("certify()", () => {
  it("labels samples only where the time holds it", async () => {
    const network = functionOf([2], (x) =>
      affine(x, [
        [3, 0],
        [0, 4],
      ]),
    );
    const samples = dataset([2], [2, 1, 0.1, 2], [0, 1], 2);
    expect(Array.from((await labelledBy(network, engine, samples, { limit: 60 })).labels)).toEqual([0, 1]);
    await expect(labelledBy(network, engine, samples, { limit: 0 })).rejects.toThrow("the time ran out before");
  });

  it("decides radii by branch and bound: robust, or refuted by a point that is shown", async () => {
    const r = random(2);
    const rows = (out: number, inner: number) =>
      Array.from({ length: out }, () => Array.from({ length: inner }, () => r.normal() / Math.sqrt(inner)));
    const layers = [rows(16, 4), rows(12, 16), rows(3, 12)];
    const network = functionOf([4], (x) => layers.reduce((y, W, k) => affine(k === 0 ? y : relu(y), W), x));
    const data = dataset([4], normals(9, 4 * 24), [0, 1, 2]);
    const radii = [0.1, 0.3];
    const plain = await certify(network, { engine, data, norm: "inf", radii });
    const local = { parts: 100 };
    const { samples, certified } = await certify(network, { engine, data, norm: "inf", radii, local });
    const logits = async (x: readonly number[]) =>
      (await logitsOf(network, engine, { ...data, x: Float32Array.from(x), count: 1 })).data;
    let refuted = 0;
    for (const [i, sample] of samples.entries()) {
      expect(sample.radius).toBeGreaterThanOrEqual(plain.samples[i].radius);
      if (!sample.refuted) continue;
      refuted++;
      const { radius, point, predicted } = sample.refuted;
      expect(sample.radius).toBeLessThan(radius);
      const z = await logits(point);
      expect(z.indexOf(Math.max(...z))).toBe(predicted);
      expect(predicted).not.toBe(sample.predicted);
      point.forEach((v, j) => {
        expect(Math.abs(v - data.x[4 * i + j])).toBeLessThanOrEqual(radius);
      });
    }
    expect(refuted).toBeGreaterThan(0);
    // Nearly everything is decided, and not by lines alone.
    expect(samples.some((s) => s.by === "branching")).toBe(true);
    for (const { accuracy, atMost = 1 } of certified) {
      expect(atMost).toBeGreaterThanOrEqual(accuracy);
      expect(atMost - accuracy).toBeLessThan(0.1);
    }
  });

  it("gives the distance to the boundary of a linear classifier", async () => {
    const rows = [
      [3, 0],
      [0, 4],
    ];
    const network = functionOf([2], (x) => affine(x, rows, [1, 0]));
    const data = dataset([2], [2, 1, 0.1, 2], [0, 1], 2);
    // Margins 3 and 6.7; the row difference (3, -4) has dual lengths 4, 5 and 7.
    const lengths = { "1": 4, "2": 5, inf: 7 };
    for (const norm of norms) {
      const { samples, accuracy } = await certify(network, { engine, data, norm });
      expect(accuracy).toBe(1);
      expect(samples[0].margin).toBeCloseTo(3, 6);
      samples.forEach((s, i) => {
        const exact = [3, 6.7][i] / lengths[norm];
        expect(s.radius).toBeCloseTo(exact, 6);
      });
      expect(samples[0].radius).toBeLessThanOrEqual(3 / lengths[norm]);
    }
  });

  it.each(norms)("lets no perturbation inside a radius change a decision: l%s", async (norm) => {
    let tight = 0;
    for (let seed = 0; seed < 8; seed++) {
      const network = seed < 6 ? randomNetwork(random(seed), seed % 3 === 2 ? "image" : "dense") : normalised(seed);
      const [, ...sample] = network.inputs[0].shape.map(Number);
      const size = sizeOf(sample);
      const data = dataset(sample, normals(100 + seed, 8 * size), [0]);
      const { samples } = await certify(network, { engine, data, norm });
      const source = random(seed).fork("perturb");
      const moved: number[] = [];
      const outside: number[] = [];
      const tries = 60;
      for (const { index, radius } of samples) {
        for (let t = 0; t < tries; t++) {
          // Signs, single coordinates and normal directions: the corners of each ball are among them.
          const kinds = [() => Math.sign(source.normal()), () => source.normal()];
          const direction = Float64Array.from({ length: size }, kinds[t % 2]);
          if (t % 3 === 0) direction.fill(0, 1);
          const v = unit(direction, norm);
          for (let i = 0; i < size; i++) {
            moved.push(data.x[index * size + i] + 0.9999 * radius * v[i]);
            outside.push(data.x[index * size + i] + 30 * radius * v[i]);
          }
        }
      }
      const decide = async (values: number[]) => {
        const { data: logits, classes } = await logitsOf(network, engine, dataset(sample, values, [0]), {
          dtype: "float64",
        });
        return Array.from({ length: logits.length / classes }, (_, i) => {
          const row = logits.subarray(i * classes, (i + 1) * classes);
          return row.indexOf(Math.max(...row));
        });
      };
      const inside = await decide(moved);
      const further = await decide(outside);
      samples.forEach(({ predicted, radius }, i) => {
        expect(radius).toBeGreaterThanOrEqual(0);
        for (let t = 0; t < tries; t++) {
          expect(inside[i * tries + t], `seed ${seed}, sample ${i}`).toBe(predicted);
          if (further[i * tries + t] !== predicted) tight++;
        }
      });
    }
    // Radii of nothing would pass too: thirty times as far, decisions do change.
    expect(tight).toBeGreaterThan(20);
  });

  it("counts only what is right, at every radius", async () => {
    const network = functionOf([2], (x) => x);
    const data = dataset([2], [1, 0, 3, 0, 5, 0, 7, 0], [0, 1, 0, 0], 2);
    const { accuracy, certified, averageRadius, samples } = await certify(network, {
      engine,
      data,
      norm: "inf",
      radii: [0, 0.4, 0.6, 3, 9],
    });
    expect(accuracy).toBe(0.75);
    expect(certified.map((c) => c.accuracy)).toEqual([0.75, 0.75, 0.5, 0.25, 0]);
    expect(averageRadius).toBeCloseTo((0.5 + 2.5 + 3.5) / 4, 9);
    expect(samples.map((s) => [s.label, s.predicted])).toEqual([
      [0, 0],
      [1, 0],
      [0, 0],
      [0, 0],
    ]);
    expect(await accuracyOf(network, engine, data)).toBe(0.75);
  });

  it("uses a constant for each pair of classes, never above that of all outputs", async () => {
    const rows = [
      [1, 0],
      [1, 0.1],
      [-5, 2],
    ];
    const network = functionOf([2], (x) => affine(tanh(x), rows));
    const { constant } = await certify(network, { engine, data: dataset([2], [1, 2], [0]) });
    const pairs = constant.pairs ?? [];
    expect(pairs[0][1]).toBeCloseTo(0.1, 6);
    expect(pairs[0][2]).toBeCloseTo(Math.hypot(6, 2), 6);
    expect(pairs[2][0]).toBe(pairs[0][2]);
    for (const row of pairs)
      for (const K of row) expect(K).toBeLessThanOrEqual(Math.SQRT2 * constant.value * (1 + 1e-12));
  });

  it("falls back to the constant of all outputs where the end is not affine", async () => {
    const network = functionOf([3], (x) => softmax(mul(x, 2), 1));
    const data = dataset([3], [1, 0, -1], [0]);
    const factors = { "1": 1, "2": Math.SQRT2, inf: 2 };
    for (const norm of norms) {
      const { constant } = await certify(network, { engine, data, norm });
      expect(constant.pairs?.[0][1]).toBeCloseTo(factors[norm] * constant.value, 9);
    }
  });

  it("takes a smaller proved bound from elsewhere, and only a proved one", async () => {
    const network = functionOf([2], (x) =>
      tanh(
        affine(
          relu(
            affine(x, [
              [1, 2],
              [3, 4],
            ]),
          ),
          [
            [1, -1],
            [2, 2],
          ],
        ),
      ),
    );
    const data = dataset([2], [1, 2], [0], 2);
    const upper: UpperBound = { method: "magic", side: "upper", proved: true, value: 1, seconds: 0, status: "done" };
    const { constant, samples } = await certify(network, { engine, data, upper, local: "off" });
    expect(constant).toMatchObject({ value: 1, method: "magic", proved: true });
    expect(samples[0].radius).toBeCloseTo(samples[0].margin / Math.SQRT2, 4);
    const loose = await certify(network, { engine, data, upper: { ...upper, value: 1e9 } });
    expect(loose.constant.method).toBe("autolip");
    await expect(certify(network, { engine, data, upper: { ...upper, proved: false } })).rejects.toThrow("proved");
  });

  it("speaks of radii in the units of the data", async () => {
    const rows = [
      [3, 0],
      [0, 4],
    ];
    const network = functionOf([2], (x) => affine(x, rows));
    const scaled = withPreprocessing(network, { scale: 8, mean: [1, 1], std: [0.5, 0.5] });
    const data = dataset([2], [0.5, 0.125], [0], 2);
    const raw = dataset([2], [6, 0], [0], 2);
    const [a, b] = [await certify(network, { engine, data: raw }), await certify(scaled, { engine, data })];
    expect(b.samples[0].margin).toBeCloseTo(a.samples[0].margin, 9);
    expect(b.samples[0].radius).toBeCloseTo(a.samples[0].radius / 16, 9);
  });

  it("takes networks with a fixed batch and samples of another form, and finishes an unfinished batch", async () => {
    const rows = [
      [3, 0],
      [0, 4],
    ];
    const f = (batch: "free" | number): Network =>
      functionOf([2, 1], (x) => affine(reshape(x, [x.shape[0], 2]), rows), batch);
    const data = dataset([2], [2, 1, 0, 2, 5, 1], [0, 1, 0], 2);
    const free = await certify(f("free"), { engine, data, radii: [0.5] });
    for (const batch of [1, 2, 4]) {
      const fixed = await certify(f(batch), { engine, data, radii: [0.5] });
      expect(fixed.samples.map((s) => s.predicted)).toEqual(free.samples.map((s) => s.predicted));
      fixed.samples.forEach((s, i) => {
        expect(s.radius).toBeCloseTo(free.samples[i].radius, 6);
      });
    }
  });

  it("has infinite radii for a constant function, which JSON shows as null", async () => {
    const network = functionOf([2], (x) => weight(x, [1, 2], [1, 2]), 1);
    const found = await certify(network, { engine, data: dataset([2], [1, 2], [1], 2), radii: [1e9] });
    expect(found.samples[0].radius).toBe(Number.POSITIVE_INFINITY);
    expect(found.certified).toEqual([{ radius: 1e9, accuracy: 1 }]);
    expect(JSON.parse(JSON.stringify(found)).samples[0].radius).toBe(null);
  });

  it("certifies nothing at a tie", async () => {
    const network = functionOf([2], (x) => x);
    const { samples } = await certify(network, { engine, data: dataset([2], [1, 1], [0], 2), radii: [] });
    expect(samples[0]).toMatchObject({ predicted: 0, margin: 0, radius: 0 });
  });

  it("certifies by the linear walk what has no constant", async () => {
    // e^x_1 stays above e^x_0 on the ball in which x_1 stays above x_0.
    const data = dataset([2], [1, 2], [0], 2);
    const { samples, constant } = await certify(functionOf([2], exp), { engine, data });
    expect(constant.proved).toBe(false);
    expect(samples[0]).toMatchObject({ predicted: 1, by: "linear" });
    expect(samples[0].radius).toBeLessThan(Math.SQRT1_2);
    expect(samples[0].radius).toBeGreaterThan(0.5);
  });

  it("refuses what it cannot certify", async () => {
    const network = functionOf([2], (x) => add(x, 1));
    const data = dataset([2], [1, 2], [0], 2);
    for (const radius of [-0.1, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(certify(network, { engine, data, radii: [radius] })).rejects.toThrow(
        "radii must be finite and >= 0",
      );
    }
    const without = { engine, data, local: "off" } as const;
    await expect(certify(functionOf([2], exp), without)).rejects.toThrow(/no proved constant: node Exp 1/);
    await expect(certify(network, { engine, data: { ...data, classes: 5 } })).rejects.toThrow("each of the 5 classes");
    const regression = { ...data, task: "regression", targets: new Float32Array(2) } as const;
    await expect(certify(network, { engine, data: regression })).rejects.toThrow("regression");
    const other = dataset([3], [1, 2, 3], [0], 2);
    await expect(certify(network, { engine, data: other })).rejects.toThrow(UsageError);
    await expect(certify(network, { engine, data, norm: "3" as "2" })).rejects.toThrow("must be 1, 2 or inf");
  });
});
