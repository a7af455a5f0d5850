/** @file A flow in which maxima are what their ops say they are made of: affine maps and ReLUs. */
import { type Flow, flowOf, isAffine } from "../../graph/behaviour.ts";
import { apply, dependents, type Node, topological } from "../../graph/graph.ts";
import { copyOrigin } from "../../graph/origin.ts";

/** Rebuild a flow with the parts of nodes in their place, where all parts have bounded slopes and `chosen` says so. */
export function unfolded(flow: Flow, chosen: (node: Node) => boolean): Flow {
  for (let now = flow; ; ) {
    const next = once(now, chosen);
    if (next === now) return now;
    now = next;
  }
}

// --- internal ---

function once(flow: Flow, chosen: (node: Node) => boolean): Flow {
  const { input, output, varies } = flow;
  const made = new Map<Node, Node>();
  let changed = false;
  for (const node of topological([output])) {
    const inputs = node.inputs.map((i) => made.get(i) as Node);
    let own = inputs.every((x, i) => x === node.inputs[i]) ? node : apply(node.op, inputs, node.attrs);
    if (varies.has(node) && node !== input && chosen(node)) {
      const parts = node.op.parts?.(
        own,
        node.inputs.map((i) => varies.has(i)),
      );
      if (parts && parts !== own && areTame(parts, inputs)) {
        own = parts;
        changed = true;
      }
    }
    if (own !== node) copyOrigin(node, own);
    made.set(node, own);
  }
  return changed ? flowOf(input, made.get(output) as Node) : flow;
}

/** Are all nodes from `inputs` to `end` affine, of bounded slopes, or made of such? */
function areTame(end: Node, inputs: readonly Node[]): boolean {
  const order = topological([end]);
  const varies = dependents(order, inputs);
  const before = new Set(topological(inputs));
  return order.every((node) => {
    if (before.has(node) || !varies.has(node)) return true;
    if (isAffine(node, varies)) return true;
    const mask = node.inputs.map((i) => varies.has(i));
    const behaviour = node.op.behaviour(node, mask);
    if (behaviour.kind === "pointwise") return behaviour.slope.every(Number.isFinite);
    return behaviour.kind === "smooth" && node.op.parts !== undefined;
  });
}
