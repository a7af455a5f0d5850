/** @file ReLUs of a model put as centred softplus: in its graph while it is trained, and in its bytes afterwards. */
import { create } from "@bufbuild/protobuf";
import { apply, type Node, topological } from "../graph/graph.ts";
import { copyOrigin, originOf } from "../graph/origin.ts";
import { UsageError } from "../tensor/errors.ts";
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataType as T,
  TensorProtoSchema,
} from "./proto.ts";
import type { Reading } from "./read.ts";
import { nameOf } from "./wording.ts";

/** The names of the Relu nodes of a model, as messages name them. Throws UsageError where two have one name, or the model is too old to write others. */
export function relusOf({ steps, opset, network }: Reading): readonly string[] {
  const names = steps.filter((step) => step.operator === "Relu").map((step) => step.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined)
    throw new UsageError(`${network.name}: Relu nodes must have names of their own, got "${twice}" twice`);
  if (names.length > 0 && opset < 7)
    throw new UsageError(`${network.name}: softened ReLUs need opset 7 or later, got ${opset}`);
  return names;
}

/** The same outputs with other nodes in the place of ReLUs, by their names; `soft` is given what a ReLU reads. */
export function softened(outputs: readonly Node[], soft: ReadonlyMap<string, (x: Node) => Node>): readonly Node[] {
  const made = new Map<Node, Node>();
  for (const node of topological(outputs)) {
    const inputs = node.inputs.map((x) => made.get(x) as Node);
    const origin = originOf(node);
    const other = node.op.name === "Relu" && origin?.operator === "Relu" ? soft.get(origin.name) : undefined;
    const same = inputs.every((x, i) => x === node.inputs[i]);
    const rebuilt = other ? other(inputs[0]) : same ? node : apply(node.op, inputs, node.attrs);
    copyOrigin(node, rebuilt);
    made.set(node, rebuilt);
  }
  return outputs.map((y) => made.get(y) as Node);
}

/**
 * Write (Softplus(beta x) - ln 2) / beta in the place of ReLUs, by their names: the last of four nodes has the name and the output that the ReLU had. Throws UsageError
 * where one does not stand in the graph itself (but in a function of the model), or its numbers are no floats.
 */
export function softenReLUs(model: ModelProto, betas: ReadonlyMap<string, number>): void {
  const { graph } = model;
  if (!graph) return;
  const port = graph.input.find(({ name }) => !graph.initializer.some((t) => t.name === name));
  const type = port?.type?.value.case === "tensorType" ? port.type.value.value.elemType : T.FLOAT;
  if (type !== T.FLOAT && type !== T.DOUBLE)
    throw new UsageError(`softened ReLUs must be of floats or doubles, got ${T[type]}`);
  const done = new Set<string>();
  graph.node = graph.node.flatMap((node) => {
    const beta = node.opType === "Relu" ? betas.get(nameOf(node)) : undefined;
    if (beta === undefined) return [node];
    done.add(nameOf(node));
    return softplusNodes(node, beta, type);
  });
  const missing = [...betas.keys()].find((name) => !done.has(name));
  if (missing !== undefined)
    throw new UsageError(`"${missing}" stands in a function of the model; export it without functions`);
}

// --- internal ---

function softplusNodes(relu: NodeProto, beta: number, type: number): readonly NodeProto[] {
  const [out] = relu.output;
  const name = relu.name || out;
  const at = (part: string) => `${out}/${part}`;
  const node = (opType: string, part: string, input: readonly string[], output = at(part)) =>
    create(NodeProtoSchema, { name: `${name}/${part}`, opType, input: [...input], output: [output] });
  const number = (part: string, value: number) => {
    const data = type === T.DOUBLE ? Float64Array.of(value) : Float32Array.of(value);
    const t = create(TensorProtoSchema, { dataType: type, dims: [], rawData: new Uint8Array(data.buffer) });
    const attribute = create(AttributeProtoSchema, { name: "value", type: AttributeProto_AttributeType.TENSOR, t });
    return create(NodeProtoSchema, { ...node("Constant", part, []), attribute: [attribute] });
  };
  const last = node("Div", "quotient", [at("centred"), at("beta")], out);
  last.name = relu.name;
  return [
    number("beta", beta),
    number("ln2", Math.LN2),
    node("Mul", "scaled", [relu.input[0], at("beta")]),
    node("Softplus", "softplus", [at("scaled")]),
    node("Sub", "centred", [at("softplus"), at("ln2")]),
    last,
  ];
}
