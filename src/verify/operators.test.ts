import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { bytesOf, engine, points } from "../../test/certificates.ts";
import { logitsOf } from "../certify/evaluate.ts";
import { convnet } from "../models/convnet.ts";
import {
  AttributeProtoSchema,
  type GraphProto,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
} from "../onnx/proto.ts";
import { parseOnnx } from "../onnx/read.ts";
import { runOn } from "./run.ts";
import { readSteps } from "./verify.ts";
import { finish } from "./work.ts";

const shape = [2, 7, 6];
const data = points(shape, 4, 3);

const text = (name: string, value: string) =>
  create(AttributeProtoSchema, { name, type: 3, s: new TextEncoder().encode(value) });

/** A pooled convnet, changed, and what the checker and the engine make of it. */
async function both(change: (graph: GraphProto) => void) {
  const bytes = await bytesOf(convnet(3, { channels: [3], hidden: 4 }), shape);
  const model = fromBinary(ModelProtoSchema, bytes);
  if (model.graph) change(model.graph);
  const changed = toBinary(ModelProtoSchema, model);
  const ours = finish(runOn(readSteps(changed, {}, shape), data.x)).outputs;
  const theirs = await logitsOf(parseOnnx(changed), engine, data, { dtype: "float64" });
  return { ours, theirs: theirs.data };
}

function near(ours: Float64Array, theirs: Float64Array): void {
  expect(ours.length).toBe(theirs.length);
  ours.forEach((v, i) => {
    expect(Math.abs(v - theirs[i])).toBeLessThan(1e-12);
  });
}

const convolution = (graph: GraphProto) => {
  const found = graph.node.find((n) => n.opType === "Conv");
  if (!found) throw new Error("there is no convolution");
  return found;
};

describe("readNode()", () => {
  it.each(["SAME_UPPER", "SAME_LOWER"])("pads a convolution as the engine does: %s", async (word) => {
    const { ours, theirs } = await both((graph) => {
      const node = convolution(graph);
      node.attribute = [...node.attribute.filter((a) => a.name !== "pads"), text("auto_pad", word)];
    });
    near(ours, theirs);
  });

  it("pads by a node of its own, with any number", async () => {
    const results = await both((graph) => {
      const node = convolution(graph);
      const ints = new BigInt64Array([0n, 0n, 1n, 1n, 0n, 0n, 1n, 1n]);
      graph.initializer.push(
        create(TensorProtoSchema, { name: "pads", dataType: 7, dims: [8n], rawData: new Uint8Array(ints.buffer) }),
        create(TensorProtoSchema, {
          name: "fill",
          dataType: 1,
          dims: [],
          rawData: new Uint8Array(Float32Array.of(0.75).buffer),
        }),
      );
      const at = graph.node.indexOf(node);
      const pad = { opType: "Pad", name: "pad", input: [node.input[0], "pads", "fill"], output: ["padded"] };
      graph.node.splice(at, 0, create(NodeProtoSchema, pad));
      node.input[0] = "padded";
      node.attribute = node.attribute.filter((a) => a.name !== "pads");
    });
    near(results.ours, results.theirs);
  });
});
