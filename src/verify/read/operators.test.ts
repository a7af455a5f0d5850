import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { bytesOf, engine, points } from "../../../test/certificates.ts";
import { type ModelOf, modelOf } from "../../../test/model.ts";
import { logitsOf } from "../../certify/evaluate.ts";
import { convnet } from "../../models/convnet.ts";
import {
  AttributeProtoSchema,
  type GraphProto,
  ModelProtoSchema,
  NodeProtoSchema,
  TensorProtoSchema,
} from "../../onnx/proto.ts";
import { parseOnnx } from "../../onnx/read.ts";
import { tensor } from "../../tensor/tensor.ts";
import { runOn } from "../proof/run.ts";
import { runAtOnce } from "../task.ts";
import { readProgram } from "../verify.ts";

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
  const ours = runAtOnce(runOn(readProgram(changed, {}, shape), data.x)).outputs;
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

/** A model whose output has the type and the shape of its input. */
function declared(m: ModelOf): Uint8Array {
  const model = fromBinary(ModelProtoSchema, modelOf(m));
  const { input, output } = model.graph as GraphProto;
  output[0].type = input[0].type;
  return toBinary(ModelProtoSchema, model);
}

describe("readNode()", () => {
  it.each(["SAME_UPPER", "SAME_LOWER"])("pads a convolution as the engine does: %s", async (word) => {
    const { ours, theirs } = await both((graph) => {
      const node = convolution(graph);
      node.attribute = [...node.attribute.filter((a) => a.name !== "pads"), text("auto_pad", word)];
    });
    near(ours, theirs);
  });

  it("refuses a pool that is padded by its effect and dilated: runtimes differ in it", async () => {
    const bytes = declared({
      inputs: { x: [1, 1, 8] },
      nodes: [{ op: "MaxPool", in: ["x"], attributes: { auto_pad: "SAME_UPPER", dilations: [2], kernel_shape: [3] } }],
    });
    expect(() => readProgram(bytes, {}, [1, 8])).toThrow(/means one thing in the standard and another in runtimes/);
  });

  it("takes no gate whose argument is shifted by numbers that cancel in doubles", async () => {
    // shift - mean scale / sqrt(variance) is 0 in doubles, and 2^-23 in truth.
    const statistics = (shift: number, mean: number): ModelOf => ({
      inputs: { x: [1, 2] },
      nodes: [
        { op: "BatchNormalization", in: ["x", "s", "b", "m", "v"], out: ["n"], attributes: { epsilon: { float: 0 } } },
        { op: "Sigmoid", in: ["n"], out: ["g"] },
        { op: "Mul", in: ["x", "g"] },
      ],
      tensors: {
        s: tensor([1, 1]),
        b: tensor([shift, shift]),
        m: tensor([mean, mean]),
        v: tensor([1, 1]),
      },
    });
    expect(() => readProgram(declared(statistics(0, 0)), {}, [2])).not.toThrow();
    expect(() => readProgram(declared(statistics(3, 3)), {}, [2])).toThrow(/multiply with a constant/);
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

  it("slices forward and backward, a constant and what varies", async () => {
    const whole = (graph: GraphProto, name: string, values: readonly bigint[]) => {
      const rawData = new Uint8Array(BigInt64Array.from(values).buffer);
      graph.initializer.push(create(TensorProtoSchema, { name, dataType: 7, dims: [BigInt(values.length)], rawData }));
      return name;
    };
    const sliced = (starts: readonly bigint[], ends: readonly bigint[], steps: readonly bigint[], of: 0 | 1) =>
      both((graph) => {
        const node = convolution(graph);
        const lists = { starts, ends, axes: [2n, 3n], steps };
        const names = Object.entries(lists).map(([name, values]) => whole(graph, name, values));
        const slice = { opType: "Slice", name: "slice", input: [node.input[of], ...names], output: ["sliced"] };
        graph.node.splice(graph.node.indexOf(node), 0, create(NodeProtoSchema, slice));
        node.input[of] = "sliced";
      });
    const last = -(2n ** 63n);
    for (const of of [0, 1] as const) {
      for (const [starts, ends, steps] of [
        [
          [-1n, -1n],
          [-100n, last],
          [-1n, -1n],
        ],
        [
          [100n, 0n],
          [last, 100n],
          [-1n, 1n],
        ],
      ] as const) {
        const { ours, theirs } = await sliced(starts, ends, steps, of);
        near(ours, theirs);
      }
    }
    await expect(sliced([0n, 0n], [9n, 9n], [0n, 1n], 0)).rejects.toThrow(/whole steps/);
  });

  it("slices every second number, backward from anywhere", async () => {
    const results = await both((graph) => {
      const [first] = graph.node;
      const lists = { starts: [5n, 4n], ends: [-7n, 0n], axes: [2n, 3n], steps: [-2n, -3n] };
      for (const [name, values] of Object.entries(lists)) {
        const rawData = new Uint8Array(BigInt64Array.from(values).buffer);
        graph.initializer.push(create(TensorProtoSchema, { name, dataType: 7, dims: [2n], rawData }));
      }
      const pads = new BigInt64Array([0n, 0n, 2n, 2n, 0n, 0n, 2n, 2n]);
      graph.initializer.push(
        create(TensorProtoSchema, { name: "pads", dataType: 7, dims: [8n], rawData: new Uint8Array(pads.buffer) }),
      );
      const input = [first.input[0], ...Object.keys(lists)];
      const nodes = [
        { opType: "Slice", name: "slice", input, output: ["sliced"] },
        { opType: "Pad", name: "pad", input: ["sliced", "pads"], output: ["padded"] },
      ].map((node) => create(NodeProtoSchema, node));
      first.input[0] = "padded";
      graph.node.unshift(...nodes);
    });
    near(results.ours, results.theirs);
  });
});
