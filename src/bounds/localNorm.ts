/**
 * @file The constants of nodes on a domain. Ranges and constants go forward together: ranges tell the slopes of a node, and its constant
 * in turn keeps it within L times the reach of the domain around its value in the middle.
 */
import type { Flow } from "../graph/behaviour.ts";
import { vjp } from "../graph/gradient.ts";
import { apply, type Behaviour, type Node } from "../graph/graph.ts";
import { filledLike, input } from "../graph/leaf.ts";
import { type Matrix, matrix, transpose } from "../linalg/matrix.ts";
import { inducedNorm } from "../linalg/norm.ts";
import { down, sqrtUp, up } from "../linalg/rounding.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Norm } from "./bound.ts";
import { boxAround, type Domain, type Range } from "./domain.ts";
import { asFunction } from "./fixed.ts";
import { anything, fixedRange, middleOf, nodeRange, sizesOf } from "./intervals.ts";
import type { Effort, NodeNorm, NodeNorms } from "./nodeNorm.ts";
import { both } from "./ranges.ts";
import { addUp, timesUp } from "./region.ts";
import { softmaxNorm } from "./softmaxRange.ts";
import { workOf } from "./work.ts";

/** The constants of the nodes of a flow on a domain, asked for in the flow's order. */
export interface LocalNorms extends Pick<NodeNorms, "partial"> {
  /** The constant in all varying inputs as one vector, or why there is none; null where the partial ones are what is known. */
  joint(node: Node, norm: Norm): NodeNorm | null;
  /** Note that a node has constant L, and give it back: 0 where the node does not move on the domain. In a hurry its range is left open. */
  settle(node: Node, L: number, hurry: boolean): number;
}

