/**
 * @file Softmax, its logarithm, and log-sum-exp, all computed after taking off the largest element.
 * Their constants hold on all of space: the domain is convex, so each is the supremum of a norm of the Jacobian.
 */
import { apply, type Node, type Op } from "../graph/graph.ts";
import { ShapeError } from "../tensor/errors.ts";
import { checkAxis, type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import { add, log, mul, neg, pow, sub } from "./arith.ts";
import {
  broadcastTo,
  type ReduceAttrs,
  reduceAttrs,
  reducedShape,
  reduceLoop,
  sum,
  withKeptAxes,
} from "./broadcast.ts";
import { up } from "./facts.ts";
import { reduceForm } from "./lowering.ts";
import { reshape, sliceAxis, transpose } from "./movement.ts";
import { exp } from "./pointwise.ts";

/** e^x_i / sum_j e^x_j along an axis. */
export const softmax = (x: Node, axis = -1): Node => apply(softmaxOp, [x], { axis: softAxis("softmax", x, axis) });

/** x_i - ln sum_j e^x_j along an axis. */
export const logSoftmax = (x: Node, axis = -1): Node =>
  apply(logSoftmaxOp, [x], { axis: softAxis("logSoftmax", x, axis) });

/** ln sum_j e^x_j over axes (all of them if none are given); `keep` leaves them with length 1. */
export const logSumExp = (x: Node, axes?: readonly number[], keep = false): Node =>
  apply(logSumExpOp, [x], reduceAttrs("logSumExp", x.shape, axes, keep));

/** What a softmax over the last axis, or its logarithm, was taken of: scores in the same order. Null for any other node. */
export function scoresOf(y: Node): Node | null {
  if (y.op !== (softmaxOp as Op) && y.op !== (logSoftmaxOp as Op)) return null;
  return (y.attrs as AxisAttrs).axis === y.shape.length - 1 ? y.inputs[0] : null;
}

interface AxisAttrs {
  readonly axis: number;
}

const softmaxOp: Op<AxisAttrs> = {
  name: "Softmax",
  computes: "softmax",
  infer: ([x]) => ({ dtype: x.dtype, shape: x.shape }),
  vjp(y, dy) {
    const { axis } = y.attrs;
    return [mul(y, sub(dy, sum(mul(dy, y), [axis], true)))];
  },
  // J = diag(p) - p p^T. l2: u^T J u is the variance of u under p, at most a quarter of the squared range, and a unit
  // vector ranges over at most sqrt 2. l1 and l-inf: a row adds up to 2 p_i (1 - p_i). The second derivative is the third
  // central moment of u, at most range^3 / (6 sqrt 3): 0.2721655269759...
  behaviour: () => ({ kind: "smooth", lipschitz: { 1: 0.5, 2: 0.5, inf: 0.5 }, curvature: 0.27216552698 }),
  parts: (y) => pow(sumOfRatios(y), -1),
  evaluate(y, [x]) {
    const { at, shift, total } = groups(x, y.shape, [y.attrs.axis]);
    return x.map((v, i) => Math.exp(v - shift[at[i]]) / total[at[i]]);
  },
  onnx: (y, build) => softForm(softmaxOp, y, build),
};

const logSoftmaxOp: Op<AxisAttrs> = {
  name: "LogSoftmax",
  infer: ([x]) => ({ dtype: x.dtype, shape: x.shape }),
  vjp: (y, dy) => [sub(dy, mul(exp(y), sum(dy, [y.attrs.axis], true)))],
  // J = I - 1 p^T: rows add up to 2 (1 - p_i), columns to 1 + (n - 2) p_j, and a projection has the norm of its complement,
  // here |1| |p| <= sqrt n. The second derivative is 1 times that of log-sum-exp: sqrt n / 2.
  behaviour(y) {
    const n = y.shape[y.attrs.axis];
    const two = up(Math.sqrt(n));
    return { kind: "smooth", lipschitz: { 1: Math.max(1, n - 1), 2: two, inf: 2 }, curvature: two / 2 };
  },
  parts: (y) => neg(log(sumOfRatios(y))),
  evaluate(y, [x]) {
    const { at, shift, total } = groups(x, y.shape, [y.attrs.axis]);
    return x.map((v, i) => v - shift[at[i]] - Math.log(total[at[i]]));
  },
  onnx: (y, build) => softForm(logSoftmaxOp, y, build),
};

const logSumExpOp: Op<ReduceAttrs> = {
  name: "ReduceLogSumExp",
  infer: ([x], attrs) => ({ dtype: x.dtype, shape: reducedShape(x.shape, attrs) }),
  vjp(y, dy) {
    const [x] = y.inputs;
    const full = (node: Node) => broadcastTo(withKeptAxes(y, node), x.shape);
    return [mul(full(dy), exp(sub(x, full(y))))];
  },
  // The gradient is a probability vector: at most 1 in every norm. The Hessian is softmax's Jacobian: at most 1/2.
  behaviour: () => ({ kind: "smooth", lipschitz: { 1: 1, 2: 1, inf: 1 }, curvature: 0.5 }),
  // ln sum_j e^x_j = x_0 + ln sum_j e^(x_j - x_0)
  parts(y) {
    const { axes } = y.attrs;
    const [x] = y.inputs;
    const first = axes.reduce((node, axis) => sliceAxis(node, axis, 0, 1), x);
    const ratios = sum(exp(sub(x, first)), axes, true);
    return reshape(add(first, log(ratios)), y.shape);
  },
  evaluate(y, [x]) {
    const { shift, total } = groups(x, y.inputs[0].shape, y.attrs.axes);
    return total.map((t, g) => Math.log(t) + shift[g]);
  },
  onnx: (y, build) => reduceForm(build, "ReduceLogSumExp", build.input(0), y.attrs.axes, y.attrs.keep),
};

// --- internal ---

/** sum_j e^(x_j - x_i) for every i: 1 over the softmax, of differences alone. */
function sumOfRatios(y: Node<AxisAttrs>): Node {
  const { axis } = y.attrs;
  const [x] = y.inputs;
  const others = reshape(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
  const own = reshape(x, [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)]);
  return sum(exp(sub(others, own)), [axis + 1]);
}

function softAxis(who: string, x: Node, axis: number): number {
  if (x.shape.length === 0) throw new ShapeError(`${who}: needs an axis, got the scalar ${showShape(x.shape)}`);
  return checkAxis(who, axis, x.shape.length);
}

/** Before opset 13 all axes from `axis` on were one: the same only for the last, so it is made the last. */
function softForm(op: Op<AxisAttrs>, y: Node<AxisAttrs>, build: Parameters<Op["onnx"]>[1]): string {
  const { axis } = y.attrs;
  const last = y.shape.length - 1;
  if (build.opset >= 13 || axis === last) return build.node(op.name, [build.input(0)], { axis });
  const swap = y.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  return build.value(transpose(apply(op, [transpose(y.inputs[0], swap)], { axis: last }), swap));
}

/** Per group of a reduction: the largest element (what is taken off) and the sum of e^(x - shift); per element, its group. */
function groups(x: Float64Array, shape: Shape, axes: readonly number[]) {
  // An infinite largest element is taken off as 0, so that the sum is infinite or 0 and not NaN.
  const shift = reduceLoop(x, shape, axes, Number.NEGATIVE_INFINITY, Math.max).map((v) => (Number.isFinite(v) ? v : 0));
  const at = groupOf(shape, axes);
  const total = new Float64Array(shift.length);
  x.forEach((v, i) => {
    total[at[i]] += Math.exp(v - shift[at[i]]);
  });
  return { at, shift, total };
}

/** For every element, the index of its group in a reduction over `axes`. */
function groupOf(shape: Shape, axes: readonly number[]): Uint32Array {
  const kept = shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const index = new Array<number>(shape.length).fill(0);
  return Uint32Array.from({ length: sizeOf(shape) }, () => {
    const group = index.reduce((sum, v, k) => sum * kept[k] + (axes.includes(k) ? 0 : v), 0);
    for (let k = shape.length - 1; k >= 0; k--) {
      if (++index[k] < shape[k]) break;
      index[k] = 0;
    }
    return group;
  });
}
