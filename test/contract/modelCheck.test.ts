/** @file A file held against the runtime: it agrees where it is read right, and what is planted in the reading is found, with the node. */
import { readdirSync, readFileSync } from "node:fs";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { checkModel, checkReading, type ModelCheck } from "../../src/check/model.ts";
import { bitsOfHalf } from "../../src/engine/narrow.ts";
import { ModelProtoSchema, TensorProtoSchema } from "../../src/onnx/proto.ts";
import { readingOf } from "../../src/onnx/read.ts";
import { DisagreementError, UnsupportedOperatorError } from "../../src/tensor/errors.ts";
import { normalTensor, random } from "../../src/tensor/random.ts";
import { type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { type ModelOf, modelOf, type NodeOf, tensorProto } from "../model.ts";
import { hasShared, sharedData } from "../shared.ts";
import { testEngine } from "../testEngine.ts";

const engine = testEngine({ threads: 1 });
const r = random(12);
const weights = (...shape: readonly number[]): Tensor => normalTensor(r, shape, 0.5);

/** A small network of everything that is altered below. */
const convnet: ModelOf = {
  inputs: { x: ["batch", 3, 8, 8] },
  tensors: {
    k: weights(4, 3, 3, 3),
    b: weights(4),
    scales: tensor([1, 1, 0.5, 0.5], [4]),
    w: weights(64, 64),
    c: weights(64),
    v: weights(64, 5),
    to: tensor([0, -1], [2], "int64"),
  },
  nodes: [
    { op: "Conv", name: "conv", in: ["x", "k", "b"], out: ["h0"], attributes: { pads: [1, 1, 1, 1] } },
    { op: "LeakyRelu", name: "leaky", in: ["h0"], out: ["h1"], attributes: { alpha: { float: 0.1 } } },
    {
      op: "Resize",
      name: "resize",
      in: ["h1", "", "scales"],
      out: ["h2"],
      attributes: { mode: "nearest", nearest_mode: "floor", coordinate_transformation_mode: "asymmetric" },
    },
    { op: "Reshape", name: "flat", in: ["h2", "to"], out: ["h3"] },
    { op: "MatMul", name: "dense", in: ["h3", "w"], out: ["h4"] },
    { op: "Add", name: "shift", in: ["h4", "c"], out: ["h5"] },
    { op: "Relu", name: "relu", in: ["h5"], out: ["h6"] },
    { op: "Sigmoid", name: "gate", in: ["h6"], out: ["h7"] },
    { op: "Mul", name: "gated", in: ["h6", "h7"], out: ["h8"] },
    { op: "MatMul", name: "last", in: ["h8", "v"], out: ["h9"] },
    { op: "Softmax", name: "soft", in: ["h9"], out: ["y"], attributes: { axis: -1 } },
  ],
};

/** The same network with one node, or one tensor, altered. */
const altered = (name: string, change: object): ModelOf => ({
  ...convnet,
  nodes: convnet.nodes.map((node) => (node.name === name ? { ...node, ...change } : node)),
});
const reweighed = (name: string, value: Tensor): ModelOf => ({
  ...convnet,
  tensors: { ...convnet.tensors, [name]: value },
});

function transposed({ data }: Tensor, n: number): Tensor {
  return tensor(
    Float64Array.from(data as Float32Array, (_, i) => Number(data[(i % n) * n + Math.floor(i / n)])),
    [n, n],
  );
}

const halves = ({ data }: Tensor): Uint8Array =>
  new Uint8Array(Uint16Array.from(data as Float32Array, bitsOfHalf).buffer);

const bytes = modelOf(convnet);
const held = (other: ModelOf): Promise<ModelCheck> => checkReading(readingOf(modelOf(other)), bytes, { engine });

describe("checkModel()", () => {
  it("says what it held against the runtime", async () => {
    const { nodes, open, batches, runtime } = await checkModel(bytes, { engine });
    expect({ nodes, open, batches, runtime }).toEqual({ nodes: 11, open: [], batches: [1, 3], runtime: engine.name });
  });

  const first = convnet.tensors?.w as Tensor;
  const nudged = tensor(
    Float64Array.from(first.data as Float32Array, (v, i) => (i === 77 ? v * 1.01 + 0.001 : v)),
    first.shape,
  );
  const planted: readonly (readonly [string, string, ModelOf])[] = [
    ["a dropped node", "relu", altered("relu", { op: "Identity" })],
    ["a gate that is dropped", "gate", altered("gate", { op: "Identity" })],
    ["a wrong pad", "conv", altered("conv", { attributes: { pads: [0, 0, 2, 2] } })],
    ["a wrong slope", "leaky", altered("leaky", { attributes: { alpha: { float: 0.102 } } })],
    [
      "another rounding of Resize",
      "resize",
      altered("resize", {
        attributes: { mode: "nearest", nearest_mode: "ceil", coordinate_transformation_mode: "half_pixel" },
      }),
    ],
    ["a transposed weight", "dense", reweighed("w", transposed(first, 64))],
    ["one weight of 4,096 that is off", "dense", reweighed("w", nudged)],
    ["another axis", "soft", altered("soft", { attributes: { axis: 0 } })],
    ["a sum that is a difference", "shift", altered("shift", { op: "Sub" })],
    ["another function", "gate", altered("gate", { op: "HardSigmoid" })],
  ];

  it.each(planted)("finds %s, at node %s", async (_, node, other) => {
    const found = await held(other).catch((error: unknown) => error);
    expect(found).toBeInstanceOf(DisagreementError);
    expect((found as DisagreementError).node).toBe(node);
    expect((found as DisagreementError).message).toContain("--no-check takes the graph as it was read");
  });

  it("finds with data what normal numbers hide", async () => {
    const clip = (max: number): ModelOf => ({
      inputs: { x: ["n", 2] },
      tensors: { a: tensor([-100], []), b: tensor([max], []) },
      nodes: [{ op: "Clip", name: "clip", in: ["x", "a", "b"] }],
    });
    const reading = () => readingOf(modelOf(clip(200)));
    await expect(checkReading(reading(), modelOf(clip(100)), { engine })).resolves.toMatchObject({ nodes: 1 });
    const points = Float64Array.of(150, 3, 10, 20);
    await expect(checkReading(reading(), modelOf(clip(100)), { engine, points })).rejects.toThrow(/node "clip"/);
  });

  it("finds a constant of integers that is another one, however small the difference", async () => {
    const model = (d: number): Uint8Array =>
      modelOf({
        inputs: { x: [1, 2] },
        tensors: { a: tensor([1000, d], [2], "int64"), at: tensor([1], [1], "int64") },
        nodes: [
          { op: "Gather", name: "pick", in: ["a", "at"], out: ["g"] },
          { op: "Cast", name: "number", in: ["g"], out: ["c"], attributes: { to: 1 } },
          { op: "Mul", name: "times", in: ["x", "c"] },
        ],
      });
    await expect(checkReading(readingOf(model(3)), model(2), { engine })).rejects.toThrow(
      /node "pick".*is 2, read as 3/,
    );
  });

  it("leaves to rounding what rounding does: sums that cancel, and large ones", async () => {
    const model = modelOf({
      inputs: { x: ["n", 4] },
      tensors: { big: tensor([2 ** 30], [1]), wide: weights(4, 2000), back: weights(2000, 3) },
      nodes: [
        { op: "Add", in: ["x", "big"], out: ["up"] },
        { op: "Sub", in: ["up", "big"], out: ["down"] },
        { op: "Add", in: ["down", "x"], out: ["sum"] },
        { op: "MatMul", in: ["sum", "wide"], out: ["h"] },
        { op: "MatMul", in: ["h", "back"] },
      ],
    });
    await expect(checkModel(model, { engine })).resolves.toMatchObject({ nodes: 5, open: [] });
  });

  it.each(["initialiser", "node"])(
    "takes a mask of -Infinity that only a Where chooses, written as a constant %s",
    async (form) => {
      const mask = tensor(new Float32Array([Number.NEGATIVE_INFINITY]), [1]);
      const bytes = modelOf({
        inputs: { x: ["n", 3] },
        tensors: {
          w: weights(3, 3),
          keep: tensor(Uint8Array.of(1, 0, 1), [3], "bool"),
          ...(form === "initialiser" && { mask }),
        },
        nodes: [
          { op: "MatMul", in: ["x", "w"], out: ["z"] },
          ...(form === "node" ? [{ op: "Constant", in: [], out: ["mask"], attributes: { value: mask } }] : []),
          { op: "Where", in: ["keep", "z", "mask"], out: ["m"] },
          { op: "Softmax", in: ["m"], attributes: { axis: -1 } },
        ],
      });
      // Of what infinite numbers are rounded to nothing is known; but that they differ is not said.
      const { open } = await checkModel(bytes, { engine });
      expect(open).toContain("Softmax that makes y");
    },
  );

  it("takes a model of halves, with the rounding that they have", async () => {
    const half = 10;
    const model = modelOf({
      type: half,
      inputs: { x: ["n", 30] },
      tensors: { w: { ...tensorProto("w", weights(30, 40)), dataType: half, rawData: halves(weights(30, 40)) } },
      nodes: [
        { op: "MatMul", in: ["x", "w"], out: ["h"] },
        { op: "Tanh", in: ["h"], out: ["t"] },
        { op: "Softmax", in: ["t"] },
      ],
    });
    await expect(checkModel(model, { engine })).resolves.toMatchObject({ nodes: 3, open: [] });
  });

  it("says that the runtime does not take a file, and what to do", async () => {
    const double = 11;
    const model = modelOf({ type: double, inputs: { x: [1, 2, 3, 3] }, nodes: [{ op: "GlobalMaxPool", in: ["x"] }] });
    const refused = await checkModel(model, { engine, name: "wide.onnx" }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(DisagreementError);
    expect((refused as Error).message).toMatch(/^wide\.onnx: the runtime does not take the file: .*--no-check/);
  });

  it("refuses a model that is random before it runs it", async () => {
    const model = modelOf({
      inputs: { x: [1, 3] },
      nodes: [
        { op: "RandomNormalLike", in: ["x"], out: ["r"] },
        { op: "Add", in: ["x", "r"] },
      ],
    });
    await expect(checkModel(model, { engine })).rejects.toThrow(UnsupportedOperatorError);
  });

  it("stops where the time is over, and says of which nodes nothing is known", async () => {
    const wide = modelOf({
      inputs: { x: [1, 3000] },
      tensors: { w: weights(3000, 6000), v: weights(6000, 2) },
      nodes: [
        { op: "MatMul", name: "wide", in: ["x", "w"], out: ["h"] },
        { op: "Relu", name: "relu", in: ["h"], out: ["a"] },
        { op: "MatMul", name: "last", in: ["a", "v"] },
      ],
    });
    await expect(checkModel(wide, { engine })).resolves.toMatchObject({
      nodes: 3,
      open: [],
      batches: [1],
      whole: true,
    });
    // The clock is over when it is asked for the n-th time.
    const stopped = async (n: number) => {
      let asked = 0;
      const clock = { now: () => (asked++ < n ? 0 : 1e9), spend() {} };
      const { batches, open, whole } = await checkModel(wide, { engine, seconds: 100, clock });
      return { batches, open, whole };
    };
    expect(await stopped(1)).toEqual({ batches: [], open: ["wide", "relu", "last"], whole: false });
    expect(await stopped(2)).toEqual({ batches: [1], open: ["wide"], whole: false });
    expect(await stopped(3)).toEqual({ batches: [1], open: [], whole: false });
    expect(await stopped(4)).toEqual({ batches: [1], open: [], whole: true });
    // What costs next to nothing is looked at whatever the clock says.
    await expect(checkModel(bytes, { engine, seconds: 0 })).resolves.toMatchObject({ nodes: 11, open: [] });
  });

  it("refuses a product of which the runtime rounds a factor to few bits, and says that this is why", async () => {
    const source = random(4);
    const few = (dims: readonly number[]) => {
      const rawData = Uint8Array.from({ length: dims.reduce((n, d) => n * d, 1) }, () => source.integer(256));
      return create(TensorProtoSchema, { dataType: 3, dims: dims.map(BigInt), rawData });
    };
    const weight = { op: "DequantizeLinear", in: ["w", "s"], out: ["f"] };
    const held = (product: NodeOf, x: readonly (number | string)[], w: readonly number[]) => {
      const tensors = { w: few(w), s: tensor([0.01], []) };
      return checkModel(modelOf({ inputs: { x }, tensors, nodes: [weight, product] }), { engine });
    };
    const reason = /DequantizeLinear.*rounds the other factor to 8 bits.*store the weights as floats/;
    await expect(held({ op: "MatMul", in: ["x", "f"] }, ["n", 64], [64, 8])).rejects.toThrow(reason);
    await expect(held({ op: "Gemm", in: ["x", "f"] }, ["n", 64], [64, 8])).rejects.toThrow(reason);
    // Where it computes with the floats that they stand for, so do we.
    await expect(held({ op: "MatMul", in: ["f", "x"] }, [64, 3], [8, 64])).resolves.toMatchObject({ open: [] });
    await expect(held({ op: "Conv", in: ["x", "f"] }, ["n", 2, 5, 5], [4, 2, 3, 3])).resolves.toMatchObject({
      open: [],
    });
  });

  it("takes an input that is an output as it is, alone and beside others", async () => {
    const inputs = { x: ["n", 3] };
    const alone = modelOf({ inputs, nodes: [], outputs: ["x"] });
    await expect(checkModel(alone, { engine })).resolves.toMatchObject({ nodes: 0, open: [], whole: true });
    const beside = modelOf({ inputs, nodes: [{ op: "Relu", in: ["x"] }], outputs: ["x", "y"] });
    await expect(checkModel(beside, { engine })).resolves.toMatchObject({ nodes: 1, open: [], whole: true });
  });

  it("takes weights that lie beside the model", async () => {
    const model = fromBinary(
      ModelProtoSchema,
      modelOf({
        inputs: { x: ["n", 2] },
        tensors: { w: weights(2, 2) },
        nodes: [{ op: "MatMul", in: ["x", "w"] }],
      }),
    );
    const proto = model.graph?.initializer[0];
    if (!proto) throw new Error("no weight");
    const beside = proto.rawData;
    proto.rawData = new Uint8Array();
    proto.dataLocation = 1;
    proto.externalData = [{ $typeName: "onnx.StringStringEntryProto", key: "location", value: "w.bin" }];
    const external = (): Uint8Array => beside;
    await expect(checkModel(toBinary(ModelProtoSchema, model), { engine, external })).resolves.toMatchObject({
      nodes: 1,
    });
  });
});

const models = (folder: string): string[] =>
  readdirSync(sharedData + folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".onnx"))
    .map((file) => `${folder}/${file}`);

describe.skipIf(!hasShared("onnx"))("checkModel() on real networks", () => {
  it.each(hasShared("onnx") ? models("onnx") : [])("%s agrees", async (path) => {
    const checked = checkModel(readFileSync(sharedData + path), { engine, name: path });
    // What it computes is random.
    if (path.endsWith("dropout_training_mode_true.onnx")) await expect(checked).rejects.toThrow(/random/);
    else await expect(checked).resolves.toMatchObject({ open: [] });
  });
});

describe.skipIf(!hasShared("reports"))("checkModel() on models that were read wrongly once", () => {
  // Files that ask for more memory than there is are for other tests.
  const bombs = /(outer|pad|input_big)\.onnx$/;
  it.each((hasShared("reports") ? models("reports") : []).filter((path) => !bombs.test(path)))("%s", async (path) => {
    const checked = checkModel(readFileSync(sharedData + path), { engine, name: path });
    // The runtime multiplies weights in few bits by activations in few bits, which the file does not say.
    if (path.endsWith("k_qweights.onnx")) await expect(checked).rejects.toThrow(/the runtime rewrites the graph/);
    else await expect(checked).resolves.toHaveProperty("open");
  });
});

describe.skipIf(!hasShared("node-tests"))("checkModel() on ONNX's operator tests", () => {
  it("agrees with every one that is read", async () => {
    const folder = `${sharedData}node-tests/`;
    const cases = readdirSync(folder).filter((name) => name.startsWith("test_"));
    const refused: string[] = [];
    for (const name of cases) {
      const model = fromBinary(ModelProtoSchema, readFileSync(`${folder}${name}/model.onnx`));
      const graph = model.graph as NonNullable<typeof model.graph>;
      for (const o of model.opsetImport) if (o.version < 6n) o.version = 6n;
      // All but the first input are known, as they are in a network.
      graph.input.forEach(({ name: value }, k) => {
        if (k === 0) return;
        const proto = readFileSync(`${folder}${name}/test_data_set_0/input_${k}.pb`);
        graph.initializer.push({ ...fromBinary(TensorProtoSchema, proto), name: value });
      });
      const checked = await checkModel(toBinary(ModelProtoSchema, model), { engine, name }).catch((e: unknown) => e);
      if (checked instanceof UnsupportedOperatorError) refused.push(name);
      else if (checked instanceof Error) throw checked;
    }
    expect(cases.length).toBe(334);
    expect(refused.length).toBeLessThanOrEqual(6);
  });
});
