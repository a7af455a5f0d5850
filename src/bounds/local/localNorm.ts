/**
 * @file The constants of nodes on a domain. Ranges and constants go forward together: ranges tell the slopes of a node, and its constant
 * in turn keeps it within L times the largest distance in the domain around its value in the middle.
 */
import { type Flow, isAffine } from "../../graph/behaviour.ts";
import type { Node } from "../../graph/graph.ts";
import { down, sqrtUp, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Norm } from "../bound.ts";
import { boxAround, type Domain, type Range } from "../domain.ts";
import type { NodeNorm, NodeNorms } from "../norm/node.ts";
import { addUp, timesUp } from "../norm/region.ts";
import { workOf } from "../work.ts";
import { nodeRange } from "./intervals.ts";
import { onRanges, stated, steepestOn } from "./rangeNorm.ts";
import { both } from "./ranges.ts";
import { anything, fixedRange, middleOf } from "./rules.ts";
import { softmaxNorm } from "./softmax.ts";

/** The constants of the nodes of a flow on a domain, asked for in the flow's order. */
export interface LocalNorms extends Pick<NodeNorms, "partial"> {
  /** The constant in all varying inputs as one vector, or why there is none; null where the partial ones are what is known. */
  joint(node: Node, norm: Norm): NodeNorm | null;
  /** Note that a node has constant L, and give it back: 0 where the node does not move on the domain. In a hurry its range is left open. */
  note(node: Node, L: number, hurry: boolean): number;
  /** Between what the numbers of a node lie on the domain, once it is settled. */
  rangeOf(node: Node): Range;
}

/**
 * Norms of nodes on a ball or box, or everywhere: some functions have bounded values whatever goes in, so that products of them have a constant. `norms` are those without any
 * range, `norm` the one of the constants that are settled.
 */
export function localNorms(flow: Flow, norms: NodeNorms, domain: Domain, norm: Norm): LocalNorms {
  const global = domain.kind === "global";
  const size = sizeOf(flow.input.shape);
  const box = global ? anything(size) : boxAround(domain, size);
  const { mid, radius } = middleOf(box);
  const center = domain.kind === "ball" ? Float64Array.from(domain.center) : mid;
  const distance = global ? Number.POSITIVE_INFINITY : largestDistance(domain, radius, norm);
  const constants = new Map<Node, number>();
  const ranges = new Map<Node, Range>([[flow.input, box]]);
  const middles = new Map<Node, Range>([[flow.input, global ? box : { low: center, high: center }]]);
  const maskOf = (node: Node) => node.inputs.map((x) => flow.varies.has(x));
  const rangeOf = (node: Node): Range => {
    const known =
      ranges.get(node) ?? (flow.varies.has(node) ? anything(sizeOf(node.shape)) : fixedRange(norms.fixed(node)));
    ranges.set(node, known);
    return known;
  };
  /** Nodes without any limits. */
  const open = new Set<Node>(global ? [flow.input] : []);
  let spent = 0;
  // Is there a node whose range was left open?
  let left = false;
  const moves = (node: Node) => flow.varies.has(node) && constants.get(node) !== 0;

  return {
    rangeOf,

    partial(node, i, p, effort = "tight") {
      const whole = node.op.behaviour(node, maskOf(node));
      if (whole.kind === "unbounded") {
        const own = onRanges(node, i, whole, p, effort, rangeOf);
        if (own?.status === "unbounded" && global) return { ...own, why: whole.why };
        if (own?.status === "unbounded" && left) return { ...own, status: "too large", why: tooMuch };
        if (own) return own;
      }
      if (node.op.computes === "choice" && i > 0) {
        // A branch that no condition takes on the domain.
        const { low, high } = rangeOf(node.inputs[0]);
        if (i === 1 ? high.every((v) => v === 0) : low.every((v) => v !== 0)) return stated(0);
      }
      const alone = node.op.behaviour(
        node,
        node.inputs.map((_, k) => k === i),
      );
      const everywhere = norms.partial(node, i, p, effort);
      const range = rangeOf(node.inputs[i]);
      const steepest =
        alone.kind === "pointwise"
          ? steepestOn(alone.slopeOn, range)
          : alone.kind === "smooth" && alone.on
            ? alone.on(range.low, range.high)[p]
            : node.op.computes === "softmax"
              ? softmaxNorm(node, range, p)
              : Number.POSITIVE_INFINITY;
      return { ...everywhere, upper: Math.min(everywhere.upper, steepest) };
    },

    joint(node, p) {
      const known = norms.joint(node, p);
      if (known?.status !== "unbounded") return known;
      const whole = node.op.behaviour(node, maskOf(node));
      if (whole.kind === "unbounded" && whole.local) return null;
      // What does not move on the domain, a condition say, is a constant there.
      const rest = node.inputs.map(moves);
      if (!rest.includes(true)) return null;
      const own = node.op.behaviour(node, rest);
      if (own.kind === "unbounded") return known;
      return own.kind === "linear" && own.of.form === "bounded" ? stated(own.of.norm[p]) : null;
    },

    note(node, L, hurry) {
      // An affine map of what has no limits has none.
      if (global && isAffine(node, flow.varies) && node.inputs.every((x) => open.has(x) || !flow.varies.has(x))) {
        open.add(node);
        constants.set(node, L);
        return L;
      }
      const work = workOf(node, flow.varies);
      spent += work;
      if (spent > largestWork || (hurry && work > quickWork)) {
        left = true;
        ranges.set(node, anything(sizeOf(node.shape)));
        middles.set(node, anything(sizeOf(node.shape)));
      } else {
        const varies = maskOf(node);
        const from = (of: (x: Node) => Range) => nodeRange(node, node.inputs.map(of), varies);
        const middle = from((x) => middles.get(x) ?? rangeOf(x));
        const around = timesUp(L, distance);
        const ball =
          around < Number.POSITIVE_INFINITY
            ? { low: middle.low.map((v) => down(v - around)), high: middle.high.map((v) => up(v + around)) }
            : anything(middle.low.length);
        middles.set(node, middle);
        ranges.set(node, both(from(rangeOf), ball));
      }
      const { low, high } = rangeOf(node);
      const still = low.every((v, k) => v === high[k]);
      constants.set(node, still ? 0 : L);
      return still ? 0 : L;
    },
  };
}

// --- internal ---

/** Float64 operations that ranges may take in one walk, and in one node where time has run out. */
const largestWork = 2e9;
const quickWork = 1e6;
const tooMuch = "the ranges before it are too much work for the time";

/** The largest p-norm of x - center over the domain, rounded up. */
function largestDistance(
  domain: Exclude<Domain, { readonly kind: "global" }>,
  radius: Float64Array,
  norm: Norm,
): number {
  if (domain.kind === "ball" && domain.norm === 2) {
    return norm === 1 ? up(sqrtUp(radius.length) * domain.radius) : domain.radius;
  }
  if (norm === "inf") return radius.reduce((top, r) => Math.max(top, r), 0);
  if (norm === 1) return radius.reduce(addUp, 0);
  return sqrtUp(radius.reduce((sum, r) => addUp(sum, timesUp(r, r)), 0));
}
