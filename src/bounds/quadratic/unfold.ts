/** @file A flow in which maxima are what their ops say they are made of: affine maps and ReLUs. */
import { type Flow, flowOf, isAffine } from "../../graph/behaviour.ts";
import { apply, dependents, type Node, topological } from "../../graph/graph.ts";
import { isInput } from "../../graph/leaf.ts";
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
      if (parts && parts !== own && areTame(parts, inputs, input)) {
        own = parts;
        changed = true;
      }
    }
    if (own !== node) copyOrigin(node, own);
    made.set(node, own);
  }
  return changed ? flowOf(input, made.get(output) as Node) : flow;
}

/** Are all nodes from `inputs` to `end` affine, of bounded slopes, or made of such? What goes around the start of the flow is not, as a reshape of a reshape does that reads what is before both. */
function areTame(end: Node, inputs: readonly Node[], start: Node): boolean {
  const order = topological([end]);
  const varies = dependents(order, [start]);
  if (!varies.has(end) || goesAround(end, start)) return false;
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

/** Is an input of the network reached by a way that does not pass through `start`? */
function goesAround(end: Node, start: Node): boolean {
  const seen = new Set<Node>([start]);
  const stack = [end];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    if (isInput(node)) return true;
    stack.push(...node.inputs);
  }
  return false;
}
