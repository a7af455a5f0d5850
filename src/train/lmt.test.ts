/** @file Tests of lmt.ts and of the margins that it asks for. */
import { describe, expect, it } from "vitest";
import { lipschitz } from "../bounds/index.ts";
import { certify } from "../certify/evaluate.ts";
import { take } from "../data/dataset.ts";
import { digits } from "../data/digits.ts";
import { squareWave, twoMoons } from "../data/toy.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { grad } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { activation } from "../layers/activation.ts";
import { batchNorm } from "../layers/batchNorm.ts";
import { conv } from "../layers/conv.ts";
import { dense } from "../layers/dense.ts";
import { dropout } from "../layers/dropout.ts";
import { flatten } from "../layers/pool.ts";
import { sequential } from "../layers/sequential.ts";
import { mlp } from "../models/mlp.ts";
import { resnet } from "../models/resnet.ts";
import { sub } from "../ops/arith.ts";
import { abs } from "../ops/pointwise.ts";
import { reduceMax } from "../ops/reduce.ts";
import { scalar, tensor, zeros } from "../tensor/tensor.ts";
import { type LmtOptions, lmt } from "./lmt.ts";
import { type TrainEvent, type TrainOptions, train } from "./loop.ts";
import { crossEntropy } from "./loss.ts";
import { withBottom, withMargin } from "./marginTerm.ts";
import type { Method } from "./method.ts";
import { constantRate } from "./schedule.ts";

const engine = nodeEngine();

async function run(options: Omit<TrainOptions, "engine">) {
  const events: TrainEvent[] = [];
  for await (const event of train({ engine, ...options })) events.push(event);
  const end = events.flatMap((e) => (e.kind === "end" ? [e] : []))[0];
  const epochs = events.flatMap((e) => (e.kind === "epoch" ? [e] : []));
  return { end, epochs };
}

const value = (node: Node, feeds = {}) => Array.from(evaluate({ node }, feeds).node.data, Number);
const still = (rows: readonly (readonly number[])[]) =>
  constant(tensor(rows.flat(), [rows.length, rows[0].length], "float64"));
const number = (v: number) => constant(scalar(v, "float64"));

describe("withMargin()", () => {
  const slopes = still([
    [0, 2, 4],
    [2, 0, 1],
    [4, 1, 0],
  ]);
  const truth = (t: number) => still([[0, 1, 2].map((i) => (i === t ? 1 : 0))]);

  it("gives each rival what it could gain", () => {
    // c K = [., 1, 2] and the lead is 6 and 7: all of it can be borne.
    expect(value(withMargin(still([[8, 2, 1]]), truth(0), slopes, number(0.5)))).toEqual([8, 3, 3]);
    // One slope for all.
    expect(value(withMargin(still([[8, 2, 1]]), truth(0), number(3), number(0.5)))).toEqual([8, 3.5, 2.5]);
  });

  it("gives as much as the sample can bear, and none where it is wrong", () => {
    // Leads of 1 and 3 for gains of 2 and 4: the half.
    expect(value(withMargin(still([[4, 3, 1]]), truth(0), slopes, number(1)))).toEqual([4, 4, 3]);
    expect(value(withMargin(still([[4, 5, 1]]), truth(0), slopes, number(1)))).toEqual([4, 5, 1]);
    // c = 0 asks for nothing.
    expect(value(withMargin(still([[4, 3, 1]]), truth(0), slopes, number(0)))).toEqual([4, 3, 1]);
  });

  it("has the gradient of its loss with what can be borne held fixed", () => {
    const F = input("F", [2, 3], "float64");
    const K = input("K", [3, 3], "float64");
    const y = still([
      [1, 0, 0],
      [0, 0, 1],
    ]);
    const feeds = {
      F: tensor([3, 1, 2, 0, 1, 9], [2, 3], "float64"),
      K: tensor([0, 2, 4, 2, 0, 1, 4, 1, 0], [3, 3], "float64"),
    };
    const loss = crossEntropy(withMargin(F, y, K, number(1)), y);
    const [dF, dK] = grad(loss, [F, K]);
    // Leads of 2 and 1 for gains of 2 and 4; leads of 9 and 8 for gains of 4 and 1.
    const borne = [0.25, 1];
    const fixed = (f: readonly number[], k: readonly number[]) => {
      const sample = (s: number, t: number) => {
        const z = [0, 1, 2].map((i) => f[3 * s + i] + (i === t ? 0 : borne[s] * k[3 * t + i]));
        return Math.log(z.reduce((sum, v) => sum + Math.exp(v), 0)) - z[t];
      };
      return (sample(0, 0) + sample(1, 2)) / 2;
    };
    const f = Array.from(feeds.F.data, Number);
    const k = Array.from(feeds.K.data, Number);
    expect(value(loss, feeds)[0]).toBeCloseTo(fixed(f, k), 12);
    const slope = (at: (h: number) => number) => (at(1e-5) - at(-1e-5)) / 2e-5;
    value(dF, feeds).forEach((v, i) => {
      expect(v).toBeCloseTo(
        slope((h) => fixed(f.with(i, f[i] + h), k)),
        8,
      );
    });
    value(dK, feeds).forEach((v, i) => {
      expect(v).toBeCloseTo(
        slope((h) => fixed(f, k.with(i, k[i] + h))),
        8,
      );
    });
  });
});

