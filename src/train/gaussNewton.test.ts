/** @file Tests of gaussNewton.ts: one step against the linear system that it solves, and fits. */
import { describe, expect, it } from "vitest";
import { testEngine } from "../../test/testEngine.ts";
import type { Dataset } from "../data/dataset.ts";
import { evaluate } from "../engine/reference.ts";
import { grad } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { mlp } from "../models/mlp.ts";
import { matmul } from "../ops/matmul.ts";
import { tanh } from "../ops/pointwise.ts";
import { mapNamed, type Named, under, within } from "../tensor/named.ts";
import { random, uniformTensor } from "../tensor/random.ts";
import { cast, scalar, type Tensor, tensor } from "../tensor/tensor.ts";
import { type GaussNewtonOptions, gaussNewton } from "./gaussNewton.ts";
import { crossEntropy, type Loss, squaredError } from "./loss.ts";
import { adam } from "./optimizer.ts";
import { constantRate, cosine } from "./schedule.ts";
import { trainNetwork } from "./trainNetwork.ts";

const data = [
  [1, 2],
  [-1, 0.5],
  [0.5, -2],
  [2, 1],
];
const targets = [1, -1, 2, 0.5];
const batch = data.length;

interface Stepped {
  readonly params: Named<Tensor>;
  readonly state: Named<Tensor>;
}

/** One step on outputs of the weights w, [2, 1], in float64. */
function step(
  w: readonly number[],
  options: GaussNewtonOptions,
  {
    f = (z: Node) => z,
    loss = squaredError,
    rate = 1,
    decay = 0,
    state,
  }: {
    readonly f?: (z: Node) => Node;
    readonly loss?: Loss;
    readonly rate?: number;
    readonly decay?: number;
    readonly state?: Named<Tensor>;
  } = {},
): Stepped {
  const optimizer = gaussNewton(options);
  const params = { w: tensor(Float64Array.from(w), [2, 1], "float64") };
  const before = state ?? mapNamed(optimizer.init(params), (t) => cast(t, "float64"));
  const p = mapNamed(params, (t, name) => input(name, t.shape, t.dtype));
  const x = constant(tensor(Float64Array.from(data.flat()), [batch, 2], "float64"));
  const y = constant(tensor(Float64Array.from(targets), [batch, 1], "float64"));
  const outputs = f(matmul(x, p.w));
  const value = loss(outputs, y);
  const next = optimizer.update({
    params: p,
    gradients: { w: grad(value, [p.w])[0] },
    state: within(
      "state",
      mapNamed(under("state", before), (t, name) => input(name, t.shape, t.dtype)),
    ),
    loss: value,
    outputs,
    rate: input("rate", [], "float64"),
    step: input("step", [], "float64"),
    decay: () => decay,
    pace: () => 1,
  });
  const results = evaluate(
    { ...under("params", next.params), ...under("next", next.state) },
    { ...params, ...under("state", before), rate: scalar(rate, "float64") },
  );
  return { params: within("params", results), state: { ...before, ...within("next", results) } };
}

/** Solve [[a, b], [b, d]] x = r. */
const solve2 = ([a, b, d]: readonly number[], [r, s]: readonly number[]) => {
  const det = a * d - b * b;
  return [(d * r - b * s) / det, (a * s - b * r) / det];
};

/** J^T J / batch and J^T r / batch of a linear model. */
function normal(w: readonly number[]) {
  const r = data.map(([a, b], k) => a * w[0] + b * w[1] - targets[k]);
  const mean = (f: (k: number) => number) => data.reduce((sum, _, k) => sum + f(k), 0) / batch;
  return {
    A: [mean((k) => data[k][0] ** 2), mean((k) => data[k][0] * data[k][1]), mean((k) => data[k][1] ** 2)],
    g: [mean((k) => data[k][0] * r[k]), mean((k) => data[k][1] * r[k])],
  };
}

