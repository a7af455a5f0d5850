/** @file A graph as text, one node a line, for errors and tests. */
import { type Node, topological } from "./graph.ts";
import { isConstant, isInput } from "./leaf.ts";

/** `%2 = MatMul(x, %1) : float32[8,10]` for every node that the outputs need. */
export function printGraph(outputs: readonly Node[]): string {
  const names = new Map<Node, string>();
  const lines: string[] = [];
  for (const node of topological(outputs)) {
    if (isInput(node)) {
      names.set(node, node.attrs.name);
      continue;
    }
    const name = `%${lines.length}`;
    names.set(node, name);
    const inputs = node.inputs.map((i) => names.get(i)).join(", ");
    const attrs = node.attrs === null || isConstant(node) ? "" : ` ${JSON.stringify(node.attrs)}`;
    lines.push(`${name} = ${node.op.name}(${inputs})${attrs} : ${node.dtype}[${node.shape.join(",")}]`);
  }
  lines.push(`return ${outputs.map((o) => names.get(o)).join(", ")}`);
  return lines.join("\n");
}
