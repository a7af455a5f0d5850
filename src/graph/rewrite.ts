/** @file The same graph over other leaves: put nodes in place of nodes, or change the dtype of everything. */
import { cast, type DType, isFloat } from "../tensor/tensor.ts";
import { apply, type Node, topological } from "./graph.ts";
import { constant, input, isConstant, isInput } from "./leaf.ts";

/** Rebuild `outputs` with some nodes replaced; nodes that do not change are kept. Replacements must have the shapes of what they replace. */
export function substitute(outputs: readonly Node[], replacements: ReadonlyMap<Node, Node>): Node[] {
  const made = new Map<Node, Node>(replacements);
  for (const node of topological(outputs)) {
    if (made.has(node)) continue;
    const inputs = node.inputs.map((i) => made.get(i) as Node);
    const same = inputs.every((x, i) => x === node.inputs[i]);
    made.set(node, same ? node : apply(node.op, inputs, node.attrs));
  }
  return outputs.map((o) => made.get(o) as Node);
}

/** The same graph with every floating-point leaf in `dtype`; inputs keep their names. */
export function retype(outputs: readonly Node[], dtype: DType): Node[] {
  const leaves = new Map<Node, Node>();
  for (const node of topological(outputs)) {
    if (!isFloat(node.dtype) || node.dtype === dtype) continue;
    if (isInput(node)) leaves.set(node, input(node.attrs.name, node.shape, dtype));
    else if (isConstant(node)) leaves.set(node, constant(cast(node.attrs, dtype)));
  }
  return substitute(outputs, leaves);
}
