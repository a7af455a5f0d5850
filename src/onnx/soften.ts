/** @file ReLUs of a model put as centred softplus, leaky ones as a line and the rest: in its graph while it is trained, and in its bytes afterwards. */
import { create } from "@bufbuild/protobuf";
import { apply, type Node, topological } from "../graph/graph.ts";
import { copyOrigin, originOf } from "../graph/origin.ts";
import { add, mul } from "../ops/arith.ts";
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

/** The names of the Relu and LeakyRelu nodes of a model, as messages name them. Throws UsageError where two have one name, or the model is too old to write others. */
export function relusOf({ steps, opset, network }: Reading): readonly string[] {
  const names = steps.filter((step) => isReLU(step.operator)).map((step) => step.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined)
    throw new UsageError(`${network.name}: ReLUs must have names of their own, got "${twice}" twice`);
  if (names.length > 0 && opset < 7)
    throw new UsageError(`${network.name}: softened ReLUs need opset 7 or later, got ${opset}`);
  return names;
}

/** The same outputs with other nodes in the place of ReLUs, by their names; `soft` is given what a ReLU reads. A leaky one is alpha x + (1 - alpha) relu(x). */
export function softened(outputs: readonly Node[], soft: ReadonlyMap<string, (x: Node) => Node>): readonly Node[] {
  const made = new Map<Node, Node>();
  for (const node of topological(outputs)) {
    const inputs = node.inputs.map((x) => made.get(x) as Node);
    const origin = originOf(node);
    const own = isReLU(node.op.name) && origin?.operator === node.op.name;
    const other = own ? soft.get(origin.name) : undefined;
    const same = inputs.every((x, i) => x === node.inputs[i]);
    const alpha = own && node.op.name === "LeakyRelu" ? (node.attrs as { readonly alpha: number }).alpha : 0;
    const bent = (f: (x: Node) => Node, [x]: readonly Node[]) =>
      alpha === 0 ? f(x) : add(mul(x, alpha), mul(f(x), Math.fround(1 - alpha)));
    const rebuilt = other ? bent(other, inputs) : same ? node : apply(node.op, inputs, node.attrs);
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
    const beta = isReLU(node.opType) ? betas.get(nameOf(node)) : undefined;
    if (beta === undefined) return [node];
    done.add(nameOf(node));
    return node.opType === "Relu" ? softplusNodes(node, beta, type) : leakyNodes(node, beta, type);
  });
  const missing = [...betas.keys()].find((name) => !done.has(name));
  if (missing !== undefined)
    throw new UsageError(`"${missing}" stands in a function of the model; export it without functions`);
}

// --- internal ---

const isReLU = (operator: string): boolean => operator === "Relu" || operator === "LeakyRelu";

/** What makes nodes that stand together in the place of one. */
function partsOf(relu: NodeProto, type: number) {
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
  return { out, at, node, number };
}

/** alpha x + (1 - alpha) times the softened ReLU. */
function leakyNodes(leaky: NodeProto, beta: number, type: number): readonly NodeProto[] {
  const { out, at, node, number } = partsOf(leaky, type);
  const alpha = leaky.attribute.find((a) => a.name === "alpha")?.f ?? Math.fround(0.01);
  const [x] = leaky.input;
  const soft = softplusNodes(
    create(NodeProtoSchema, { name: at("relu"), input: [x], output: [at("relu")] }),
    beta,
    type,
  );
  const last = node("Add", "sum", [at("line"), at("rest")], out);
  last.name = leaky.name;
  return [
    ...soft,
    number("alpha", alpha),
    number("other", Math.fround(1 - alpha)),
    node("Mul", "line", [x, at("alpha")]),
    node("Mul", "rest", [at("relu"), at("other")]),
    last,
  ];
}

function softplusNodes(relu: NodeProto, beta: number, type: number): readonly NodeProto[] {
  const { out, at, node, number } = partsOf(relu, type);
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
