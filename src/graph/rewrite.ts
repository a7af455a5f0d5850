/** @file The same graph with nodes put in place of nodes. */
import { apply, type Node, topological } from "./graph.ts";

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
