/** @file ONNX's own operator tests: what is read computes what ONNX says, by the reference and by ONNX Runtime. */
import { readdirSync, readFileSync } from "node:fs";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, describe, expect, it } from "vitest";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { input } from "../../src/graph/leaf.ts";
import { type ModelProto, ModelProtoSchema, type TensorProto, TensorProtoSchema } from "../../src/onnx/proto.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { readTensor } from "../../src/onnx/tensors.ts";
import { mapNamed, type Named } from "../../src/tensor/named.ts";
import { sameShape, showShape } from "../../src/tensor/shape.ts";
import { cast, type Tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { hasShared, sharedData } from "../shared.ts";

const folder = `${sharedData}node-tests/`;
const there = hasShared("node-tests");
const engine = nodeEngine({ threads: 1 });

/** Tests of what is not ours, by name, with the reason. */
const skips: Readonly<Record<string, string>> = {
  test_maxpool_with_argmax_2d_precomputed_pads: "positions of maxima are not given",
  test_maxpool_with_argmax_2d_precomputed_strides: "positions of maxima are not given",
};

/** Inputs that say a shape, an axis, a scale: in a network they are known, so they are made initialisers here. */
const arguments_: Readonly<Record<string, readonly number[]>> = {
  ConstantOfShape: [0],
  Dropout: [1, 2],
  Expand: [1],
  Pad: [1, 2],
  ReduceSum: [1],
  Reshape: [1],
  Resize: [1, 2, 3],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Unsqueeze: [1],
  Upsample: [1],
};

const cases = there ? readdirSync(folder).filter((name) => name.startsWith("test_")) : [];
const ran = { reference: 0, engine: 0 };

describe.skipIf(!there)("readOnnx() on ONNX's operator tests", () => {
  it.each(cases.filter((name) => !(name in skips)))("%s", async (name) => {
    const { bytes, feeds: fed, expected } = open(name);
    const network = parseOnnx(bytes, { name });
    for (const wide of [false, true]) {
      // The same once more in float64: constants and casts follow the inputs.
      const feeds = wide ? mapNamed(fed, (t) => (t.dtype === "float32" ? cast(t, "float64") : t)) : fed;
      const nodes = network.build(network.inputs.map((p) => input(p.name, feeds[p.name].shape, feeds[p.name].dtype)));
      const outputs = Object.fromEntries(network.outputs.map((output, i) => [output, nodes[i]]));
      const program = await engine.compile(outputs);
      const used = Object.fromEntries(Object.keys(program.inputs).map((key) => [key, feeds[key]]));
      const float = Object.values(feeds).some((t) => t.dtype === "float64") ? "float64" : "float32";
      const want = mapNamed(expected, (t) => (t.dtype === "float32" ? cast(t, float) : t));
      compare(evaluate(outputs, used), want, nodes, network.outputs);
      ran.reference++;
      compare(await program.run(used), want, nodes, network.outputs);
      await program.dispose();
      ran.engine++;
    }
  });

  it.each(Object.entries(skips))("refuses %s: %s", (name) => {
    expect(() => parseOnnx(open(name).bytes, { name })).toThrow(/is not given/);
  });

  afterAll(() => {
    expect(cases.length).toBe(334);
    expect(ran).toEqual({ reference: 664, engine: 664 });
  });
});

// --- internal ---

function compare(
  got: Named<Tensor>,
  expected: Named<Tensor>,
  nodes: readonly Tensor_[],
  names: readonly string[],
): void {
  names.forEach((name, i) => {
    const [have, want] = [got[name], expected[name]];
    expect(showShape(have.shape)).toBe(showShape(want.shape));
    expect(nodes[i].dtype).toBe(want.dtype);
    expect(sameShape(nodes[i].shape, want.shape)).toBe(true);
    const [a, b] = [toFloat64(have), toFloat64(want)];
    const worst = a.reduce((most, v, k) => Math.max(most, Math.abs(v - b[k]) / Math.max(1, Math.abs(b[k]))), 0);
    expect(worst).toBeLessThan(2e-5);
  });
}

type Tensor_ = Pick<Tensor, "dtype" | "shape">;

function open(name: string) {
  const model = fromBinary(ModelProtoSchema, readFileSync(`${folder}${name}/model.onnx`));
  const graph = model.graph as NonNullable<ModelProto["graph"]>;
  // Six tests are stamped opset 1; the operators in them did not change until 6, where reading starts.
  for (const o of model.opsetImport) if (o.version < 6n) o.version = 6n;
  const places = arguments_[graph.node[0].opType] ?? [];
  const feeds: Record<string, Tensor> = {};
  graph.input.forEach(({ name: value }, k) => {
    const proto = tensorAt(name, `input_${k}`);
    if (places.includes(graph.node[0].input.indexOf(value))) graph.initializer.push({ ...proto, name: value });
    else feeds[value] = readTensor(proto);
  });
  const expected = graph.output.map((o, k) => [o.name, readTensor(tensorAt(name, `output_${k}`))]);
  return { bytes: toBinary(ModelProtoSchema, model), feeds, expected: Object.fromEntries(expected) as Named<Tensor> };
}

const tensorAt = (name: string, file: string): TensorProto =>
  fromBinary(TensorProtoSchema, readFileSync(`${folder}${name}/test_data_set_0/${file}.pb`));
