/** @file What a model asks for, checked and put in order: true inputs, tensors, the nodes that the outputs need. No graph is built here. */
import type { Port } from "../graph/network.ts";
import { ReadError, type UnsupportedNode, UnsupportedOperatorError } from "../tensor/errors.ts";
import { printable } from "../tensor/printable.ts";
import type { DType, Tensor } from "../tensor/tensor.ts";
import { type Attributes, attributesOf } from "./attributes.ts";
import type { Operator } from "./call.ts";
import { whyNot } from "./limits.ts";
import * as microsoft from "./microsoft.ts";
import * as operators from "./operators.ts";
import { newestOpset, oldestOpset } from "./opsets.ts";
import {
  type GraphProto,
  type ModelProto,
  type NodeProto,
  TensorProto_DataType as T,
  type ValueInfoProto,
} from "./proto.ts";
import { dtypeOf, type External, firstNotFinite, readTensor } from "./tensors.ts";
import type { ElementType } from "./types.ts";

export interface Step {
  /** For messages: the node's name, or what it makes if it has none. */
  readonly name: string;
  readonly operator: string;
  readonly opset: number;
  readonly apply: Operator;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The element type that its attributes name: what a Cast makes, or what a constant is. */
  readonly said: { readonly to?: ElementType | undefined; readonly value?: ElementType | undefined };
  /** Fresh for every call: they note what was asked for. */
  attributes(): Attributes;
}

export interface Plan {
  readonly ports: readonly Port[];
  readonly outputs: readonly string[];
  readonly tensors: ReadonlyMap<string, Tensor>;
  /** The types in the file of inputs and tensors. */
  readonly types: ReadonlyMap<string, ElementType>;
  /** Each after those whose values it reads. */
  readonly steps: readonly Step[];
  /** Names of values that someone reads, or that are outputs. */
  readonly wanted: ReadonlySet<string>;
  /** Names of values that only say where to clip: they may be infinite. */
  readonly bounds: ReadonlySet<string>;
}

/** Check a model and order its nodes; throws ReadError, or UnsupportedOperatorError with every node that cannot be read. */
export function planOf(model: ModelProto, external?: External): Plan {
  const { graph } = model;
  if (!graph || (graph.node.length === 0 && graph.output.length === 0))
    throw new ReadError("there is no graph in it; is it an ONNX model?");
  const opsets = opsetsOf(model);
  const made = producers(graph);
  const outputs = graph.output.map((o) => o.name);
  if (outputs.length === 0) throw new ReadError("the graph has no outputs");
  const order = needed(outputs, made);
  const wanted = new Set([...outputs, ...order.flatMap((n) => n.input)]);
  const bounds = boundsOf(order, outputs);
  const tensors = tensorsOf(graph, wanted, bounds, external);
  // Before IR 4 every initialiser had to stand among the inputs too.
  const stored = new Set(graph.initializer.map((t) => t.name));
  const ports = graph.input.filter((i) => !stored.has(i.name)).map(portOf);
  checkPorts(ports);
  const twice = [...stored, ...ports.map((p) => p.name)].find((name) => made.has(name));
  if (twice !== undefined) throw new ReadError(`value "${shown(twice)}" is given and made`);
  checkNames(order, outputs, new Set([...ports.map((p) => p.name), ...tensors.keys(), ...made.keys()]));
  const unsupported: UnsupportedNode[] = [];
  const steps = order.map((node) => stepOf(node, opsets, unsupported));
  if (unsupported.length > 0) throw new UnsupportedOperatorError(unsupported);
  const types = new Map<string, ElementType>();
  for (const { name, type } of graph.input)
    if (type?.value.case === "tensorType") types.set(name, type.value.value.elemType);
  for (const { name, dataType } of graph.initializer) types.set(name, dataType);
  return { ports, outputs, tensors, types, steps: steps.filter((s) => s !== null), wanted, bounds };
}

// --- internal ---

function opsetsOf(model: ModelProto): ReadonlyMap<string, number> {
  const opsets = new Map(model.opsetImport.map((o) => [o.domain === "ai.onnx" ? "" : o.domain, Number(o.version)]));
  const opset = opsets.get("");
  const needs = (model.graph?.node ?? []).some((n) => isDefault(n.domain));
  if (needs && (opset === undefined || opset < oldestOpset || opset > newestOpset)) {
    throw new ReadError(
      `opset must be ${oldestOpset} to ${newestOpset}, got ${opset ?? "none"}; convert the model with onnx.version_converter`,
    );
  }
  return opsets;
}

const isDefault = (domain: string): boolean => domain === "" || domain === "ai.onnx";

/** Which node makes each value. */
function producers(graph: GraphProto): Map<string, NodeProto> {
  const made = new Map<string, NodeProto>();
  for (const node of graph.node) {
    for (const output of node.output) {
      if (output === "") continue;
      if (made.has(output)) throw new ReadError(`value "${shown(output)}" is made twice`);
      made.set(output, node);
    }
  }
  return made;
}

