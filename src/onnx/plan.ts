/** @file What a model asks for, checked and put in order: true inputs, tensors, the nodes that the outputs need. No graph is built here. */
import type { Port } from "../graph/network.ts";
import { ReadError, type UnsupportedNode, UnsupportedOperatorError } from "../tensor/errors.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { boundsOf, checkPorts, masksOf, portOf, tensorsOf } from "./given.ts";
import { inlined } from "./inline.ts";
import { numericOutputs } from "./labels.ts";
import { altered, readsOf } from "./naming.ts";
import { newestOpset, oldestOpset } from "./opsets.ts";
import { checkNames, needed, producers } from "./order.ts";
import type { ModelProto } from "./proto.ts";
import { type Context, isDefault, type Step, stepOf } from "./steps.ts";
import type { External } from "./tensors.ts";
import type { ElementType } from "./types.ts";
import { shown } from "./wording.ts";

export interface Plan {
  readonly ports: readonly Port[];
  /** With the inputs that nothing reads. */
  readonly declared: readonly Port[];
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
  /** Names of values that only Where chooses. */
  readonly masks: ReadonlySet<string>;
}

/** Check a model and order its nodes; throws ReadError, or UnsupportedOperatorError with every node that cannot be read. */
export function planOf(model: ModelProto, external?: External): Plan {
  if (!model.graph || (model.graph.node.length === 0 && model.graph.output.length === 0))
    throw new ReadError("there is no graph in it; is it an ONNX model?");
  const graph = altered(model.graph, { node: [...inlined(model)] });
  const opsets = opsetsOf(model);
  const made = producers(graph);
  const outputs = numericOutputs(graph);
  if (outputs.length === 0) throw new ReadError("the graph has no outputs");
  const order = needed(outputs, made);
  const wanted = new Set([...outputs, ...order.flatMap(readsOf)]);
  const bounds = boundsOf(order, outputs);
  const masks = masksOf(order, outputs);
  const tensors = tensorsOf(graph, wanted, bounds, external, masks);
  // Before IR 4 every initialiser had to stand among the inputs too.
  const stored = new Set(graph.initializer.map((t) => t.name));
  const asked = graph.input.filter((i) => !stored.has(i.name)).map(portOf);
  checkPorts(asked);
  // An input that nothing reads is none of the network, unless there is no other.
  const read = asked.filter((p) => wanted.has(p.name));
  const ports = read.length > 0 ? read : asked;
  const twice = [...stored, ...asked.map((p) => p.name)].find((name) => made.has(name));
  if (twice !== undefined) throw new ReadError(`value "${shown(twice)}" is given and made`);
  const context: Context = {
    opsets,
    external,
    wanted,
    there: new Set([...asked.map((p) => p.name), ...tensors.keys(), ...made.keys()]),
  };
  checkNames(order, outputs, context.there);
  const unsupported: UnsupportedNode[] = [];
  const steps = order.map((node) => stepOf(node, context, unsupported));
  if (unsupported.length > 0) throw new UnsupportedOperatorError(unsupported);
  const types = new Map<string, ElementType>();
  for (const { name, type } of graph.input)
    if (type?.value.case === "tensorType") types.set(name, type.value.value.elemType);
  for (const { name, dataType } of graph.initializer) types.set(name, dataType);
  return {
    ports,
    declared: asked,
    outputs,
    tensors,
    types,
    steps: steps.filter((s) => s !== null),
    wanted,
    bounds,
    masks,
  };
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
