/** @file A flow in which every node is affine, acts on single numbers or multiplies: maxima, pools, softmax and quotients as the parts that their ops say they are made of. */
import { type Flow, flowOf } from "../../graph/behaviour.ts";
import { apply, dependents, type Node, topological } from "../../graph/graph.ts";
import { copyOrigin } from "../../graph/origin.ts";

/** A flow made simpler, and of its nodes which node of the flow before they compute. */
export interface Simpler {
  readonly flow: Flow;
  readonly of: ReadonlyMap<Node, Node>;
}

/** Rebuild a flow until no node is left that has parts. */
export function simplerFlow(flow: Flow): Simpler {
  let now: Simpler = { flow, of: new Map(flow.varying.map((node) => [node, node])) };
  for (;;) {
    const next = once(now.flow);
    if (!next) return now;
    const { of } = now;
    now = { flow: next.flow, of: new Map([...of].map(([node, original]) => [next.made.get(node) as Node, original])) };
  }
}

// --- internal ---

function once(flow: Flow): { readonly flow: Flow; readonly made: ReadonlyMap<Node, Node> } | null {
  const { input, output } = flow;
  const order = topological([output]);
  const varies = dependents(order, [input]);
  const made = new Map<Node, Node>();
  let changed = false;
  for (const node of order) {
    const inputs = node.inputs.map((i) => made.get(i) as Node);
    let own = inputs.every((x, i) => x === node.inputs[i]) ? node : apply(node.op, inputs, node.attrs);
    if (varies.has(node) && node !== input) {
      const mask = node.inputs.map((i) => varies.has(i));
      const parts = node.op.parts?.(own, mask);
      if (parts) {
        own = parts;
        changed = true;
      }
    }
    if (own !== node) copyOrigin(node, own);
    made.set(node, own);
  }
  return changed ? { flow: flowOf(input, made.get(output) as Node), made } : null;
}
