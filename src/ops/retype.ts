/** @file The same graph in another precision. It stands with the ops because casts to floats have to follow. */
import { apply, type Node, topological } from "../graph/graph.ts";
import { input, isConstant, isInput, recast } from "../graph/leaf.ts";
import { type DType, isFloat } from "../tensor/tensor.ts";
import { cast, isCast } from "./arith.ts";

/** The same graph with everything floating-point in `dtype`, float32 or float64; inputs keep their names, integers and conditions stay. */
export function retype(outputs: readonly Node[], dtype: DType): Node[] {
  const made = new Map<Node, Node>();
  for (const node of topological(outputs)) {
    const inputs = node.inputs.map((i) => made.get(i) as Node);
    made.set(node, isFloat(node.dtype) ? retyped(node, inputs, dtype) : rebuilt(node, inputs));
  }
  return outputs.map((o) => made.get(o) as Node);
}

// --- internal ---

function retyped(node: Node, inputs: readonly Node[], dtype: DType): Node {
  if (isInput(node) && node.dtype !== dtype) return input(node.attrs.name, node.shape, dtype);
  if (isConstant(node) && node.dtype !== dtype) return recast(node, dtype);
  const settled = node.dtype === dtype && inputs[0] === node.inputs[0];
  return isCast(node) && !settled ? cast(inputs[0], dtype) : rebuilt(node, inputs);
}

const rebuilt = (node: Node, inputs: readonly Node[]): Node =>
  inputs.every((x, i) => x === node.inputs[i]) ? node : apply(node.op, inputs, node.attrs);
