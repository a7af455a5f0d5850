/** @file Tests of freeze.ts, over the models: equal outputs in every form, and plain operators in the file. */
import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { build, movedVariables } from "../../test/runs.ts";
import type { Engine } from "../engine/engine.ts";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { batchNorm } from "../layers/batchNorm.ts";
import { dense } from "../layers/dense.ts";
import type { Layer } from "../layers/layer.ts";
import { sequential } from "../layers/sequential.ts";
import { ModelProtoSchema } from "../onnx/proto.ts";
import { writeModel } from "../onnx/write.ts";
import { ShapeError } from "../tensor/errors.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, type DType, type Tensor, toFloat64 } from "../tensor/tensor.ts";
import { convnet } from "./convnet.ts";
import { freeze } from "./freeze.ts";
import { mlp } from "./mlp.ts";
import { resnet } from "./resnet.ts";

const engine = nodeEngine();
const image = [1, 10, 10];

const rows: readonly { name: string; model: Layer; operators: readonly string[] }[] = [
  { name: "mlp", model: mlp([100, 12, 8, 4]), operators: ["Add", "MatMul", "Relu", "Reshape"] },
  {
    name: "mlp with tanh",
    model: mlp([100, 12, 4], { activation: "tanh" }),
    operators: ["Add", "MatMul", "Reshape", "Tanh"],
  },
  {
    name: "convnet",
    model: convnet(4, { channels: [3, 5], hidden: 6 }),
    operators: ["Add", "Conv", "MatMul", "Relu", "Reshape"],
  },
  {
    name: "convnet with pooling and batch-norm",
    model: convnet(4, { channels: [3, 5], hidden: 6, shrink: "pool", batchNorm: true }),
    operators: ["Add", "Conv", "MatMul", "MaxPool", "Relu", "Reshape"],
  },
  {
    name: "resnet",
    model: resnet(4, { channels: [3, 5], blocks: 2 }),
    operators: ["Add", "Conv", "GlobalAveragePool", "MatMul", "Relu", "Reshape"],
  },
];

/** The frozen network on a batch, by the reference or an engine. */
async function outputs(network: Network, x: Tensor, by?: Engine): Promise<Float64Array> {
  const [output] = network.build([input("input", x.shape, x.dtype)]);
  if (!by) return toFloat64(evaluate({ output }, { input: x }).output);
  const program = await by.compile({ output });
  const results = await program.run({ input: x });
  await program.dispose();
  return toFloat64(results.output);
}

/** As a part of the largest number of b. */
function largestDifference(a: Float64Array, b: Float64Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((worst, v, i) => Math.max(worst, Math.abs(v - b[i])), 0) / Math.max(...b.map(Math.abs));
}

describe.each(rows)("freeze(): $name", ({ model, operators }) => {
  const r = random(3);
  const variables = movedVariables(model, r, image);
  const batchOf = (n: number, dtype: DType = "float32") => cast(normalTensor(r.fork(n), [n, ...image]), dtype);
  const frozen = freeze(engine, model, variables, image);

  it("is the model in evaluation, at every batch size", async () => {
    for (const n of [1, 3, 8]) {
      const { y, feeds } = build(model, variables, batchOf(n), "eval", r);
      const want = toFloat64(evaluate({ y }, feeds).y);
      expect(Math.max(...want.map(Math.abs))).toBeGreaterThan(0.1);
      // Stored weights are float32: the difference is the rounding of those that were computed.
      expect(largestDifference(await outputs(await frozen, batchOf(n)), want)).toBeLessThan(1e-5);
    }
  });

  it("computes in the dtype that it is built on", async () => {
    const x = batchOf(2, "float64");
    const network = await frozen;
    expect(network.build([input("input", x.shape, "float64")])[0].dtype).toBe("float64");
    expect(largestDifference(await outputs(network, x, engine), await outputs(network, x))).toBeLessThan(1e-12);
    const rounded = largestDifference(await outputs(network, batchOf(2), engine), await outputs(network, x));
    expect(rounded).toBeGreaterThan(0);
    expect(rounded).toBeLessThan(1e-5);
  });

  it("is written as plain operators, with a free batch", async () => {
    const network = await frozen;
    const [output] = network.build([input("input", [1, ...image])]);
    const bytes = writeModel({ output }, { batch: "batch" });
    const { graph } = fromBinary(ModelProtoSchema, bytes);
    expect([...new Set(graph?.node.map((n) => n.opType))].sort()).toEqual(operators);
    expect(new Set(graph?.node.map((n) => n.domain))).toEqual(new Set([""]));
    const program = await engine.load(bytes);
    const five = toFloat64((await program.run({ input: batchOf(5) })).output);
    expect(largestDifference(five, await outputs(network, batchOf(5)))).toBeLessThan(1e-5);
    for (let i = 0; i < 5; i++) {
      const one = { ...batchOf(1), data: batchOf(5).data.slice(100 * i, 100 * (i + 1)) };
      const alone = toFloat64((await program.run({ input: one })).output);
      expect(largestDifference(alone, five.slice(4 * i, 4 * (i + 1)))).toBeLessThan(1e-5);
    }
    await program.dispose();
  });
});

describe("freeze()", () => {
  it("keeps the bits of weights that are parameters, and says what goes in and out", async () => {
    const model = mlp([3, 2]);
    const { params, state } = model.init(random(1), [3]);
    const network = await freeze(engine, model, { params, state }, [3]);
    expect(network).toMatchObject({ name: "mlp", inputs: [{ name: "input", shape: ["batch", 3], dtype: "float32" }] });
    expect(network.outputs).toEqual(["output"]);
    const { graph } = fromBinary(ModelProtoSchema, writeModel({ output: network.build([input("input", [1, 3])])[0] }));
    const weight = graph?.initializer.find((t) => t.dims.join() === "3,2");
    const { data } = params["1/weight"];
    expect(weight?.rawData).toEqual(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  });

  it("computes folded weights in float64", async () => {
    const model = sequential([dense(3, { bias: false }), batchNorm()]);
    const variables = movedVariables(model, random(2), [4]);
    const network = await freeze(engine, model, variables, [4]);
    const { graph } = fromBinary(ModelProtoSchema, writeModel({ output: network.build([input("input", [1, 4])])[0] }));
    const raw = graph?.initializer.find((t) => t.dims.join() === "4,3")?.rawData as Uint8Array;
    const [w, scale] = [variables.params["0/weight"].data, variables.params["1/scale"].data];
    const variance = variables.state["1/variance"].data;
    const want = Float32Array.from({ length: 12 }, (_, i) => {
      const c = i % 3;
      return Number(w[i]) * (Number(scale[c]) / Math.sqrt(Number(variance[c]) + 1e-5));
    });
    expect(new Float32Array(raw.slice().buffer)).toEqual(want);
  });

  it("refuses samples of another shape", async () => {
    const model = mlp([4, 2]);
    const network = await freeze(engine, model, model.init(random(1), [2, 2]), [2, 2]);
    expect(() => network.build([input("input", [3, 4])])).toThrow("mlp: the input must be [batch,2,2], got [3,4]");
    await expect(freeze(engine, dense(2), dense(2).init(random(1), [4]), [2, 2])).rejects.toThrow(ShapeError);
  });
});
