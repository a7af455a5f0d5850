/**
 * @file Forward mode: one forward walk that pushes tangents. Ops have no rule for it: a vjp is linear in its cotangent, so
 * pulling back through the vjp itself is pushing forward. The cotangent is a placeholder that cancels out of the result.
 */

import { accumulate } from "./accumulate.ts";
import { vjp } from "./gradient.ts";
import { dependents, type Node, topological } from "./graph.ts";
import { input } from "./leaf.ts";

/** Push tangents of `xs` forward to `ys`: sum_i (d ys[k] / d xs[i]) dxs[i]; null where a y depends on no x. */
export function jvp(ys: readonly Node[], xs: readonly Node[], dxs: readonly Node[]): (Node | null)[] {
  const order = topological(ys);
  const active = dependents(order, xs);
  const tangents = new Map<Node, Node>();
  xs.forEach((x, i) => {
    const have = tangents.get(x);
    tangents.set(x, have ? accumulate(have, dxs[i]) : dxs[i]);
  });
  for (const node of order) {
    if (!active.has(node) || tangents.has(node)) continue;
    const placeholder = input("tangent placeholder", node.shape, node.dtype);
    const pulled = node.op.vjp(node, placeholder);
    const sources: Node[] = [];
    const seeds: Node[] = [];
    node.inputs.forEach((x, i) => {
      const dx = tangents.get(x);
      const back = pulled[i];
      if (dx && back) {
        sources.push(back);
        seeds.push(dx);
      }
    });
    const [pushed] = sources.length > 0 ? vjp(sources, seeds, [placeholder]) : [null];
    if (pushed) tangents.set(node, pushed);
  }
  return ys.map((y) => tangents.get(y) ?? null);
}
