/** @file CLIP in float64: the pairs climb as the paper says, the network is trained by the steepest alone, and the weight follows the rule. */
import { describe, expect, it } from "vitest";
import { twoMoons } from "../data/toy.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { topological } from "../graph/graph.ts";
import { input, inputsOf } from "../graph/leaf.ts";
import { evalRun } from "../layers/layer.ts";
import { mlp } from "../models/mlp.ts";
import { add, mul } from "../ops/arith.ts";
import { reduceMax } from "../ops/reduce.ts";
import { retype } from "../ops/retype.ts";
import { mapNamed, type Named, within } from "../tensor/named.ts";
import { random } from "../tensor/random.ts";
import { cast, scalar, type Tensor, tensor, toFloat64, zeros } from "../tensor/tensor.ts";
import { freshState } from "./checkpoint.ts";
import { type ClipOptions, clip } from "./clip.ts";
import { nextWeight } from "./discrepancy.ts";
import { train } from "./loop.ts";
import { crossEntropy } from "./loss.ts";
import type { Method } from "./method.ts";
import { sgd } from "./optimizer.ts";
import { quotients, worst } from "./pairSet.ts";
import { constantRate } from "./schedule.ts";
import { stepGraph } from "./step.ts";

const data = twoMoons(3, { samples: 200 }).train;
const model = mlp([2, 7, 2], { activation: "tanh" });
const batch = 12;

/** One step of a method in float64, from its own fresh state. */
function stepOf(method: Method, more: Named<Tensor> = {}) {
  const r = random(5);
  const initial = freshState(model, method, sgd(), r, data, batch);
  const graph = stepGraph({
    model,
    method,
    optimizer: sgd(),
    loss: crossEntropy,
    initial,
    batch,
    sample: [2],
    target: 2,
    classification: true,
  });
  const names = Object.keys(graph.outputs);
  const nodes = retype(Object.values(graph.outputs), "float64");
  const outputs = Object.fromEntries(names.map((name, i) => [name, nodes[i]]));
  const x = tensor(data.x.slice(0, 2 * batch), [batch, 2]);
  const y = zeros([batch, 2]);
  for (let i = 0; i < batch; i++) y.data[2 * i + data.labels[i]] = 1;
  const feeds: Named<Tensor> = mapNamed({ ...initial, x, y, rate: scalar(0.1), ...more }, (t) => cast(t, "float64"));
  const needed = [...inputsOf(topological(Object.values(outputs))).keys()];
  return {
    initial,
    feeds,
    results: evaluate(outputs, Object.fromEntries(needed.map((name) => [name, feeds[name]]))),
  };
}

/** Quotients of pairs under the first parameters. */
function quotientsAt(feeds: Named<Tensor>, first: Float64Array, second: Float64Array): Float64Array {
  const params = within("params", feeds);
  const nodes = mapNamed(params, (t, name) => input(name, t.shape, "float64"));
  const shape = [first.length / 2, 2];
  const [a, b] = [input("a", shape, "float64"), input("b", shape, "float64")];
  const weights = model.weights(nodes, "eval");
  const q = quotients((v) => model.forward(v, weights, evalRun), a, b);
  return toFloat64(
    evaluate({ q }, { ...params, a: tensor(first, shape, "float64"), b: tensor(second, shape, "float64") }).q,
  );
}

