/** @file How much work a node is, roughly, so that what is too much is not begun. */
import type { Node } from "../graph/graph.ts";
import { sizeOf } from "../tensor/shape.ts";

/** Float64 operations of one evaluation by the reference rules, as far as the linear form tells. */
export function workOf(node: Node, varies: ReadonlySet<Node>): number {
  const mask = node.inputs.map((i) => varies.has(i));
  const size = sizeOf(node.shape);
  const moved = size + node.inputs.reduce((n, x) => n + sizeOf(x.shape), 0);
  if (!mask.includes(true)) return moved;
  const behaviour = node.op.behaviour(node, mask);
  if (behaviour.kind !== "linear") return moved;
  const { of } = behaviour;
  if (of.form === "matrix") return size * Math.max(...of.weight.shape);
  if (of.form !== "convolution") return moved;
  const windows = (of.direction === "forward" ? size : sizeOf(node.inputs[0].shape)) / of.kernel.shape[0];
  return 4 * windows * sizeOf(of.kernel.shape);
}
