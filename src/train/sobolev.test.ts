import { describe, expect, it } from "vitest";
import { testEngine } from "../../test/testEngine.ts";
import type { Dataset } from "../data/dataset.ts";
import { twoMoons } from "../data/toy.ts";
import { evaluate } from "../engine/reference.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { mlp } from "../models/mlp.ts";
import { add, mul, sub } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, sliceAxis } from "../ops/movement.ts";
import { sin, tanh } from "../ops/pointwise.ts";
import { random, uniformTensor } from "../tensor/random.ts";
import { tensor, toFloat64 } from "../tensor/tensor.ts";
import { crossEntropy, squaredError } from "./loss.ts";
import type { Step } from "./method.ts";
import { adam } from "./optimizer.ts";
import { plain } from "./plain.ts";
import { cosine } from "./schedule.ts";
import { type SobolevOptions, sobolev, type Target } from "./sobolev.ts";
import { targetOf } from "./teacher.ts";
import { trainNetwork } from "./trainNetwork.ts";

const points = Float64Array.of(0.5, -1, 2, 0.25, -0.75, 1.5);
const batch = 3;

/** (x0 x1 + x0^2, 3 x1) */
const target: Target = (x) => {
  const [a, b] = [sliceAxis(x, 1, 0, 1), sliceAxis(x, 1, 1, 2)];
  return concat([add(mul(a, b), mul(a, a)), mul(b, 3)], 1);
};
/** (x0, 2 x0 - x1) and a little of tanh, so that it bends. */
const bend = 0.3;
const model: Target = (x) =>
  add(matmul(x, constant(tensor(Float64Array.of(1, 2, 0, -1), [2, 2], "float64"))), mul(tanh(x), bend));

/** The objective of one step at the points, in float64, with noise of a seed. */
function lossOf(options: SobolevOptions, seed = 0, slopes?: Node): number {
  const x = input("x", [batch, 2], "float64");
  const source = random(seed);
  const drawn: Node[] = [];
  const step: Step = {
    x,
    y: constant(tensor(new Float64Array(2 * batch), [batch, 2], "float64")),
    ...(slopes && { slopes }),
    forward: model,
    evaluated: model,
    loss: squaredError,
    params: {},
    state: {},
    epoch: constant(0, "float64"),
    noise(shape) {
      const { data } = uniformTensor(source.fork(String(drawn.length)), shape);
      const node = constant(tensor(Float64Array.from(data, Number), shape, "float64"));
      drawn.push(node);
      return node;
    },
  };
  const { loss } = sobolev(options).objective?.(step) ?? {};
  const found = evaluate({ loss: loss as Node }, { x: tensor(points, [batch, 2], "float64") });
  return toFloat64(found.loss)[0];
}

/** The terms in closed form: values, slopes, second derivatives, each half a mean square. */
function closedForm(): readonly [number, number, number] {
  const terms = [0, 0, 0];
  for (let k = 0; k < batch; k++) {
    const [a, b] = points.subarray(2 * k, 2 * k + 2);
    const [ta, tb] = [Math.tanh(a), Math.tanh(b)];
    const [da, db] = [bend * (1 - ta * ta), bend * (1 - tb * tb)];
    const values = [a + bend * ta - (a * b + a * a), 2 * a - b + bend * tb - 3 * b];
    const first = [1 + da - b - 2 * a, -a, 2, -1 + db - 3];
    // Output 0: d2/da2, twice d2/dadb; output 1: d2/db2.
    const second = [-2 * ta * da - 2, -1, -1, -2 * tb * db];
    [values, first, second].forEach((all, j) => {
      terms[j] += all.reduce((sum, v) => sum + v * v, 0) / (2 * batch);
    });
  }
  return terms as unknown as [number, number, number];
}

const wave = (count: number, seed: number): Dataset => {
  const x = uniformTensor(random(seed), [count, 1], -3, 3).data as Float32Array;
  return {
    name: "wave",
    task: "regression",
    x,
    shape: [1],
    count,
    labels: new Int32Array(),
    targets: x.map((v) => Math.sin(2 * v)),
    slopes: x.map((v) => 2 * Math.cos(2 * v)),
    classes: 1,
  };
};