/** The nodes that the outputs need, each after those it reads. Iterative: models may be deeper than the call stack. */
function needed(outputs: readonly string[], made: ReadonlyMap<string, NodeProto>): NodeProto[] {
  const order: NodeProto[] = [];
  const state = new Map<NodeProto, "open" | "done">();
  const stack: { readonly node: NodeProto; next: number }[] = [];
  const visit = (name: string) => {
    const node = made.get(name);
    if (!node || state.get(node) === "done") return;
    if (state.get(node) === "open") throw new ReadError(`value "${shown(name)}" depends on itself`);
    state.set(node, "open");
    stack.push({ node, next: 0 });
  };
  for (const output of outputs) {
    visit(output);
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.next < top.node.input.length) visit(top.node.input[top.next++]);
      else {
        state.set(top.node, "done");
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return order;
}

function boundsOf(order: readonly NodeProto[], outputs: readonly string[]): Set<string> {
  const others = new Set([...outputs, ...order.flatMap((n) => (n.opType === "Clip" ? n.input.slice(0, 1) : n.input))]);
  const clips = order.filter((n) => n.opType === "Clip").flatMap((n) => n.input.slice(1));
  return new Set(clips.filter((name) => !others.has(name)));
}

function tensorsOf(
  graph: GraphProto,
  wanted: ReadonlySet<string>,
  bounds: ReadonlySet<string>,
  external?: External,
): Map<string, Tensor> {
  const sparse = graph.sparseInitializer.map((t) => t.values?.name ?? "").filter((name) => wanted.has(name));
  if (sparse.length > 0)
    throw new ReadError(`initialiser "${shown(sparse[0])}" is sparse, which is not read; store it dense`);
  const tensors = new Map<string, Tensor>();
  for (const proto of graph.initializer) {
    if (!wanted.has(proto.name)) continue;
    const who = `initialiser "${shown(proto.name)}"`;
    if (tensors.has(proto.name)) throw new ReadError(`${who} is there twice`);
    const value = within(who, () => readTensor(proto, external));
    const at = bounds.has(proto.name) ? -1 : firstNotFinite(value);
    if (at >= 0)
      throw new ReadError(`${who} must be finite, got ${value.data[at]} at position ${at}; repair the model`);
    tensors.set(proto.name, value);
  }
  return tensors;
}

function portOf(info: ValueInfoProto): Port {
  const who = `input "${shown(info.name)}"`;
  const type = info.type?.value;
  if (type?.case !== "tensorType") throw new ReadError(`${who} must be a tensor, got ${type?.case ?? "no type"}`);
  const { elemType, shape } = type.value;
  const dtype: DType | null = dtypeOf(elemType);
  if (!dtype) throw new ReadError(`${who} has ONNX element type ${elemType}, which is not read`);
  if (!shape) throw new ReadError(`${who} has no shape; run onnx.shape_inference or set it`);
  const dims = shape.dim.map(({ value }, i) => {
    if (value.case !== "dimValue") return value.value || `${info.name}:${i}`;
    const d = Number(value.value);
    if (!Number.isSafeInteger(d) || d < 0) throw new ReadError(`${who} has a dimension of ${d}`);
    return d;
  });
  return { name: info.name, shape: dims, dtype };
}

function checkPorts(ports: readonly Port[]): void {
  const seen = new Set<string>();
  for (const { name } of ports) {
    if (seen.has(name)) throw new ReadError(`duplicate input "${shown(name)}"`);
    seen.add(name);
  }
}

function checkNames(order: readonly NodeProto[], outputs: readonly string[], there: ReadonlySet<string>): void {
  for (const node of order) {
    const missing = node.input.find((name) => name !== "" && !there.has(name));
    if (missing !== undefined)
      throw new ReadError(`node "${nameOf(node)}" reads "${shown(missing)}", which nothing makes`);
  }
  const missing = outputs.find((name) => !there.has(name));
  if (missing !== undefined) throw new ReadError(`nothing makes the output "${shown(missing)}"`);
}

function stepOf(node: NodeProto, opsets: ReadonlyMap<string, number>, unsupported: UnsupportedNode[]): Step | null {
  const domain = isDefault(node.domain) ? "" : node.domain;
  const opset = opsets.get(domain) ?? 1;
  const names = node.attribute.map((a) => a.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new ReadError(`node "${nameOf(node)}" has the attribute "${shown(twice)}" twice`);
  const apply = tables[domain]?.get(node.opType);
  const why = whyNot(node, apply !== undefined);
  const name = nameOf(node);
  const operator = shown(domain === "" ? node.opType : `${domain}.${node.opType}`);
  if (why !== null || !apply) {
    unsupported.push({ node: name, operator, opset, why: why ?? "" });
    return null;
  }
  return {
    name,
    operator,
    opset,
    apply,
    inputs: node.input,
    outputs: node.output,
    said: saidBy(node),
    attributes: () => attributesOf(node.attribute),
  };
}

function saidBy(node: NodeProto): Step["said"] {
  const find = (name: string) => node.attribute.find((a) => a.name === name);
  const whole = find("value_int") ?? find("value_ints");
  return { to: find("to") && Number(find("to")?.i), value: whole ? T.INT64 : find("value")?.t?.dataType };
}

const tables: Readonly<Record<string, ReadonlyMap<string, Operator>>> = {
  "": new Map(Object.entries(operators)),
  "com.microsoft": new Map(Object.entries(microsoft)),
};

const nameOf = (node: NodeProto): string =>
  shown(node.name || `${node.opType} that makes ${node.output[0] ?? "nothing"}`);

/** A name as it may stand in a message: on one line, and not too long, whatever a corrupt file holds. */
export function shown(name: string): string {
  const line = printable(name);
  return line.length > 80 ? `${line.slice(0, 77)}...` : line;
}

/** Say in the message of a ReadError what it is about. */
export function within<T>(who: string, f: () => T): T {
  try {
    return f();
  } catch (cause) {
    if (cause instanceof ReadError) throw new ReadError(`${who}: ${cause.message}`, { cause });
    throw cause;
  }
}