/** Norms of nodes on a ball or box. `norms` are those on all of space, `norm` the one of the constants that are settled. */
export function localNorms(
  flow: Flow,
  norms: NodeNorms,
  domain: Exclude<Domain, { readonly kind: "global" }>,
  norm: Norm,
): LocalNorms {
  const box = boxAround(domain, sizeOf(flow.input.shape));
  const { mid, radius } = middleOf(box);
  const center = domain.kind === "ball" ? Float64Array.from(domain.center) : mid;
  const reach = reachOf(domain, radius, norm);
  const constants = new Map<Node, number>();
  const ranges = new Map<Node, Range>([[flow.input, box]]);
  const middles = new Map<Node, Range>([[flow.input, { low: center, high: center }]]);
  const maskOf = (node: Node) => node.inputs.map((x) => flow.varies.has(x));
  const rangeOf = (node: Node): Range => {
    const known =
      ranges.get(node) ?? (flow.varies.has(node) ? anything(sizeOf(node.shape)) : fixedRange(norms.fixed(node)));
    ranges.set(node, known);
    return known;
  };
  let spent = 0;
  // Is there a node whose range was left open?
  let left = false;
  const moves = (node: Node) => flow.varies.has(node) && constants.get(node) !== 0;

  return {
    partial(node, i, p, effort = "tight") {
      const whole = node.op.behaviour(node, maskOf(node));
      if (whole.kind === "unbounded") {
        const own = onRanges(node, i, whole, p, effort, rangeOf);
        if (own?.status === "unbounded" && left) return { ...own, status: "too large", why: tooMuch };
        if (own) return own;
      }
      if (node.op.name === "Where" && i > 0) {
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
          : node.op.name === "Softmax"
            ? softmaxNorm(node, range)
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

    settle(node, L, hurry) {
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
        const around = timesUp(L, reach);
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
function reachOf(domain: Domain, radius: Float64Array, norm: Norm): number {
  if (domain.kind === "ball" && domain.norm === 2) {
    return norm === 1 ? up(sqrtUp(radius.length) * domain.radius) : domain.radius;
  }
  if (norm === "inf") return radius.reduce((top, r) => Math.max(top, r), 0);
  if (norm === 1) return radius.reduce(addUp, 0);
  return sqrtUp(radius.reduce((sum, r) => addUp(sum, timesUp(r, r)), 0));
}

const stated = (upper: number): NodeNorm => ({ upper, lower: null, weight: null, status: "done" });

/** The constant in input `i` of an op that has none on all of space; null where it says nothing of ranges. */
function onRanges(
  node: Node,
  i: number,
  { local, why }: Behaviour & { readonly kind: "unbounded" },
  norm: Norm,
  effort: Effort,
  rangeOf: (node: Node) => Range,
): NodeNorm | null {
  const finite = (upper: number, reason: string): NodeNorm =>
    upper < Number.POSITIVE_INFINITY
      ? stated(upper)
      : { ...stated(Number.POSITIVE_INFINITY), status: "unbounded", why: `${why}, and ${reason}` };
  switch (local?.kind) {
    case undefined:
      return null;
    case "slopes":
      return finite(steepestOn(local.slopeOn, rangeOf(node.inputs[i])), "here its input reaches there");
    case "product": {
      const other = rangeOf(node.inputs[1 - i]);
      const upper =
        local.of === "elements"
          ? sizesOf(other).reduce((top, v) => Math.max(top, v), 0)
          : factorNorm(node, i, other, norm, local.of === "matrices" && effort === "tight");
      return finite(Number.isNaN(upper) ? Number.POSITIVE_INFINITY : upper, "here one of them has no limits");
    }
    case "quotient": {
      // |a / b - a / b'| = |a| |b - b'| / |b b'|.
      const [a, b] = node.inputs.map(rangeOf);
      const upper = b.low.reduce((top, l, k) => {
        const least = l > 0 ? l : b.high[k] < 0 ? -b.high[k] : 0;
        const one = least > 0 ? up(1 / least) : Number.POSITIVE_INFINITY;
        const size = Math.max(Math.abs(a.low[k]), Math.abs(a.high[k]));
        return Math.max(top, i === 0 || least === 0 ? one : timesUp(size, timesUp(one, one)));
      }, 0);
      return finite(upper, "here it may be 0");
    }
    default:
      return local satisfies never;
  }
}

function steepestOn(slopeOn: (low: number, high: number) => readonly [number, number], { low, high }: Range): number {
  let steepest = 0;
  for (let k = 0; k < low.length; k++) {
    const [least, most] = slopeOn(low[k], high[k]);
    steepest = Math.max(steepest, Math.abs(least), Math.abs(most));
  }
  return Number.isNaN(steepest) ? Number.POSITIVE_INFINITY : steepest;
}

/**
 * The norm of a product in one factor, the other in a range: of the map M of absolute values ||M||_inf = max of M 1 and ||M||_1 = max of M^T 1,
 * and the l2 norm is at most the root of their product. A matrix is also M + D with |D| <= the radius.
 */
function factorNorm(node: Node, i: number, other: Range, norm: Norm, tight: boolean): number {
  const sizes = sizesOf(other);
  if (sizes.some((v) => !Number.isFinite(v))) return Number.POSITIVE_INFINITY;
  const slots = node.inputs.map((x, k) => input(`factor ${k}`, x.shape, x.dtype));
  const alone = apply(node.op, slots, node.attrs);
  const ones = new Float64Array(sizeOf(slots[i].shape)).fill(1);
  const top = (v: Float64Array) => {
    const terms = sizes.length + v.length + ones.length;
    return timesUp(
      v.reduce((t, x) => Math.max(t, x), 0),
      1 + terms * Number.EPSILON,
    );
  };
  const rows = () => top(node.op.evaluate(alone, i === 0 ? [ones, sizes] : [sizes, ones]));
  const columns = () => {
    const [pulled] = vjp([alone], [filledLike(alone, 1)], [slots[i]]);
    return pulled ? top(asFunction(pulled, slots[1 - i])(sizes)) : Number.POSITIVE_INFINITY;
  };
  if (norm === 1) return columns();
  if (norm === "inf") return rows();
  const quick = sqrtUp(timesUp(rows(), columns()));
  return tight ? Math.min(quick, matricesNorm(other, node.inputs[1 - i].shape.slice(-2), i === 0)) : quick;
}

/** The largest spectral norm that a stack of matrices in a range can have. */
function matricesNorm(range: Range, [rows, cols]: readonly number[], turned: boolean): number {
  const { mid, radius } = middleOf(range);
  const most = sizesOf(range);
  const size = rows * cols;
  let top = 0;
  for (let at = 0; at < mid.length; at += size) {
    const part = (v: Float64Array): Matrix => {
      const W = matrix(rows, cols, v.slice(at, at + size));
      return turned ? transpose(W) : W;
    };
    const bound = (v: Float64Array) => inducedNorm(part(v), 2).upper;
    const apart = radius.subarray(at, at + size).every((r) => r === 0) ? bound(mid) : addUp(bound(mid), bound(radius));
    top = Math.max(top, Math.min(apart, bound(most)));
  }
  return top;
}