describe("gaussNewton()", () => {
  const w = [0.3, -0.7];
  const { A, g } = normal(w);

  it("solves the damped normal equations in one step", () => {
    const mu = 0.25;
    const p = solve2([A[0] + mu, A[1], A[2] + mu], [-g[0], -g[1]]);
    const { params } = step(w, { damping: mu });
    expect([...params.w.data].map(Number)).toEqual([expect.closeTo(w[0] + p[0], 5), expect.closeTo(w[1] + p[1], 5)]);
    const half = step(w, { damping: mu }, { rate: 0.5 });
    expect(Number(half.params.w.data[0])).toBeCloseTo(w[0] + p[0] / 2, 5);
  });

  it("pulls towards the first weights by alpha, and towards 0 by weight decay", () => {
    const [mu, alpha, decay] = [1e-8, 0.5, 0.2];
    const first = {
      tikhonov: scalar(alpha, "float64"),
      damping: scalar(mu, "float64"),
      "start/w": tensor(Float64Array.of(1, 1), [2, 1], "float64"),
    };
    const right = w.map((own, i) => -(g[i] + alpha * (own - 1) + decay * own));
    const c = alpha + decay + mu;
    const p = solve2([A[0] + c, A[1], A[2] + c], right);
    const { params } = step(w, { damping: mu, tikhonov: alpha }, { decay, state: first });
    expect([...params.w.data].map(Number)).toEqual([expect.closeTo(w[0] + p[0], 5), expect.closeTo(w[1] + p[1], 5)]);
  });

  it("trusts what it foresaw exactly, and makes no move that does not lower the loss", () => {
    const good = step(w, { damping: 0.3 });
    expect(Number(good.state.damping.data[0])).toBeCloseTo(0.1, 6);
    // On tanh, where it bends, the linear model promises what the network does not keep.
    const far = [1, -1];
    const bad = step(far, { damping: 1e-6 }, { f: tanh });
    expect([...bad.params.w.data].map(Number)).toEqual(far);
    expect(Number(bad.state.damping.data[0])).toBeCloseTo(4e-6, 10);
  });

  it("moves alpha by the discrepancy rule", () => {
    const options = { damping: 0.1, tikhonov: 1 };
    const above = step(w, { ...options, noise: 0.01 });
    const below = step(w, { ...options, noise: 100 });
    expect(Number(above.state.tikhonov.data[0])).toBeCloseTo(0.7, 6);
    expect(Number(below.state.tikhonov.data[0])).toBeCloseTo(1 / 0.7, 6);
  });

  it("takes the curvature of the cross-entropy for classes", async () => {
    // Two classes, logits (z, 0): H of the loss in z is s (1 - s), with s the sigmoid.
    const f = (z: Node) => matmul(z, constant(tensor(Float64Array.of(1, 0), [1, 2], "float64")));
    const labels = constant(tensor(Float64Array.from([1, 0, 0, 1, 1, 0, 0, 1]), [batch, 2], "float64"));
    const { params } = step(w, { damping: 0.1 }, { f, loss: (z) => crossEntropy(z, labels) });
    const s = data.map(([a, b]) => 1 / (1 + Math.exp(-(a * w[0] + b * w[1]))));
    const truth = [1, 0, 1, 0];
    const mean = (h: (k: number) => number) => s.reduce((sum, _, k) => sum + h(k), 0) / batch;
    const bent = (k: number) => s[k] * (1 - s[k]);
    const H = [
      mean((k) => bent(k) * data[k][0] ** 2),
      mean((k) => bent(k) * data[k][0] * data[k][1]),
      mean((k) => bent(k) * data[k][1] ** 2),
    ];
    const slope = [mean((k) => (s[k] - truth[k]) * data[k][0]), mean((k) => (s[k] - truth[k]) * data[k][1])];
    const p = solve2([H[0] + 0.1, H[1], H[2] + 0.1], [-slope[0], -slope[1]]);
    expect([...params.w.data].map(Number)).toEqual([expect.closeTo(w[0] + p[0], 5), expect.closeTo(w[1] + p[1], 5)]);
  });

  it("refuses settings that make no sense", () => {
    expect(() => gaussNewton({ iterations: 0 })).toThrow("gaussNewton: iterations must be a whole number >= 1, got 0");
    expect(() => gaussNewton({ damping: 0 })).toThrow("gaussNewton: damping must be above 0, got 0");
    expect(() => gaussNewton({ tikhonov: -1 })).toThrow("gaussNewton: tikhonov must be >= 0, got -1");
    expect(() => gaussNewton({ noise: 0.1 })).toThrow("with noise, tikhonov must be above 0");
  });
});

describe("fits by gaussNewton()", () => {
  const sine = (count: number, noise = 0): Dataset => {
    const x = uniformTensor(random(1), [count, 1], -1, 1).data as Float32Array;
    const source = random(2);
    return {
      name: "sine",
      task: "regression",
      x,
      shape: [1],
      count,
      labels: new Int32Array(),
      targets: x.map((v) => Math.sin(3 * v) + noise * source.normal()),
      classes: 1,
    };
  };
  const lossesOf = async (train: Dataset, options: Partial<Parameters<typeof trainNetwork>[0]>): Promise<number[]> => {
    const { epochs } = await trainNetwork({
      engine: testEngine({ threads: 1 }),
      data: { train, test: train },
      model: mlp([1, 10, 1], { activation: "tanh" }),
      batch: train.count,
      seed: 1,
      ...options,
    });
    return epochs.map((e) => e.trainLoss);
  };

  it("reach 1e-7 in a hundred steps where Adam has not 1e-3, and do not rise", async () => {
    const found = await lossesOf(sine(50), { optimizer: gaussNewton(), schedule: constantRate(1), epochs: 100 });
    expect(found[99]).toBeLessThan(3e-7);
    expect(found.every((v, k) => k === 0 || v <= 1.01 * found[k - 1])).toBe(true);
    const other = await lossesOf(sine(50), { optimizer: adam(), schedule: cosine(1e-2), epochs: 100 });
    expect(other[99]).toBeGreaterThan(1e-3);
  });

  it("stop at the error of the targets under the discrepancy rule", async () => {
    const noise = 0.2;
    const optimizer = gaussNewton({ tikhonov: 1, noise });
    const found = await lossesOf(sine(50, noise), { optimizer, schedule: constantRate(1), epochs: 120 });
    const level = Math.sqrt(2 * (found.slice(-20).reduce((sum, v) => sum + v, 0) / 20));
    expect(level).toBeGreaterThan(0.9 * noise);
    expect(level).toBeLessThan(1.1 * noise);
    const free = await lossesOf(sine(50, noise), { optimizer: gaussNewton(), schedule: constantRate(1), epochs: 120 });
    expect(Math.sqrt(2 * free[119])).toBeLessThan(0.95 * level);
  });
});