describe("sobolev()", () => {
  const [values, first, second] = closedForm();

  it("is the closed form of values, slopes and second derivatives", () => {
    expect(lossOf({ target, order: 0 })).toBeCloseTo(values, 10);
    expect(lossOf({ target, weight: 2 })).toBeCloseTo(values + 2 * first, 10);
    expect(lossOf({ target, order: 2, weight: 0.5 })).toBeCloseTo(values + 0.5 * (first + second), 10);
  });

  it("has that for its mean along random directions", () => {
    const all = Array.from({ length: 300 }, (_, seed) => lossOf({ target, order: 2, directions: 2 }, seed));
    const mean = all.reduce((sum, v) => sum + v, 0) / all.length;
    const deviation = Math.sqrt(all.reduce((sum, v) => sum + (v - mean) ** 2, 0) / all.length / all.length);
    expect(deviation).toBeGreaterThan(0);
    expect(Math.abs(mean - values - first - second)).toBeLessThan(4 * deviation);
  });

  it("takes slopes of the data for those of the target", () => {
    const rates = Array.from({ length: batch }, (_, k) => {
      const [a, b] = points.subarray(2 * k, 2 * k + 2);
      return [b + 2 * a, a, 0, 3];
    });
    const slopes = constant(tensor(Float64Array.from(rates.flat()), [batch, 2, 2], "float64"));
    expect(lossOf({}, 0, slopes) - lossOf({ order: 0 })).toBeCloseTo(first, 10);
  });

  it("needs fewer samples of a wave than its values do", async () => {
    const engine = testEngine();
    const data = { train: wave(12, 1), test: wave(200, 2) };
    const common = {
      engine,
      data,
      model: mlp([1, 32, 32, 1], { activation: "tanh" }),
      optimizer: adam(),
      schedule: cosine(1e-2),
    };
    const errors: number[] = [];
    for (const method of [plain(), sobolev(), sobolev({ target: (x) => sin(mul(x, 2)), directions: 1 })]) {
      const { epochs } = await trainNetwork({ ...common, method, epochs: 400, batch: 12, seed: 3 });
      errors.push(epochs[epochs.length - 1].testLoss);
    }
    expect(errors[1]).toBeLessThan(errors[0] / 5);
    expect(errors[2]).toBeLessThan(errors[0] / 5);
  });

  it("learns the probabilities of a classifier", async () => {
    const engine = testEngine();
    const data = twoMoons(1, { samples: 300 });
    const teacher = await trainNetwork({
      engine,
      data,
      model: mlp([2, 16, 2], { activation: "tanh" }),
      epochs: 30,
      batch: 40,
    });
    const method = sobolev({ target: targetOf(teacher.network), match: "log-probabilities" });
    const { epochs } = await trainNetwork({
      engine,
      data,
      model: mlp([2, 16, 2], { activation: "tanh" }),
      method,
      epochs: 30,
      batch: 40,
      loss: crossEntropy,
    });
    const last = (all: typeof epochs) => all[all.length - 1].testAccuracy ?? 0;
    expect(last(epochs)).toBeGreaterThan(last(teacher.epochs) - 0.05);
  });

  it("refuses what it cannot match", async () => {
    expect(() => sobolev({ order: 3 })).toThrow("sobolev: order must be 0, 1 or 2, got 3");
    expect(() => sobolev({ directions: 0.5 })).toThrow("directions must be a whole number >= 0, got 0.5");
    expect(() => sobolev({ weight: -1 })).toThrow("sobolev: weight must be >= 0, got -1");
    expect(() => lossOf({ target: (x) => sliceAxis(x, 1, 0, 1) })).toThrow(
      "sobolev: the target must give what the model gives, got [3,1] for [3,2]",
    );
    const data = { train: wave(12, 1), test: wave(12, 2) };
    const options = { engine: testEngine(), data, model: mlp([1, 8, 1]), epochs: 1, batch: 12 };
    const bare = { train: { ...data.train, slopes: undefined }, test: data.test };
    await expect(trainNetwork({ ...options, data: bare as typeof data, method: sobolev() })).rejects.toThrow(
      "sobolev: needs derivatives to match: a target (--teacher net.onnx), or data with slopes (--slopes COLUMNS), got neither",
    );
    await expect(trainNetwork({ ...options, method: sobolev({ order: 2 }) })).rejects.toThrow(
      "slopes of data are first derivatives, got order 2",
    );
    await expect(trainNetwork({ ...options, method: sobolev({ order: 2, target: sin }) })).rejects.toThrow(
      "order 2 needs a model with second derivatives, and this one is piecewise linear",
    );
  });
});

describe("targetOf()", () => {
  it("is the network on any batch, also of one sample at a time", () => {
    const network = {
      name: "n",
      inputs: [{ name: "x", shape: [1, 2], dtype: "float32" as const }],
      outputs: ["y"],
      metadata: {},
      build: ([x]: readonly Node[]) => [sub(mul(x, x), 1)],
    };
    const x = constant(tensor(Float32Array.of(1, 2, 3, 4), [2, 2]));
    for (const shape of [
      [1, 2],
      ["n", 2],
    ]) {
      const y = targetOf({ ...network, inputs: [{ ...network.inputs[0], shape }] })(x);
      expect([...toFloat64(evaluate({ y }, {}).y)]).toEqual([0, 3, 8, 15]);
    }
    expect(() => targetOf({ ...network, inputs: [{ ...network.inputs[0], shape: [4, 2] }] })).toThrow(
      "n: a teacher must take one sample, or any number of them, got 4",
    );
  });
});