describe("clip()", () => {
  it.each([
    ["quotient", 0],
    ["quotient", 0.7],
    ["square", 0.7],
  ] as const)("moves every pair by step * L grad L (%s, weight %s)", (penalty, weight) => {
    const options: ClipOptions = { pairs: 5, step: 0.3, start: "samples", penalty, weight };
    const { feeds, results } = stepOf(clip(options));
    const [first, second] = [toFloat64(feeds["method/first"]), toFloat64(feeds["method/second"])];
    const moved = toFloat64(results["next/method/first"]);
    const h = 1e-5;
    first.forEach((v, i) => {
      const at = (to: number) => quotientsAt(feeds, first.with(i, to), second)[Math.floor(i / 2)] ** 2 / 2;
      expect(moved[i]).toBeCloseTo(v + 0.3 * ((at(v + h) - at(v - h)) / (2 * h)), 5);
    });
  });

  it("trains the network by the data and the steepest pair", () => {
    const options: ClipOptions = { pairs: 5, weight: 0.7, start: "samples" };
    const ours = stepOf(clip(options));
    const byHand: Method = {
      ...clip(options),
      objective({ x, y, forward, loss, state }) {
        const outputs = forward(x);
        const steepest = reduceMax(quotients(forward, state.first, state.second), [0]);
        return { loss: add(loss(outputs, y), mul(steepest, 0.7)), outputs };
      },
    };
    const theirs = stepOf(byHand);
    expect(Number(ours.results.loss.data[0])).toBeCloseTo(Number(theirs.results.loss.data[0]), 7);
    for (const name of Object.keys(ours.results).filter((n) => n.startsWith("next/params"))) {
      const want = toFloat64(theirs.results[name]);
      toFloat64(ours.results[name]).forEach((v, i) => {
        expect(v).toBeCloseTo(want[i], 8);
      });
    }
  });

  it("takes back moves that do not raise the quotient, and adapts the step size of each pair", () => {
    const { feeds, results } = stepOf(clip({ pairs: 9, step: 3, start: "samples", ascent: "accepted" }));
    const at = (from: Named<Tensor>, prefix: string) =>
      quotientsAt(feeds, toFloat64(from[`${prefix}first`]), toFloat64(from[`${prefix}second`]));
    const [before, after] = [at(feeds, "method/"), at(results, "next/method/")];
    const rates = [...toFloat64(results["next/method/rate"])];
    expect(new Set(rates.map((r) => r > 3)).size).toBe(2);
    rates.forEach((rate, i) => {
      expect(rate).toBeCloseTo(after[i] > before[i] ? 3.9 : 3 / 1.3, 6);
      if (rate < 3) expect(after[i]).toBe(before[i]);
    });
  });

  it("begins collapsed pairs anew, from the batch", () => {
    const fresh = clip({ pairs: 4 });
    const start = stepOf(fresh).initial;
    const first = start["method/first"];
    const second = { ...first, data: Float32Array.from(first.data as Float32Array) };
    second.data[0] = Number(second.data[0]) + 1; // the first pair alone stays apart
    const { results, feeds } = stepOf(fresh, { "method/first": first, "method/second": second });
    const [a, b] = [toFloat64(results["next/method/first"]), toFloat64(results["next/method/second"])];
    const [x, jitter] = [toFloat64(feeds.x), toFloat64(feeds["method/jitter"])];
    for (let i = 2; i < 8; i++) {
      expect(a[i]).toBe(x[i]);
      expect(b[i]).toBeCloseTo(x[i] + jitter[i], 12);
    }
    expect(a[0]).not.toBe(x[0]);
  });

  it.each([1, 2, 3])("trades risk for flatness along a sweep of the weight (seed %s)", async (seed) => {
    const split = twoMoons(3, { samples: 400 });
    const sweep: { readonly risk: number; readonly steepest: number }[] = [];
    for (const weight of [0, 0.1, 0.5]) {
      const options = { engine: nodeEngine(), data: split, model: mlp([2, 16, 2]), batch: 40, epochs: 30, seed };
      const method = clip({ weight });
      for await (const event of train({ ...options, method, schedule: constantRate(1e-2) })) {
        if (event.kind !== "epoch" || event.epoch < 30) continue;
        const steepest = Number(event.checkpoint.state["method/steepest"].data[0]);
        sweep.push({ risk: event.trainLoss - weight * steepest, steepest });
      }
    }
    const [none, some, much] = sweep;
    expect(some.risk).toBeGreaterThan(none.risk);
    expect(much.risk).toBeGreaterThan(some.risk);
    expect(some.steepest).toBeLessThan(none.steepest);
    expect(much.steepest).toBeLessThan(some.steepest);
  });

  it("refuses options that make no sense", () => {
    expect(() => clip({ goal: 1.2 })).toThrow("clip: goal must be between 0 and 1, got 1.2");
    expect(() => clip({ step: 0 })).toThrow("clip: step must be above 0, got 0");
    expect(() => stepOf(clip({ pairs: 13 }))).toThrow(
      "clip: pairs must not be more than the samples of a batch, 12, got 13",
    );
    expect(() => stepOf(clip({ pairs: 3, worst: 4 }))).toThrow("clip: worst must not be more than the 3 pairs, got 4");
  });
});

describe("worst()", () => {
  it.each([
    [1, [0, 1, 0, 0]],
    [2, [0, 0.5, 0, 0.5]],
    [4, [0.25, 0.25, 0.25, 0.25]],
  ])("weighs the %s largest alike", (count, want) => {
    const q = input("q", [4]);
    expect([...toFloat64(evaluate({ w: worst(q, count) }, { q: tensor([1, 5, 2, 3], [4]) }).w)]).toEqual(want);
  });

  it("shares between ties at the end", () => {
    const q = input("q", [3]);
    expect([...toFloat64(evaluate({ w: worst(q, 1) }, { q: tensor([4, 1, 4], [3]) }).w)]).toEqual([0.5, 0, 0.5]);
  });
});

describe("nextWeight()", () => {
  const rule = { goal: 0.9, increment: 0.1, warmup: 2, cooldown: 1 };
  const moved = (epoch: number, trainAccuracy: number | null, weight: number) =>
    nextWeight(rule, weight, 0.4, { epoch, epochs: 9, trainLoss: 1, trainAccuracy });

  it("warms up, then moves toward the goal every other epoch, and never below 0", () => {
    expect(moved(1, 0.99, 0)).toBe(0);
    expect(moved(2, 0.99, 0)).toBe(0.4);
    expect(moved(3, 0.99, 0.4)).toBe(0.5);
    expect(moved(4, 0.99, 0.5)).toBe(0.5);
    expect(moved(5, 0.9, 0.5)).toBe(0.4);
    expect(moved(7, 0.1, 0.05)).toBe(0);
  });

  it("needs an accuracy", () => {
    expect(() => moved(3, null, 1)).toThrow("goal: is a training accuracy, and a regression has none");
  });
});
