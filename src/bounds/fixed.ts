/** @file What does not vary in a graph - weights and what is computed from them - as float64 arrays, each computed once by the reference rules. */
import { onlyCopies } from "../graph/copy.ts";
import { dependents, type Node, topological } from "../graph/graph.ts";
import { isComputed, isConstant, isInput } from "../graph/leaf.ts";
import { UsageError } from "../tensor/errors.ts";

/**
 * The relative error that is granted to a value computed from weights: 2^-44, that is 256 roundings.
 * It covers scaling, division and roots (a batch-norm's scale / sqrt(variance + epsilon)), where every step errs by a relative 2^-53,
 * whether that is done here or was done when the model was read.
 * A constant that the model computes with cancellation is taken as float64 computes it: that is then the network that is bounded.
 */
export const computedError = 2 ** -44;

export interface Fixed {
  readonly data: Float64Array;
  /** Relative: 0 for a weight that is only moved or repeated, else `computedError`. */
  readonly error: number;
}

/** Values of nodes that depend on no input. */
export function fixedValues(): (node: Node) => Fixed {
  const known = new Map<Node, Fixed>();
  return (wanted) => {
    for (const node of topological([wanted])) {
      if (known.has(node)) continue;
      if (isInput(node)) throw new UsageError(`a weight must not depend on the input "${node.attrs.name}"`);
      const inputs = node.inputs.map((i) => known.get(i) as Fixed);
      const data = node.op.evaluate(
        node,
        inputs.map((i) => i.data),
      );
      const exact = isConstant(node) ? !isComputed(node) : inputs[0]?.error === 0 && onlyCopies(node);
      known.set(node, { data, error: exact ? 0 : computedError });
    }
    return known.get(wanted) as Fixed;
  };
}

/** A node as a function of placeholders, in float64 by the reference rules; what does not depend on them is computed once. */
export function asFunction(output: Node, ...placeholders: readonly Node[]) {
  const order = topological([output]);
  const varies = dependents(order, placeholders);
  const still = new Map<Node, Float64Array>();
  const compute = (node: Node, values: ReadonlyMap<Node, Float64Array>) =>
    node.op.evaluate(
      node,
      node.inputs.map((i) => values.get(i) ?? (still.get(i) as Float64Array)),
    );
  for (const node of order) if (!varies.has(node)) still.set(node, compute(node, still));
  const steps = order.filter((node) => varies.has(node) && !placeholders.includes(node));
  return (...fed: readonly Float64Array[]): Float64Array => {
    const values = new Map(placeholders.map((p, i) => [p, fed[i]]));
    for (const node of steps) values.set(node, compute(node, values));
    return values.get(output) ?? (still.get(output) as Float64Array);
  };
}
