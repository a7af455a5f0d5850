/** @file How far float64 logits can be from the true ones: an error bound from the norms of the nodes, before any sample is seen. */
import type { Propagation } from "../bounds/autoLip.ts";
import { addUp, timesUp } from "../bounds/norm/region.ts";
import { flowOf } from "../graph/behaviour.ts";
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import { gamma, up } from "../linalg/rounding.ts";
import { sizeOf } from "../tensor/shape.ts";

/** What is known of the values of nodes before any sample is seen, in the l-inf norm. */
export interface ForwardErrors {
  /** What float64 may make of a node's value beside the true one. */
  error(node: Node): number;
  /** The largest absolute value that the node can have. */
  size(node: Node): number;
}

/**
 * Bound the error of every output, evaluated in float64 in any order of summation, for inputs with ||x||_inf <= `inputSize`.
 * `propagation` is that of l-inf.
 */
export function logitError(propagation: Propagation, inputSize: number): number {
  return forwardErrors(propagation, inputSize).error(propagation.flow.output);
}

/**
 * Bound the errors of all nodes.
 *
 *     delta_k = sum_i N_ki delta_i + gamma_(n+8) ( sum_i N_ki (m_i + delta_i) + m_k ),   m_k = |value at 0|_inf + L_k inputSize
 *
 * with N_ki the l-inf norms of node k in its inputs i, L_k the l-inf constant of node k and n the numbers that it reads.
 * A composition that is one node counts eight for each of its ops; in flows that are made for this its parts give it to a few roundings of x and of itself (`Fusing.unsteady`).
 * It is assumed that an elementary function errs by a few units in the last place of the larger of its argument and its result.
 */
export function forwardErrors({ flow, norms, constantOf }: Propagation, inputSize: number): ForwardErrors {
  const values = valuesAtZero(flow.input, flow.varying, (node) => norms.fixed(node).data);
  const error = new Map<Node, number>([[flow.input, 0]]);
  const size = (node: Node) =>
    addUp(
      (values.get(node) as Float64Array).reduce((top, v) => Math.max(top, Math.abs(v)), 0),
      timesUp(constantOf(node), inputSize),
    );
  for (const node of flow.varying) {
    if (node === flow.input) continue;
    let carried = 0;
    let read = size(node);
    let terms = 8 * partsOf(node);
    node.inputs.forEach((x, i) => {
      terms += sizeOf(x.shape);
      if (!flow.varies.has(x)) return;
      const before = error.get(x) as number;
      const N = norms.partial(node, i, "inf").upper;
      carried = addUp(carried, timesUp(N, before));
      read = addUp(read, timesUp(N, addUp(size(x), before)));
    });
    error.set(node, addUp(carried, timesUp(up(gamma(terms)), read)));
  }
  return { error: (node) => error.get(node) ?? 0, size };
}

// --- internal ---

/** Of how many ops a node is made. */
function partsOf(node: Node): number {
  if (!node.op.composed) return 1;
  const [x] = node.inputs;
  const slot = input("composition", x.shape, x.dtype);
  return flowOf(slot, node.op.composed(node, [slot])).varying.length;
}

function valuesAtZero(
  input: Node,
  varying: readonly Node[],
  fixed: (node: Node) => Float64Array,
): ReadonlyMap<Node, Float64Array> {
  const values = new Map<Node, Float64Array>([[input, new Float64Array(sizeOf(input.shape))]]);
  for (const node of varying) {
    if (node === input) continue;
    const inputs = node.inputs.map((x) => values.get(x) ?? fixed(x));
    values.set(node, node.op.evaluate(node, inputs));
  }
  return values;
}
