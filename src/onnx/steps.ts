/** @file Nodes as steps: the operator that each is, what it reads and makes, and the graphs that it holds. */
import { ReadError, type UnsupportedNode } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type Attributes, attributesOf } from "./attributes.ts";
import type { Operator } from "./call.ts";
import { tensorsOf } from "./given.ts";
import { whyNot } from "./limits.ts";
import * as microsoft from "./microsoft.ts";
import * as ml from "./ml.ts";
import { inside, readsOf } from "./naming.ts";
import * as operators from "./operators.ts";
import { checkNames, needed, producers } from "./order.ts";
import { type GraphProto, type NodeProto, TensorProto_DataType as T } from "./proto.ts";
import type { External } from "./tensors.ts";
import type { ElementType } from "./types.ts";
import { nameOf, shown } from "./wording.ts";

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
  /** Of an If: what it runs where its condition holds, and where it does not. */
  readonly branches?: readonly [Block, Block];
  /** Fresh for every call: they note what was asked for. */
  attributes(): Attributes;
}

/** A graph inside of a node, which reads what is around it. What of it cannot be read counts only where it runs. */
export interface Block {
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly types: ReadonlyMap<string, ElementType>;
  readonly steps: readonly Step[];
  readonly outputs: readonly string[];
  readonly unsupported: readonly UnsupportedNode[];
}

/** What a graph stands in. */
export interface Context {
  readonly opsets: ReadonlyMap<string, number>;
  readonly external: External | undefined;
  /** Filled by the graphs inside of nodes, too. */
  readonly wanted: Set<string>;
  /** Names of values that may be read. */
  readonly there: ReadonlySet<string>;
}

/** Is a domain that of ONNX itself? */
export const isDefault = (domain: string): boolean => domain === "" || domain === "ai.onnx";

/** A node as a step; null, and a word in `unsupported`, where it cannot be read. */
export function stepOf(node: NodeProto, context: Context, unsupported: UnsupportedNode[]): Step | null {
  const domain = isDefault(node.domain) ? "" : node.domain;
  const opset = context.opsets.get(domain) ?? 1;
  const names = node.attribute.map((a) => a.name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new ReadError(`node "${nameOf(node)}" has the attribute "${shown(twice)}" twice`);
  const branches = branchesOf(node, context);
  const apply = branches ? chosen : tables[domain]?.get(node.opType);
  const why = branches ? null : whyNot(node, apply !== undefined);
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
    ...(branches && { branches }),
    attributes: () => attributesOf(node.attribute),
  };
}

/** An If is one of its branches before it is applied. */
const chosen: Operator = () => {
  throw new TypeError("an If must be run by its branches");
};

function saidBy(node: NodeProto): Step["said"] {
  const find = (name: string) => node.attribute.find((a) => a.name === name);
  const whole = find("value_int") ?? find("value_ints") ?? find("values_int64s");
  if (find("values_floats")) return { value: T.FLOAT };
  return { to: find("to") && Number(find("to")?.i), value: whole ? T.INT64 : find("value")?.t?.dataType };
}

const tables: Readonly<Record<string, ReadonlyMap<string, Operator>>> = {
  "": new Map(Object.entries(operators)),
  "ai.onnx.ml": new Map(Object.entries(ml)),
  "com.microsoft": new Map(Object.entries(microsoft)),
};

/** The plan of a graph inside of a node; its values get names of their own. */
function blockOf(own: GraphProto, prefix: string, context: Context): Block {
  const graph = inside(own, prefix);
  if (graph.input.length > 0) throw new ReadError(`"${shown(prefix)}" is a branch with inputs`);
  const made = producers(graph);
  const outputs = graph.output.map((o) => o.name);
  const order = needed(outputs, made);
  for (const name of [...outputs, ...order.flatMap(readsOf)]) context.wanted.add(name);
  const tensors = tensorsOf(graph, context.wanted, new Set(), context.external);
  const there = new Set([...context.there, ...tensors.keys(), ...made.keys()]);
  checkNames(order, outputs, there);
  const unsupported: UnsupportedNode[] = [];
  const steps = order.map((node) => stepOf(node, { ...context, there }, unsupported)).filter((s) => s !== null);
  const types = new Map(graph.initializer.map(({ name, dataType }) => [name, dataType] as const));
  return { tensors, types, steps, outputs, unsupported };
}

function branchesOf(node: NodeProto, context: Context): readonly [Block, Block] | null {
  if (node.opType !== "If" || !isDefault(node.domain)) return null;
  const [yes, no] = ["then_branch", "else_branch"].map((name) => node.attribute.find((a) => a.name === name)?.g);
  if (!yes || !no || yes.node.length + yes.output.length === 0 || no.node.length + no.output.length === 0) return null;
  const name = nameOf(node);
  return [blockOf(yes, `${name}/then/`, context), blockOf(no, `${name}/else/`, context)];
}
