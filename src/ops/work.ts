/** @file How much arithmetic a node is, counted: what depends on it comes out alike on every machine. */
import type { Node } from "../graph/graph.ts";
import { sizeOf } from "../tensor/shape.ts";

/** Multiplications with an addition in a product or a convolution; 0 for anything else. */
export function multiplyAddsOf({ op, shape, inputs }: Node): number {
  switch (op.name) {
    case "MatMul":
      return sizeOf(shape) * inputs[0].shape[inputs[0].shape.length - 1];
    case "Conv":
      return (sizeOf(shape) * sizeOf(inputs[1].shape)) / inputs[1].shape[0];
    case "ConvTranspose":
      return (sizeOf(inputs[0].shape) * sizeOf(inputs[1].shape)) / inputs[1].shape[0];
    case "ConvKernel":
      return (sizeOf(inputs[1].shape) * sizeOf(shape)) / shape[0];
    default:
      return 0;
  }
}

/** Roughly how much time a node takes, in multiply-adds of a large product: what it moves counts, a call does, and an inverse is twenty times as slow as a product. */
export function operationsOf(node: Node): number {
  const moved = sizeOf(node.shape) + node.inputs.reduce((sum, x) => sum + sizeOf(x.shape), 0);
  const inverse = node.op.name === "Inverse" ? 20 * sizeOf(node.shape) * node.shape[node.shape.length - 1] : 0;
  return call + 4 * moved + multiplyAddsOf(node) + inverse;
}

// --- internal ---

/** About a microsecond. */
const call = 2 ** 16;
