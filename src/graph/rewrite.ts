/** @file The same graph with nodes put in place of nodes. */
import { ShapeError } from "../tensor/errors.ts";
import { sameShape } from "../tensor/shape.ts";
import { apply, type Node, shapesOf, topological } from "./graph.ts";
import { copyOrigin } from "./origin.ts";

/** Rebuild `outputs` with some nodes replaced; nodes that do not change are kept. Replacements must have the shapes of what they replace. */
export function substitute(outputs: readonly Node[], replacements: ReadonlyMap<Node, Node>): Node[] {
  for (const [node, other] of replacements) {
    if (!sameShape(node.shape, other.shape)) {
      throw new ShapeError(`substitute: a replacement must have the shape of its node, got ${shapesOf([node, other])}`);
    }
  }
  const made = new Map<Node, Node>(replacements);
  for (const node of topological(outputs)) {
    if (made.has(node)) continue;
    const inputs = node.inputs.map((i) => made.get(i) as Node);
    const same = inputs.every((x, i) => x === node.inputs[i]);
    const rebuilt = same ? node : apply(node.op, inputs, node.attrs);
    copyOrigin(node, rebuilt);
    made.set(node, rebuilt);
  }
  return outputs.map((o) => made.get(o) as Node);
}
