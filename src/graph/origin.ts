/** @file Where a node came from: its name and operator in the model it was read from. Kept beside the graph, because no computation may depend on it. */
import type { Node } from "./graph.ts";

export interface Origin {
  /** Name of the node in the model. */
  readonly name: string;
  /** ONNX operator of that node; it may have become several ops here. */
  readonly operator: string;
}

const origins = new WeakMap<Node, Origin>();

/** Say of all nodes between `inputs` and `outputs` that have no origin yet where they came from. */
export function setOrigin(outputs: readonly Node[], inputs: readonly Node[], origin: Origin): void {
  const before = new Set(inputs);
  const stack = [...outputs];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (before.has(node) || origins.has(node) || node.inputs.length === 0) continue;
    origins.set(node, origin);
    stack.push(...node.inputs);
  }
}

/** The origin of a node; none for nodes that were not read from a model. */
export const originOf = (node: Node): Origin | undefined => origins.get(node);

/** Let a rebuilt node have the origin of the one it stands for. */
export function copyOrigin(from: Node, to: Node): void {
  const origin = origins.get(from);
  if (origin && !origins.has(to)) origins.set(to, origin);
}

/** What to call a node to people: its name in the model, or its op. */
export const labelOf = (node: Node): string => originOf(node)?.name ?? node.op.name;

/** The operator in the model that a node came from, or its op. */
export const operatorOf = (node: Node): string => originOf(node)?.operator ?? node.op.name;
