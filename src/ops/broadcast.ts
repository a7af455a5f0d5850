/** @file Broadcast and sum: to stretch along axes and to add along them are each other's adjoint. */
import { apply, type Node, type Op } from "../graph/graph.ts";
import { ShapeError } from "../tensor/errors.ts";
import { broadcastShapes, checkAxis, type Shape, sameShape, showShape, sizeOf, stridesOf } from "../tensor/shape.ts";
import { bounded, channelSums, up } from "./facts.ts";
import { gatherStrided } from "./loops.ts";
import { int64s, reduceForm, reshapeForm } from "./lowering.ts";
import { reshape } from "./movement.ts";

const broadcastOp: Op<{ readonly shape: Shape }> = {
  name: "Expand",
  order: "rises",
  infer([x], { shape }) {
    if (!sameShape(broadcastShapes("broadcastTo", x.shape, shape), shape)) {
      throw new ShapeError(`broadcastTo: ${showShape(x.shape)} does not broadcast to ${showShape(shape)}`);
    }
    return { dtype: x.dtype, shape };
  },
  vjp(y, dy) {
    const [x] = y.inputs;
    const offset = y.shape.length - x.shape.length;
    const axes = y.shape.flatMap((d, i) => (i < offset || (x.shape[i - offset] === 1 && d !== 1) ? [i] : []));
    return [reshape(sum(dy, axes), x.shape)];
  },
  behaviour(y) {
    const copies = sizeOf(y.shape) / Math.max(1, sizeOf(y.inputs[0].shape));
    return bounded(copies, up(Math.sqrt(copies)), 1);
  },
  evaluate(y, [x]) {
    const from = y.inputs[0].shape;
    const offset = y.shape.length - from.length;
    const own = stridesOf(from);
    const step = y.shape.map((_, i) => (i < offset || from[i - offset] === 1 ? 0 : own[i - offset]));
    return gatherStrided(x, y.shape, step, 0);
  },
  onnx(y, build) {
    if (build.opset >= 8) return build.node("Expand", [build.input(0), int64s(build, y.shape)]);
    const [{ shape }] = y.inputs;
    const from = [...new Array<number>(y.shape.length - shape.length).fill(1), ...shape];
    const repeats = y.shape.map((d, i) => (from[i] === 1 ? d : 1));
    return build.node("Tile", [reshapeForm(build, build.input(0), from), int64s(build, repeats)]);
  },
};

/** Stretch `x` to `shape` by the NumPy rule: align right, a 1 stretches. */
export function broadcastTo(x: Node, shape: Shape): Node {
  return sameShape(x.shape, shape) ? x : apply(broadcastOp, [x], { shape });
}

/** Is the node a broadcast? A reader that broadcasts by itself then takes the node's input. */
export const isBroadcast = (node: Node): boolean => node.op === (broadcastOp as Op);

/** Stretch nodes to their common shape. */
export function broadcastTogether(who: string, nodes: readonly Node[]): Node[] {
  const shape = broadcastShapes(who, ...nodes.map((n) => n.shape));
  return nodes.map((n) => broadcastTo(n, shape));
}

/** Attributes of a reduction: which axes (sorted, from the start) go, and whether they stay with length 1. */
export interface ReduceAttrs {
  readonly axes: readonly number[];
  readonly keep: boolean;
}

const sumOp: Op<ReduceAttrs> = {
  name: "ReduceSum",
  order: "adds",
  infer: ([x], attrs) => ({ dtype: x.dtype, shape: reducedShape(x.shape, attrs) }),
  vjp: (y, dy) => [broadcastTo(withKeptAxes(y, dy), y.inputs[0].shape)],
  behaviour(y) {
    const n = sizeOf(y.inputs[0].shape) / Math.max(1, sizeOf(y.shape));
    return bounded(1, up(Math.sqrt(n)), n, channelSums(y, 1, 1));
  },
  evaluate: (y, [x]) => reduceLoop(x, y.inputs[0].shape, y.attrs.axes, 0, (a, v) => a + v),
  onnx: (y, build) => reduceForm(build, "ReduceSum", build.input(0), y.attrs.axes, y.attrs.keep),
};

/** Sum over axes (all of them if none are given); `keep` leaves them with length 1. */
export function sum(x: Node, axes?: readonly number[], keep = false): Node {
  const attrs = reduceAttrs("sum", x.shape, axes, keep);
  return attrs.axes.every((a) => x.shape[a] === 1)
    ? reshape(x, reducedShape(x.shape, attrs))
    : apply(sumOp, [x], attrs);
}

/** Normalise what a user may say about axes. */
export function reduceAttrs(
  who: string,
  shape: Shape,
  axes: readonly number[] | undefined,
  keep: boolean,
): ReduceAttrs {
  const chosen = axes?.map((a) => checkAxis(who, a, shape.length)) ?? shape.map((_, i) => i);
  return { axes: [...new Set(chosen)].sort((a, b) => a - b), keep };
}

export function reducedShape(shape: Shape, { axes, keep }: ReduceAttrs): Shape {
  return shape.flatMap((d, i) => (!axes.includes(i) ? [d] : keep ? [1] : []));
}

/** A node of a reduction's result shape, with the reduced axes back at length 1. */
export function withKeptAxes(y: Node<ReduceAttrs>, node: Node): Node {
  return reshape(node, reducedShape(y.inputs[0].shape, { axes: y.attrs.axes, keep: true }));
}

/** Fold every group of elements that share their kept indices. */
export function reduceLoop(
  x: Float64Array,
  shape: Shape,
  axes: readonly number[],
  start: number,
  step: (accumulated: number, value: number) => number,
): Float64Array {
  const keptShape = shape.map((d, i) => (axes.includes(i) ? 1 : d));
  const strides = stridesOf(keptShape);
  const toOut = gatherStrided(
    Float64Array.from({ length: sizeOf(keptShape) }, (_, i) => i),
    shape,
    strides.map((s, i) => (axes.includes(i) ? 0 : s)),
    0,
  );
  const out = new Float64Array(sizeOf(keptShape)).fill(start);
  x.forEach((v, i) => {
    out[toOut[i]] = step(out[toOut[i]], v);
  });
  return out;
}
