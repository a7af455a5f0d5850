/** @file Tests of retrofit.ts: a file goes on training, and is the same file with other numbers. */
import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { modelOf } from "../../test/model.ts";
import { retrofitModel } from "../../test/retrofitModel.ts";
import { lipschitz } from "../bounds/index.ts";
import { checkReading } from "../check/model.ts";
import { iris } from "../data/iris.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { topological } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import type { Family } from "../layers/family.ts";
import { evalRun, type Variables } from "../layers/layer.ts";
import { frozenWeights } from "../models/freeze.ts";
import { ModelProtoSchema } from "../onnx/proto.ts";
import { parseOnnx, readingOf } from "../onnx/read.ts";
import { UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import { type Tensor, tensor, toFloat64, zeros } from "../tensor/tensor.ts";
import { lbdn } from "./lbdn.ts";
import { lcnn } from "./lcnn.ts";
import { lmt } from "./lmt.ts";
import { type TrainEvent, type TrainOptions, train } from "./loop.ts";
import type { Method } from "./method.ts";
import { buildMethod, type MethodName, type MethodSpec } from "./methods.ts";
import { plain, weightDecay } from "./plain.ts";
import { originKey, type RetrofitOptions, retrofit } from "./retrofit.ts";
import { constantRate } from "./schedule.ts";

const engine = nodeEngine();
const data = iris();
const sha256 = "ab".repeat(32);
const asked: RetrofitOptions = { sha256, sample: [4], task: "classification" };
const given = (options: Partial<RetrofitOptions> = {}, bytes = retrofitModel()) =>
  retrofit({ bytes, name: "net.onnx" }, { ...asked, ...options });

async function trained(options: Partial<TrainOptions> = {}) {
  const events: TrainEvent[] = [];
  for await (const event of train({ engine, data, model: given(), batch: 20, epochs: 2, seed: 3, ...options }))
    events.push(event);
  const end = events.at(-1);
  if (end?.kind !== "end") throw new Error("no end");
  return { events, end };
}

/** Numbers of an input through a network's bytes. */
const outputsOf = (bytes: Uint8Array, x: readonly number[], rows: number) => {
  const node = input("features", [rows, 4]);
  const [y] = parseOnnx(bytes).build([node]);
  return [...toFloat64(evaluate({ y }, { features: tensor(x, [rows, 4]) }).y)];
};

describe("retrofit()", () => {
  it("is the network's logits in the units of the data, for any number of samples", () => {
    const preprocessing = { scale: 2, mean: [1], std: [0.5, 1, 2, 4] };
    const rows = [5.1, 3.5, 1.4, 0.2, 7, 3.2, 4.7, 1.4, -1, 0, 2, 3];
    const fed = rows.map((v, i) => (2 * v - 1) / [0.5, 1, 2, 4][i % 4]);
    for (const batch of ["N", 1] as const) {
      const layer = given({ preprocessing }, retrofitModel(batch));
      expect(layer.shape([4])).toEqual([3]);
      const { params } = layer.init(random(0), [4]);
      const nodes = Object.fromEntries(Object.entries(params).map(([name, t]) => [name, input(name, t.shape)]));
      const x = input("x", [3, 4]);
      const y = layer.forward(x, nodes, evalRun);
      const logits = toFloat64(evaluate({ y }, { x: tensor(rows, [3, 4]), ...params }).y);
      const soft = [0, 1, 2].flatMap((k) => {
        const own = [...logits.slice(3 * k, 3 * k + 3)].map(Math.exp);
        return own.map((v) => v / own.reduce((a, b) => a + b));
      });
      const want = outputsOf(retrofitModel(), fed, 3);
      soft.forEach((v, i) => {
        expect(v).toBeCloseTo(want[i], 5);
      });
    }
  });

  it("takes a file whose Reshapes say how many rows there are for more of them", () => {
    const bytes = modelOf({
      inputs: { x: [1, 4] },
      tensors: {
        W: tensor(
          Float32Array.from({ length: 6 }, (_, i) => i + 1),
          [2, 3],
        ),
        whole: tensor([1, 2, 2], [3], "int64"),
        flat: tensor([1, -1], [2], "int64"),
      },
      nodes: [
        { op: "Reshape", in: ["x", "whole"], out: ["a"] },
        { op: "MatMul", in: ["a", "W"], out: ["b"] },
        { op: "Reshape", in: ["b", "flat"] },
      ],
    });
    const layer = given({}, bytes);
    const { params } = layer.init(random(0), [4]);
    const at = (rows: number) => {
      const x = input("x", [rows, 4]);
      const y = layer.forward(x, { "W/weight": input("W", [2, 3]) }, evalRun);
      const fed = Float32Array.from({ length: 8 }, (_, i) => i).slice(0, 4 * rows);
      return { y, out: [...toFloat64(evaluate({ y }, { x: tensor(fed, [rows, 4]), W: params["W/weight"] }).y)] };
    };
    const both = at(2);
    expect(both.out.slice(0, 6)).toEqual(at(1).out);
    expect(both.out.slice(6, 9)).toEqual([4 + 20, 8 + 25, 12 + 30]);
    // One graph for both.
    expect(topological([both.y]).filter((node) => node.op.name === "MatMul")).toHaveLength(1);
  });

  it("puts samples through one by one where the graph mixes their rows", () => {
    // The first axis is not that of the samples: no batch goes through side by side.
    const bytes = modelOf({
      inputs: { x: [4] },
      tensors: {
        W: tensor(
          Float32Array.from({ length: 12 }, (_, i) => i / 7),
          [4, 3],
        ),
      },
      nodes: [{ op: "MatMul", in: ["x", "W"] }],
    });
    const layer = given({}, bytes);
    const x = input("x", [2, 4]);
    const { params } = layer.init(random(0), [4]);
    const y = layer.forward(x, { "W/weight": input("W", [4, 3]) }, evalRun);
    const fed = { x: tensor([1, 0, 0, 0, 0, 0, 0, 7], [2, 4]), W: params["W/weight"] };
    expect([...toFloat64(evaluate({ y }, fed).y)].map((v) => Math.round(7 * v))).toEqual([0, 1, 2, 63, 70, 77]);
  });

  it("writes the same file with the trained numbers, and what is frozen bit for bit", async () => {
    const model = given({ frozen: ["fc1", "bn.?ias"] });
    const { end } = await trained({ model });
    const bytes = model.written(await frozenWeights(engine, model, end.variables));
    const [old, made] = [retrofitModel(), bytes].map((b) => fromBinary(ModelProtoSchema, b));
    expect(made.graph?.node).toEqual(old.graph?.node);
    expect(made.graph?.input).toEqual(old.graph?.input);
    expect(made.graph?.output).toEqual(old.graph?.output);
    const changed = (old.graph?.initializer ?? []).filter((t, i) => {
      const own = made.graph?.initializer[i];
      expect([own?.name, own?.dims, own?.dataType]).toEqual([t.name, t.dims, t.dataType]);
      return Buffer.compare(t.rawData, own?.rawData ?? new Uint8Array()) !== 0;
    });
    expect(changed.map((t) => t.name)).toEqual(["bn.weight", "fc2.weight", "fc2.bias"]);
    expect(made.metadataProps.map(({ key, value }) => [key, value])).toEqual([[originKey, sha256]]);
    expect([...model.parameters.held].filter(([, why]) => why === "it is frozen").map(([name]) => name)).toEqual([
      "fc1.weight",
      "fc1.bias",
      "bn.bias",
    ]);
    // What is read of the file is what the training loop froze.
    const reading = readingOf(bytes);
    const x = input("x", [2, 4]);
    const [y] = end.network.build([x]);
    const logits = toFloat64(evaluate({ y }, { x: tensor([5.1, 3.5, 1.4, 0.2, 6, 3, 5, 2], [2, 4]) }).y);
    const soft = outputsOf(bytes, [5.1, 3.5, 1.4, 0.2, 6, 3, 5, 2], 2);
    expect(reading.network.metadata[originKey]).toBe(sha256);
    for (const k of [0, 1])
      expect(Math.log(soft[3 * k] / soft[3 * k + 1])).toBeCloseTo(logits[3 * k] - logits[3 * k + 1], 4);
  });

  it("writes doubles where the file has doubles", async () => {
    const wide = (values: readonly number[], shape: readonly number[]) => tensor(values, shape, "float64");
    const start = Array.from({ length: 12 }, (_, i) => Math.sin(i) / 3);
    const bytes = modelOf({
      inputs: { x: [1, 4] },
      type: 11,
      tensors: { W: wide(start, [4, 3]), b: wide([0.1, 0.2, 1 / 3], [3]) },
      nodes: [
        { op: "MatMul", in: ["x", "W"], out: ["h"] },
        { op: "Add", in: ["h", "b"] },
      ],
    });
    const model = given({ frozen: ["b"] }, bytes);
    const { end } = await trained({ model });
    const made = model.written(await frozenWeights(engine, model, end.variables));
    const reading = readingOf(made);
    expect(await checkReading(reading, made, { engine })).toMatchObject({ open: [], whole: true });
    const [W, b] = ["W", "b"].map((name) => reading.tensors.get(name) as Tensor);
    expect([W.dtype, ...b.data]).toEqual(["float64", 0.1, 0.2, 1 / 3]);
    expect(toFloat64(W)).toEqual(Float64Array.from(end.variables.params["W/weight"].data as Float32Array));
    expect(Math.abs(Number(W.data[0]) - start[0])).toBeGreaterThan(1e-4);
  });

  it("goes on from a checkpoint through the same numbers", async () => {
    const method = () => buildMethod({ name: "clip", weight: 0.01 });
    const { events, end } = await trained({ method: method(), epochs: 3 });
    const first = events.find((e) => e.kind === "epoch");
    if (first?.kind !== "epoch") throw new Error("no epoch");
    const { end: again } = await trained({ method: method(), epochs: 3, resume: first.checkpoint });
    expect(again.variables).toEqual(end.variables);
  });

  it("has one given softplus for each ReLU under softplus-decay", async () => {
    const method = buildMethod({ name: "softplus-decay", beta: 3 });
    const soft = given().inFamily(method.family as Family);
    const { end } = await trained({ method });
    const bytes = soft.written(await frozenWeights(engine, soft, end.variables));
    const [y] = parseOnnx(bytes).build([input("features", [1, 4])]);
    const found = topological([y]).filter((node) => node.op.name === "CenteredSoftplus");
    expect(found.map(({ attrs }) => attrs)).toEqual([{ beta: 3 }]);
  });

  const specs: readonly MethodSpec[] = (
    [
      "plain",
      "clip",
      "lmt",
      "grad-reg",
      "cure",
      "adversarial",
      "weight-decay",
      "weight-penalty",
    ] as const satisfies MethodName[]
  ).map((name) => ({ name }));
  it.each(specs)("is trained by $name", async (spec) => {
    const { events } = await trained({
      method: buildMethod(spec),
      epochs: 4,
      schedule: constantRate(0.01),
    });
    const losses = events.flatMap((e) => (e.kind === "epoch" ? [e.testLoss] : []));
    expect(losses.at(-1)).toBeLessThan(losses[0]);
  });

  it("decays weights, not biases or scales", () => {
    const { decay } = weightDecay({ decay: 0.1 }) as Required<Method>;
    const names = Object.keys(given().init(random(0), [4]).params);
    expect(names.filter((name) => decay(name) > 0)).toEqual(["fc1.weight/weight", "fc2.weight/weight"]);
  });

  it("has the constants of its nodes in lmt, lower after it", async () => {
    const norm = (bytes: Uint8Array) => Math.hypot(...toFloat64(readingOf(bytes).tensors.get("fc2.weight") as Tensor));
    const made = async (method: Method) => {
      const model = given({ frozen: ["fc1", "bn"] });
      const { end } = await trained({ model, method, epochs: 5, schedule: constantRate(0.02) });
      return model.written(await frozenWeights(engine, model, end.variables));
    };
    const [bounded, free] = [await made(lmt({ c: 2, ramp: 0 })), await made(plain())];
    expect(norm(bounded)).toBeLessThan(0.9 * norm(free));
  });

  it("is softened by lcnn: every ReLU is a centred softplus of its own beta, and batch-norms are capped", async () => {
    const method = buildMethod({ name: "lcnn", betaWeight: 0.02, gammaWeight: 2 });
    const soft = given().inFamily(method.family as Family);
    const { params } = soft.init(random(0), [4]);
    expect(Object.keys(params).slice(6)).toEqual(["net/relu/soft/logBeta", "bn.weight/logGamma"]);
    // 2 / sqrt(1 + 1e-5) is the largest slope of the batch-norm: nothing is capped at first.
    expect(Math.exp(Number(params["bn.weight/logGamma"].data[0]))).toBeCloseTo(2, 4);
    const rows = [5.1, 3.5, 1.4, 0.2, 7, 3.2, 4.7, 1.4];
    const bytesOf = async (variables: Variables) => soft.written(await frozenWeights(engine, soft, variables));
    const begun = outputsOf(await bytesOf({ params, state: {} }), rows, 2);
    outputsOf(retrofitModel(), rows, 2).forEach((v, i) => {
      expect(Math.abs(begun[i] - v)).toBeLessThan(0.02);
    });
    const { end } = await trained({ method, epochs: 20, schedule: constantRate(0.01) });
    const bytes = await bytesOf(end.variables);
    const reading = readingOf(bytes);
    expect(await checkReading(reading, bytes, { engine })).toMatchObject({ open: [] });
    const x = input("features", [2, 4]);
    const [y] = reading.network.build([x]);
    const [bent] = topological([y]).filter((node) => node.op.name === "CenteredSoftplus");
    const { beta } = bent.attrs as { readonly beta: number };
    expect(beta).toBeLessThan(20);
    expect(beta).toBeCloseTo(Math.exp(Number(end.variables.params["net/relu/soft/logBeta"].data[0])) + 1e-3, 4);
    // The cap is in the numbers of the scale.
    const [scale, variance] = ["bn.weight", "bn.var"].map((name) => toFloat64(reading.tensors.get(name) as Tensor));
    const stretch = Math.max(...scale.map((v, i) => Math.abs(v) / Math.sqrt(variance[i] + 1e-5)));
    const cap = Math.exp(Number(end.variables.params["bn.weight/logGamma"].data[0]));
    expect(stretch).toBeLessThan(cap * (1 + 1e-5));
    expect(cap).toBeLessThan(2);
    // What the loop froze is what the file computes.
    const own = input("x", [2, 4]);
    const logits = toFloat64(evaluate({ y: end.network.build([own])[0] }, { x: tensor(rows, [2, 4]) }).y);
    const made = outputsOf(bytes, rows, 2);
    for (const k of [0, 1])
      expect(Math.log(made[3 * k] / made[3 * k + 1])).toBeCloseTo(logits[3 * k] - logits[3 * k + 1], 4);
    const [old, now] = [retrofitModel(), bytes].map((b) => fromBinary(ModelProtoSchema, b).graph?.node ?? []);
    const others = now.filter(({ name }) => !/^net\/relu/.test(name));
    expect(others).toEqual(old.filter(({ opType }) => opType !== "Relu"));
    expect(now.filter(({ name }) => name === "net/relu").map((n) => [n.opType, n.output])).toEqual([["Div", ["h3"]]]);
  });

  it("softens a leaky ReLU as a line and the rest, in training and in the file", async () => {
    const bytes = modelOf({
      inputs: { x: ["N", 4] },
      tensors: {
        W: tensor(
          Array.from({ length: 12 }, (_, i) => Math.sin(i + 1)),
          [4, 3],
        ),
      },
      nodes: [
        { op: "MatMul", in: ["x", "W"], out: ["h"] },
        { op: "LeakyRelu", name: "leak", in: ["h"], attributes: { alpha: { float: 0.2 } } },
      ],
    });
    const method = buildMethod({ name: "lcnn", betaWeight: 0.02, gammaWeight: 2 });
    const soft = given({}, bytes).inFamily(method.family as Family);
    const { params } = soft.init(random(0), [4]);
    expect(Object.keys(params)).toContain("leak/soft/logBeta");
    const made = soft.written(await frozenWeights(engine, soft, { params, state: {} }));
    const reading = readingOf(made);
    expect(await checkReading(reading, made, { engine })).toMatchObject({ open: [] });
    const rows = [0.5, -1, 0.2, 1, -2, 0.3, 1, -0.4];
    const [hard, bent] = [bytes, made].map((b) => outputsOf(b, rows, 2));
    bent.forEach((v, i) => {
      expect(Math.abs(v - hard[i])).toBeLessThan(0.03);
    });
    const [y] = reading.network.build([input("x", [2, 4])]);
    expect(topological([y]).some((node) => node.op.name === "CenteredSoftplus")).toBe(true);
    // The slope stays between alpha and 1.
    const one = async (network: typeof reading.network) =>
      (await lipschitz(network, { engine, methods: ["autolip"] })).upper?.value;
    expect(await one(reading.network)).toBeCloseTo((await one(readingOf(bytes).network)) ?? 0, 5);
  });

  it("says what does not go", async () => {
    const none = modelOf({ inputs: { x: [1, 4] }, nodes: [{ op: "Relu", in: ["x"] }] });
    expect(() => given({}, none)).toThrow(
      new UsageError(
        "net.onnx: there must be floating-point initialisers to train, got none: it has no floating-point initialisers",
      ),
    );
    expect(() => given({ frozen: ["fc3"] })).toThrow(
      'net.onnx: no initialiser is called "fc3"; there are fc1.weight, fc1.bias',
    );
    expect(() => given({ frozen: ["*"] })).toThrow(
      "net.onnx: something must be left to train, got all 6 initialisers frozen",
    );
    expect(() => given({ sample: [5] })).toThrow("net.onnx: samples must fit its input [N,4], got [5]");
    const two = modelOf({
      inputs: { x: ["N", 4] },
      tensors: { W: zeros([4, 3]) },
      nodes: [
        { op: "MatMul", in: ["x", "W"], out: ["y"] },
        { op: "Relu", in: ["y"], out: ["z"] },
      ],
      outputs: ["y", "z"],
    });
    expect(() => given({}, two)).toThrow("net.onnx: a network that is trained must have one output, got y, z");
    const smooth = modelOf({
      inputs: { x: ["N", 4] },
      tensors: { W: zeros([4, 3]) },
      nodes: [
        { op: "MatMul", in: ["x", "W"], out: ["h"] },
        { op: "Tanh", in: ["h"] },
      ],
    });
    await expect(trained({ model: given({}, smooth), method: lcnn() })).rejects.toThrow(
      "net.onnx: must have a Relu or LeakyRelu that low-curvature layers soften, got none",
    );
    const mixed = modelOf({
      inputs: { x: ["N", 4] },
      tensors: { W: zeros([4, 3]) },
      nodes: [
        { op: "ReduceMean", name: "mix", in: ["x"], out: ["m"], attributes: { axes: [0], keepdims: 1 } },
        { op: "Sub", in: ["x", "m"], out: ["c"] },
        { op: "MatMul", in: ["c", "W"] },
      ],
    });
    expect(() => given({}, mixed)).toThrow(
      /net\.onnx: samples of a batch must not act on each other, and they do: node (mix|Sub)/,
    );
    await expect(trained({ method: lbdn() })).rejects.toThrow(
      "net.onnx: a network that is there keeps its layers, and sandwich layers are others; train one from the start (--model), or take another method",
    );
  });
});
