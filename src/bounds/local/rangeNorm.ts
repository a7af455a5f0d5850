/** @file The constant of one op in one input while its inputs stay in ranges: of products, quotients and functions of one number that grow without bound. */
import { vjp } from "../../graph/gradient.ts";
import { apply, type Behaviour, type Node } from "../../graph/graph.ts";
import { filledLike, input } from "../../graph/leaf.ts";
import { type Matrix, matrix, transpose } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { down, sqrtUp, up } from "../../linalg/rounding.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { Norm } from "../bound.ts";
import type { Range } from "../domain.ts";
import { asFunction } from "../fixed.ts";
import type { Effort, NodeNorm } from "../norm/node.ts";
import { addUp, timesUp } from "../norm/region.ts";
import { middleOf, sizesOf } from "./rules.ts";

/** A constant that is known from above. */
export const stated = (upper: number): NodeNorm => ({ upper, lower: null, weight: null, status: "done" });

/** The constant in input `i` of an op that has none on all of space; null where it says nothing of ranges. */
export function onRanges(
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
      const whole = rangeOf(node.inputs[1 - i]);
      const other = local.of === "matrices" && i === 0 ? aroundMeans(node, whole) : whole;
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

/**
 * What stands for V in S V where S is a softmax over its last axis: rows of S add up to 1, those of S - S' to 0, so that any row may be taken off all rows of V. Taken off is the mean of the middles. This
 * is the softmax Jacobian of attention in closed form, V^T (diag(p) - p p^T) = (V - 1 c^T)^T (diag(p) - p p^T).
 */
function aroundMeans(node: Node, range: Range): Range {
  const [S, V] = node.inputs;
  const { op, attrs, shape } = S;
  if (op.computes !== "softmax" || (attrs as { readonly axis: number }).axis !== shape.length - 1) return range;
  const [rows, columns] = V.shape.slice(-2);
  const low = range.low.slice();
  const high = range.high.slice();
  for (let at = 0; at < low.length; at += rows * columns) {
    for (let j = 0; j < columns; j++) {
      let mean = 0;
      for (let i = 0; i < rows; i++) mean += (low[at + i * columns + j] / 2 + high[at + i * columns + j] / 2) / rows;
      if (!Number.isFinite(mean)) continue;
      for (let i = 0; i < rows; i++) {
        const k = at + i * columns + j;
        low[k] = down(low[k] - mean);
        high[k] = up(high[k] - mean);
      }
    }
  }
  return { low, high };
}

/** The largest absolute slope of a function of one number over ranges of its argument. */
export function steepestOn(
  slopeOn: (low: number, high: number) => readonly [number, number],
  { low, high }: Range,
): number {
  let steepest = 0;
  for (let k = 0; k < low.length; k++) {
    const [least, most] = slopeOn(low[k], high[k]);
    steepest = Math.max(steepest, Math.abs(least), Math.abs(most));
  }
  return Number.isNaN(steepest) ? Number.POSITIVE_INFINITY : steepest;
}

// --- internal ---

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
