/**
 * @file What a graph inherits from its ops: which nodes vary, which are affine in what varies, and the maximal affine regions - the
 * maps between which the non-linear nodes stand. A bound that knows a region's matrix beats one that multiplies along its path.
 */
import { dependents, type Node, topological } from "./graph.ts";

/** A graph of one input, seen from its output. */
export interface Flow {
  readonly input: Node;
  readonly output: Node;
  /** The nodes that depend on the input, the input first, each after its inputs; empty if the output does not depend on it. */
  readonly varying: readonly Node[];
  readonly varies: ReadonlySet<Node>;
}

/** An affine map: `output` = sum over sources s of A_s s + b. `nodes` are what computes it, each after its inputs, without the sources. */
export interface Region {
  readonly sources: readonly Node[];
  readonly output: Node;
  readonly nodes: readonly Node[];
}

/** Find what varies between an input and an output. */
export function flowOf(input: Node, output: Node): Flow {
  const order = topological([output]);
  const found = dependents(order, [input]);
  const varying = found.has(output) && order.includes(input) ? order.filter((n) => found.has(n)) : [];
  return { input, output, varying, varies: new Set(varying) };
}

/** Is the node affine in those of its inputs that vary, taken together? An isometry of a p-norm for every p is affine. */
export function isAffine(node: Node, varies: ReadonlySet<Node>): boolean {
  const mask = node.inputs.map((i) => varies.has(i));
  if (!mask.includes(true)) return false;
  const { kind } = node.op.behaviour(node, mask);
  return kind === "isometry" || kind === "linear";
}

/** The largest affine region that ends in `output`: back to the nodes that are not affine, or to the input of the flow. */
export function regionOf(output: Node, flow: Flow): Region {
  const inside = new Set<Node>();
  const sources = new Set<Node>();
  const stack = [output];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (inside.has(node) || sources.has(node)) continue;
    if (node === flow.input || !isAffine(node, flow.varies)) {
      sources.add(node);
      continue;
    }
    inside.add(node);
    stack.push(...node.inputs.filter((i) => flow.varies.has(i)));
  }
  return {
    output,
    sources: flow.varying.filter((n) => sources.has(n)),
    nodes: flow.varying.filter((n) => inside.has(n)),
  };
}

/** Where affine regions end: affine nodes that are the output, or that a node reads which is not affine. */
export function regionEnds(flow: Flow): Set<Node> {
  const ends = new Set<Node>();
  const add = (node: Node) => {
    if (node !== flow.input && isAffine(node, flow.varies)) ends.add(node);
  };
  for (const node of flow.varying) {
    if (node === flow.input) continue;
    if (!isAffine(node, flow.varies)) for (const i of node.inputs) if (flow.varies.has(i)) add(i);
  }
  if (flow.varying.length > 0) add(flow.output);
  return ends;
}
