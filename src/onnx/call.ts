/** @file One call of an ONNX operator, as the operator sees it: nodes, attributes, opset, and what is known of an input when the graph is built. */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { ReadError } from "../tensor/errors.ts";
import { cast, type DType, isFloat, type Tensor, toFloat64 } from "../tensor/tensor.ts";
import type { Attributes } from "./attributes.ts";
import type { ElementType } from "./types.ts";

export interface Call {
  readonly opset: number;
  /** The dtype of everything floating-point in this build. */
  readonly dtype: DType;
  readonly attributes: Attributes;
  /** How many outputs are named. */
  readonly outputs: number;
  /** The types that the inputs have in the file; 0 where one is not known. */
  readonly types: readonly ElementType[];
  /** Input `i`; it must be there. */
  input(i: number): Node;
  /** Input `i`, or null where it was left out. */
  optional(i: number): Node | null;
  /** All inputs; none may be left out. */
  inputs(): readonly Node[];
  /** The value of input `i` if it does not depend on the network's inputs; else, or where it was left out, null. */
  value(i: number): Tensor | null;
  /** The value of input `i`, which must be known when the graph is built; null where it was left out. */
  known(i: number): Tensor | null;
  /** A constant; floating-point ones in the dtype of this build. */
  constant(value: Tensor): Node;
  /** `known`, as numbers. */
  numbers(i: number): readonly number[] | null;
}

/** An ONNX operator: the nodes that a call stands for, one for each output that this library gives. */
export type Operator = (call: Call) => readonly Node[];

/** Why a node cannot be represented; the reader says which node it is and lists all of them. */
export class Refusal extends Error {
  override name = "Refusal";
}

/** A call on nodes; `valueOfNode` gives the value of a node that does not depend on the network's inputs. */
export function callOf(
  nodes: readonly (Node | null)[],
  valueOfNode: (node: Node) => Tensor | null,
  rest: Pick<Call, "opset" | "dtype" | "attributes" | "outputs" | "types">,
): Call {
  const optional = (i: number) => nodes[i] ?? null;
  const input = (i: number) => {
    const node = optional(i);
    if (!node) throw new ReadError(`input ${i} is missing`);
    return node;
  };
  const value = (i: number) => {
    const node = optional(i);
    return node && valueOfNode(node);
  };
  const known = (i: number) => {
    const found = value(i);
    if (!found && optional(i))
      throw new Refusal(`input ${i} must be known when the model is read, it is computed from the network's input`);
    return found;
  };
  return {
    ...rest,
    optional,
    input,
    constant: (t) => constant(isFloat(t.dtype) ? cast(t, rest.dtype) : t),
    inputs: () => nodes.map((_, i) => input(i)),
    value,
    known,
    numbers(i) {
      const found = known(i);
      return found && [...toFloat64(found)];
    },
  };
}
