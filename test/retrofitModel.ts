/** @file A small network as somebody's exporter may have written it: names of its own, a batch-norm, a softmax at its end. For iris. */
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "../src/onnx/proto.ts";
import type { Random } from "../src/tensor/random.ts";
import { random } from "../src/tensor/random.ts";
import { type Tensor, tensor } from "../src/tensor/tensor.ts";
import { modelOf, type NodeOf } from "./model.ts";

const drawn = (r: Random, shape: readonly number[], deviation: number): Tensor =>
  tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => deviation * r.normal()),
    shape,
  );

export const nodes: readonly NodeOf[] = [
  { op: "MatMul", name: "net/fc1", in: ["features", "fc1.weight"], out: ["h0"] },
  { op: "Add", name: "net/fc1_bias", in: ["h0", "fc1.bias"], out: ["h1"] },
  { op: "BatchNormalization", name: "net/bn", in: ["h1", "bn.weight", "bn.bias", "bn.mean", "bn.var"], out: ["h2"] },
  { op: "Relu", name: "net/relu", in: ["h2"], out: ["h3"] },
  { op: "Gemm", name: "net/fc2", in: ["h3", "fc2.weight", "fc2.bias"], out: ["h4"], attributes: { transB: 1 } },
  { op: "Softmax", name: "net/softmax", in: ["h4"], out: ["probabilities"] },
];

/** The tensors of the network. */
export function tensors(seed = 0): Readonly<Record<string, Tensor>> {
  const r = random(seed);
  return {
    "fc1.weight": drawn(r, [4, 8], 0.4),
    "fc1.bias": drawn(r, [8], 0.1),
    "bn.weight": tensor([1, 0.5, 2, 1, 1, 0.5, 2, 1]),
    "bn.bias": drawn(r, [8], 0.1),
    "bn.mean": drawn(r, [8], 0.5),
    "bn.var": tensor([1, 2, 1, 0.5, 1, 2, 1, 0.5]),
    "fc2.weight": drawn(r, [3, 8], 0.4),
    "fc2.bias": drawn(r, [3], 0.1),
  };
}

export function retrofitModel(batch: number | string = "N"): Uint8Array {
  const inputs = { features: [batch, 4] };
  const bytes = modelOf({ inputs, nodes, outputs: ["probabilities"], tensors: tensors() });
  const model = fromBinary(ModelProtoSchema, bytes);
  // Its output says its shape, as those of exporters do.
  const own = fromBinary(ModelProtoSchema, modelOf({ inputs: { probabilities: [batch, 3] }, nodes: [] }));
  if (model.graph && own.graph) model.graph.output = own.graph.input;
  return toBinary(ModelProtoSchema, model);
}
