/** @file Mean, largest and smallest over axes. (The sum stands with broadcast, its adjoint.) */
import { apply, type Node, type Op } from "../graph/graph.ts";
import { ShapeError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { cast, div, greater, less, mul, neg, not } from "./arith.ts";
import {
  broadcastTo,
  type ReduceAttrs,
  reduceAttrs,
  reducedShape,
  reduceLoop,
  sum,
  withKeptAxes,
} from "./broadcast.ts";
import { bounded, channelSums, up } from "./facts.ts";
import { largestAlong } from "./largest.ts";
import { reduceForm } from "./lowering.ts";
import { reshape, transpose } from "./movement.ts";

/** The mean over axes (all of them if none are given); `keep` leaves them with length 1. */
export const mean = (x: Node, axes?: readonly number[], keep = false): Node => reduce("mean", meanOp, x, axes, keep);

/** The largest element over axes; elements that tie for it share the cotangent evenly. */
export const reduceMax = (x: Node, axes?: readonly number[], keep = false): Node =>
  reduce("reduceMax", reduceMaxOp, x, axes, keep);

/** The smallest element over axes; elements that tie for it share the cotangent evenly. */
export const reduceMin = (x: Node, axes?: readonly number[], keep = false): Node =>
  reduce("reduceMin", reduceMinOp, x, axes, keep);

const meanOp: Op<ReduceAttrs> = {
  name: "ReduceMean",
  order: "adds",
  infer: ([x], attrs) => ({ dtype: x.dtype, shape: reducedShape(x.shape, attrs) }),
  vjp(y, dy) {
    const [x] = y.inputs;
    return [broadcastTo(withKeptAxes(y, mul(dy, 1 / groupSize(y))), x.shape)];
  },
  behaviour(y) {
    const n = groupSize(y);
    return bounded(up(1 / n), up(1 / Math.sqrt(n)), 1, channelSums(y, (1 - 2 ** -50) / n, up(1 / n)));
  },
  evaluate(y, [x]) {
    const n = groupSize(y);
    return reduceLoop(x, y.inputs[0].shape, y.attrs.axes, 0, (a, v) => a + v).map((v) => v / n);
  },
  onnx: (y, build) => reduceForm(build, "ReduceMean", build.input(0), y.attrs.axes, y.attrs.keep),
};

const reduceMaxOp = extremum("ReduceMax", "largest", Number.NEGATIVE_INFINITY, Math.max, less);
const reduceMinOp = extremum("ReduceMin", "smallest", Number.POSITIVE_INFINITY, Math.min, greater);

// --- internal ---

function reduce(who: string, op: Op<ReduceAttrs>, x: Node, axes: readonly number[] | undefined, keep: boolean): Node {
  const attrs = reduceAttrs(who, x.shape, axes, keep);
  if (attrs.axes.some((a) => x.shape[a] === 0)) {
    throw new ShapeError(`${who}: the reduced axes must not be empty, got [${x.shape.join(",")}]`);
  }
  return attrs.axes.every((a) => x.shape[a] === 1) ? reshape(x, reducedShape(x.shape, attrs)) : apply(op, [x], attrs);
}

/** How many elements meet in one result. */
const groupSize = (y: Node<ReduceAttrs>): number => sizeOf(y.inputs[0].shape) / Math.max(1, sizeOf(y.shape));

/** `worse(x, y)` says that x is not the extremum y. */
function extremum(
  name: string,
  computes: "largest" | "smallest",
  start: number,
  better: (a: number, b: number) => number,
  worse: (a: Node, b: Node) => Node,
): Op<ReduceAttrs> {
  return {
    name,
    computes,
    order: "rises",
    infer: ([x], attrs) => ({ dtype: x.dtype, shape: reducedShape(x.shape, attrs) }),
    vjp(y, dy) {
      const [x] = y.inputs;
      const full = (node: Node) => broadcastTo(withKeptAxes(y, node), x.shape);
      const reached = cast(not(worse(x, full(y))), x.dtype);
      const ties = sum(reached, y.attrs.axes, true);
      return [mul(full(dy), div(reached, broadcastTo(ties, x.shape)))];
    },
    // |max a - max b| <= max |a - b|, which no p-norm of a - b is below.
    behaviour: () => ({ kind: "smooth", lipschitz: { 1: 1, 2: 1, inf: 1 }, curvature: Number.POSITIVE_INFINITY }),
    // The smallest is the largest of what is turned round, turned round.
    parts(y) {
      const turn = (x: Node) => (computes === "smallest" ? neg(x) : x);
      const { axes } = y.attrs;
      const kept = y.inputs[0].shape.flatMap((_, i) => (axes.includes(i) ? [] : [i]));
      const apart = transpose(turn(y.inputs[0]), [...kept, ...axes]);
      const n = sizeOf(axes.map((i) => y.inputs[0].shape[i]));
      const rows = reshape(apart, [...kept.map((i) => y.inputs[0].shape[i]), n]);
      return turn(reshape(largestAlong(rows, kept.length), y.shape));
    },
    evaluate: (y, [x]) => reduceLoop(x, y.inputs[0].shape, y.attrs.axes, start, better),
    onnx: (y, build) => reduceForm(build, name, build.input(0), y.attrs.axes, y.attrs.keep),
  };
}