describe("withBottom()", () => {
  it("appends what another class than the predicted could reach", () => {
    const slopes = still([
      [0, 2, 10],
      [2, 0, 1],
      [10, 1, 0],
    ]);
    // From class 0: 3 + 2 c or 1 + 10 c. From class 1: 4 + 2 c or 1 + c.
    expect(value(withBottom(still([[4, 3, 1]]), slopes, number(0.1)))).toEqual([4, 3, 1, 3.2]);
    expect(value(withBottom(still([[4, 3, 1]]), slopes, number(1)))).toEqual([4, 3, 1, 11]);
    expect(value(withBottom(still([[4, 5, 1]]), slopes, number(1)))).toEqual([4, 5, 1, 6]);
  });
});

describe("Step.evaluated", () => {
  it("is the model of evaluation with the statistics of the batch", async () => {
    const comparing: Method = {
      name: "comparing",
      init: () => ({ difference: zeros([]) }),
      objective({ x, y, forward, evaluated, loss }) {
        const outputs = forward(x);
        return {
          loss: loss(outputs, y),
          outputs,
          state: { difference: reduceMax(abs(sub(outputs, evaluated(x)))) },
        };
      },
    };
    const model = sequential([
      conv(3, { kernel: 3 }),
      batchNorm(),
      activation("relu"),
      flatten(),
      dense(5),
      batchNorm(),
      dense(10),
    ]);
    const { train: own, test } = await digits();
    const data = { train: take(own, 64), test: take(test, 16) };
    const { epochs } = await run({ data, model, method: comparing, epochs: 1, batch: 64 });
    const difference = Number(epochs[0].checkpoint.state["method/difference"].data[0]);
    expect(difference).toBeLessThan(1e-5);
  });
});

describe("lmt()", () => {
  const wide: Omit<TrainOptions, "engine" | "data" | "method"> = {
    model: mlp([784, 16, 10]),
    schedule: constantRate(5e-3),
    epochs: 6,
    batch: 50,
    seed: 5,
  };
  const some = async () => {
    const { train: own, test } = await digits();
    return { train: take(own, 1000), test: take(test, 300) };
  };

  it("certifies more the larger c is, by a constant that does not rise", async () => {
    const data = await some();
    const found = [];
    for (const c of [0, 0.1, 0.3]) {
      const { end } = await run({ ...wide, data, method: lmt({ c }) });
      const { upper } = await lipschitz(end.network, { engine, methods: ["autolip"] });
      const { certified } = await certify(end.network, { engine, data: data.test, radii: [0.3], local: "off" });
      found.push({ L: upper?.value ?? 0, certified: certified[0].accuracy });
    }
    const [none, little, much] = found;
    expect(little.L).toBeLessThan(0.8 * none.L);
    expect(much.L).toBeLessThan(1.02 * little.L);
    expect(much.certified).toBeGreaterThan(none.certified + 0.1);
  });

  const variants: readonly LmtOptions[] = [{ form: "shared" }, { form: "gloro", c: 0.3 }, { norms: "gram" }];
  it.each(variants)("lowers the constant: %o", async (variant) => {
    const data = await some();
    const constantOf = async (method: Method) => {
      const { end } = await run({ ...wide, epochs: 4, data, method });
      return (await lipschitz(end.network, { engine, methods: ["autolip"] })).upper?.value ?? 0;
    };
    expect(await constantOf(lmt({ ...variant, ramp: 0 }))).toBeLessThan(0.8 * (await constantOf(lmt({ c: 0 }))));
  });

  it("trains through batch-norm, residuals and dropout, and its norms follow the weights although no loss moves them", async () => {
    const { train: own, test } = await digits();
    const data = { train: take(own, 256), test: take(test, 32) };
    const method = lmt({ c: 0 });
    const { epochs } = await run({ data, model: resnet(10, { channels: [4, 8] }), method, epochs: 2, batch: 64 });
    const { state } = epochs[1].checkpoint;
    const vectors = Object.entries(state).filter(([name]) => name.startsWith("method/"));
    expect(vectors.length).toBeGreaterThan(5);
    for (const [name, { data: v }] of vectors) {
      expect(Math.hypot(...Array.from(v, Number))).toBeCloseTo(1, 5);
      expect(v).not.toEqual(epochs[0].checkpoint.state[name].data);
    }
    const dropping = sequential([dense(8), dropout(0.3), activation("sigmoid"), dense(2)]);
    await run({ data: twoMoons(1, { samples: 100 }), model: dropping, method: lmt(), epochs: 1, batch: 20 });
  });

  it("asks for classes, an affine end and a constant", async () => {
    const refused = (options: Omit<TrainOptions, "engine">) => expect(run({ epochs: 1, batch: 8, ...options })).rejects;
    const moons = twoMoons(1, { samples: 50 });
    await refused({ data: squareWave(1), model: mlp([1, 4, 1]), method: lmt() }).toThrow("lmt: a margin needs classes");
    const bent = sequential([dense(4), dense(2), activation("relu")]);
    await refused({ data: moons, model: bent, method: lmt() }).toThrow('use form: "shared"');
    await run({ data: moons, model: bent, method: lmt({ form: "shared" }), epochs: 1, batch: 8 });
    expect(() => lmt({ c: -1 })).toThrow("lmt: c must be >= 0, got -1");
    expect(() => lmt({ ramp: Number.NaN })).toThrow("lmt: ramp must be >= 0, got NaN");
  });
});
