/** @file Where a graph is as narrow as one node. */
import type { Flow } from "./behaviour.ts";
import type { Node } from "./graph.ts";

/** The nodes through which every path from the input to the output passes, the input first: the dominators of the output. */
export function dominators(flow: Flow): Node[] {
  const place = new Map(flow.varying.map((node, i) => [node, i]));
  // The furthest reader of each node, as seen from the nodes before it: a dominator is where none reaches past.
  let reach = 0;
  const lastReader = new Array<number>(flow.varying.length).fill(0);
  flow.varying.forEach((node, i) => {
    for (const x of node.inputs) {
      const at = place.get(x);
      if (at !== undefined) lastReader[at] = Math.max(lastReader[at], i);
    }
  });
  const found: Node[] = [];
  flow.varying.forEach((node, i) => {
    if (reach <= i && node !== flow.output) found.push(node);
    reach = Math.max(reach, lastReader[i]);
  });
  return found;
}
