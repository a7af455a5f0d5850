/** @file How much a network can curve anywhere, by one walk over the graph beside AutoLip's: each node adds its own curvature, and passes on that of what is before it. */
import type { Propagation } from "../bounds/autoLip.ts";
import type { NoConstant } from "../bounds/bound.ts";
import { addUp, pathsBound, sourceNorm, timesUp } from "../bounds/norm/region.ts";
import { regionEnds, regionOf } from "../graph/behaviour.ts";
import type { Node } from "../graph/graph.ts";
import { labelOf } from "../graph/origin.ts";
import { sqrtUp } from "../linalg/rounding.ts";

/** Bounds of the second derivatives of the nodes of a flow. */
export interface NodeCurvatures {
  /** C with ||D2 h(x)[u, v]|| <= C ||u|| ||v|| for all x, h the node as a function of the input, in l2; Infinity where nothing is proved. */
  curvatureOf(node: Node): number;
  /** The first node that has no bound. */
  readonly missing?: NoConstant;
}

/**
 * Bound the second derivative of every node, with L_i and N_i the l2 constants of input i and of the node in it.
 *
 *     h = g(h_1, ...):  D2 h[u, v] = D2 g[D h_i u, D h_i v] + sum_i D_i g [D2 h_i[u, v]]
 *     C_input = 0,  C_k = c_k sum_i L_i^2 + sum_i N_i C_i,  c_k the curvature that the op states of itself
 *
 * or, at the end of an affine region, sum over its sources of ||A_s|| C_s if that is less. Every step is rounded up.
 * `propagation` must be that of l2.
 */
export function nodeCurvatures(propagation: Propagation): NodeCurvatures {
  const { flow, norms, constantOf } = propagation;
  const found = new Map<Node, number>([[flow.input, 0]]);
  const ends = regionEnds(flow);
  const tightly: typeof pathsBound = (own, region, source, norm) =>
    sourceNorm(flow, own, region, source, norm, "tight");
  let missing: NoConstant | undefined;
  for (const node of flow.varying) {
    if (node === flow.input) continue;
    const varies = node.inputs.map((x) => flow.varies.has(x));
    const inputs = node.inputs.flatMap((x, i) => (varies[i] ? [{ x, i, C: found.get(x) as number }] : []));
    const own = ownCurvature(node, varies);
    const gain = inputs.reduce((sum, { x }) => addUp(sum, timesUp(constantOf(x), constantOf(x))), 0);
    let value = timesUp(own, gain);
    for (const { i, C } of inputs) if (C > 0) value = addUp(value, timesUp(norms.partial(node, i, 2).upper, C));
    const joint = inputs.length > 1 ? norms.joint(node, 2) : null;
    if (joint) {
      const together = sqrtUp(inputs.reduce((sum, { C }) => addUp(sum, timesUp(C, C)), 0));
      value = Math.min(value, addUp(timesUp(own, gain), timesUp(joint.upper, together)));
    }
    if (ends.has(node) && value > 0) {
      const region = regionOf(node, flow);
      let whole = 0;
      for (const source of region.sources) {
        const C = found.get(source) as number;
        if (C === 0) continue;
        // Of an infinite curvature only whether anything of it passes is worth finding out.
        const passing = C === Number.POSITIVE_INFINITY ? pathsBound : tightly;
        whole = addUp(whole, timesUp(passing(norms, region, source, 2), C));
      }
      value = Math.min(value, whole);
    }
    if (value === Number.POSITIVE_INFINITY && !missing) {
      missing = { node: labelOf(node), why: reason(node, varies) };
    }
    found.set(node, value);
  }
  const curvatureOf = (node: Node) => found.get(node) ?? 0;
  // An affine region may have a bound as a whole although one of its nodes has none.
  if (!missing || curvatureOf(flow.output) < Number.POSITIVE_INFINITY) return { curvatureOf };
  return { curvatureOf, missing };
}

// --- internal ---

/** ||D2 g|| of the op itself. */
function ownCurvature(node: Node, varies: readonly boolean[]): number {
  const behaviour = node.op.behaviour(node, varies);
  switch (behaviour.kind) {
    case "isometry":
    case "linear":
      return 0;
    case "pointwise":
    case "smooth":
      return behaviour.curvature;
    case "unbounded":
      return Number.POSITIVE_INFINITY;
    default:
      return behaviour satisfies never;
  }
}

function reason(node: Node, varies: readonly boolean[]): string {
  const behaviour = node.op.behaviour(node, varies);
  if (behaviour.kind === "unbounded") return behaviour.why;
  const sloped = behaviour.kind === "pointwise" || behaviour.kind === "smooth";
  return sloped && behaviour.curvature === Number.POSITIVE_INFINITY
    ? "its slope jumps"
    : "it has no Lipschitz constant";
}
