/** @file Reading at positions that are themselves values: gather and its adjoint, the position of the largest, one-hot vectors. */
import { apply, type Node, type Op } from "../graph/graph.ts";
import { constant, isConstant } from "../graph/leaf.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { checkAxis, type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import { type DType, tensor, toFloat64, zeros } from "../tensor/tensor.ts";
import { add, cast, equal, less, where } from "./arith.ts";
import { broadcastTo } from "./broadcast.ts";
import { bounded, unbounded, up } from "./facts.ts";
import { matmul } from "./matmul.ts";
import { reshape, transpose } from "./movement.ts";

/**
 * Take the slices of `x` at `indices` (int64, negative ones count from the end) along an axis:
 * [..., d, ...] and [...i] -> [..., ...i, ...]. The gradient adds up what was taken more than once.
 */
export function gather(x: Node, indices: Node, axis = 0): Node {
  if (x.shape.length === 0) throw new ShapeError("gather: x needs an axis, got a scalar");
  const at = checkAxis("gather", axis, x.shape.length);
  if (isConstant(indices)) for (const i of toFloat64(indices.attrs)) position(i, x.shape[at]);
  return apply(gatherOp, [x, indices], { axis: at });
}

/** Add the slices of x along an axis to the places `indices` of zeros in `shape`: the adjoint of `gather`. */
export function scatterAdd(x: Node, indices: Node, shape: Shape, axis = 0): Node {
  return apply(scatterOp, [x, indices], { axis, shape });
}

/** The position of the largest element along an axis (the first of several), as int64; the axis goes unless `keep`. */
export function argMax(x: Node, axis: number, keep = false): Node {
  return apply(argMaxOp, [x], { axis: checkAxis("argMax", axis, x.shape.length), keep });
}

/** [..., classes]: 1 at each label (int64), 0 elsewhere; all 0 where a label is not within 0..classes-1. */
export function oneHot(labels: Node, classes: number, dtype: DType = "float32"): Node {
  if (!Number.isInteger(classes) || classes < 1) {
    throw new UsageError(`oneHot: classes must be a positive integer, got ${classes}`);
  }
  const range = constant(
    tensor(
      Array.from({ length: classes }, (_, i) => i),
      [classes],
      labels.dtype,
    ),
  );
  return cast(equal(reshape(labels, [...labels.shape, 1]), range), dtype);
}

interface GatherAttrs {
  readonly axis: number;
}

const gatherOp: Op<GatherAttrs> = {
  name: "Gather",
  order: "moves",
  infer([x, indices], { axis }) {
    checkIndices(indices.dtype);
    return { dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)] };
  },
  vjp(y, dy) {
    const [x, indices] = y.inputs;
    return [apply(scatterOp, [dy, indices], { axis: y.attrs.axis, shape: x.shape }), null];
  },
  behaviour(y, [, moves]) {
    if (moves) return unbounded("an index jumps");
    const k = repeats(y.inputs[1], y.inputs[0].shape[y.attrs.axis]);
    return bounded(k, up(Math.sqrt(k)), 1);
  },
  evaluate(y, [x, indices]) {
    const out = new Float64Array(sizeOf(y.shape));
    visit(y.inputs[0].shape, y.attrs.axis, indices, (from, to) => {
      out[to] = x[from];
    });
    return out;
  },
  onnx: (y, build) => build.node("Gather", [build.input(0), build.input(1)], { axis: y.attrs.axis }),
};

/** The adjoint of gather: add each slice to the place that it was taken from. */
const scatterOp: Op<GatherAttrs & { readonly shape: Shape }> = {
  name: "ScatterAdd",
  order: "adds",
  infer([x, indices], { shape }) {
    checkIndices(indices.dtype);
    return { dtype: x.dtype, shape };
  },
  vjp: (y, dy) => [apply(gatherOp, [dy, y.inputs[1]], { axis: y.attrs.axis }), null],
  behaviour(y, [, moves]) {
    if (moves) return unbounded("an index jumps");
    const k = repeats(y.inputs[1], y.shape[y.attrs.axis]);
    return bounded(1, up(Math.sqrt(k)), k);
  },
  evaluate(y, [x, indices]) {
    const out = new Float64Array(sizeOf(y.shape));
    visit(y.shape, y.attrs.axis, indices, (to, from) => {
      out[to] += x[from];
    });
    return out;
  },
  onnx(y, build) {
    const { axis, shape } = y.attrs;
    const [x, indices] = y.inputs;
    const outer = sizeOf(shape.slice(0, axis));
    const inner = sizeOf(shape.slice(axis + 1));
    const n = sizeOf(indices.shape);
    const updates = reshape(x, [outer, n, inner]);
    if (build.opset < 16) {
      // Scattering that adds exists from opset 16; before, it is a product with one-hot rows.
      const rows = oneHot(reshape(fromStart(indices, shape[axis]), [n]), shape[axis], y.dtype);
      return build.value(reshape(matmul(transpose(rows), updates), shape));
    }
    const places = broadcastTo(reshape(indices, [1, n, 1]), [outer, n, inner]);
    const start = build.constant(zeros([outer, shape[axis], inner], y.dtype));
    const name = build.node("ScatterElements", [start, build.value(places), build.value(updates)], {
      axis: 1,
      reduction: "add",
    });
    return build.node("Reshape", [name, build.constant(tensor(shape, [shape.length], "int64"))]);
  },
};

const argMaxOp: Op<{ readonly axis: number; readonly keep: boolean }> = {
  name: "ArgMax",
  infer([x], { axis, keep }) {
    if (x.shape[axis] === 0) throw new ShapeError(`argMax: axis ${axis} must not be empty, got ${showShape(x.shape)}`);
    return { dtype: "int64", shape: x.shape.flatMap((d, i) => (i !== axis ? [d] : keep ? [1] : [])) };
  },
  vjp: () => [null],
  behaviour: () => unbounded("a position jumps"),
  evaluate(y, [x]) {
    const [{ shape }] = y.inputs;
    const { axis } = y.attrs;
    const inner = sizeOf(shape.slice(axis + 1));
    return Float64Array.from({ length: sizeOf(y.shape) }, (_, i) => {
      const first = Math.floor(i / inner) * shape[axis] * inner + (i % inner);
      let best = 0;
      for (let k = 1; k < shape[axis]; k++) if (x[first + k * inner] > x[first + best * inner]) best = k;
      return best;
    });
  },
  onnx: (y, build) => build.node("ArgMax", [build.input(0)], { axis: y.attrs.axis, keepdims: y.attrs.keep ? 1 : 0 }),
};

// --- internal ---

function checkIndices(dtype: DType): void {
  if (dtype !== "int64" && dtype !== "int32") {
    throw new ShapeError(`gather: indices must be int64 or int32, got ${dtype}; cast them first`);
  }
}

/** An index that may count from the end, as one that counts from the start. */
function position(index: number, size: number): number {
  const at = index < 0 ? index + size : index;
  if (!(at >= 0 && at < size)) {
    throw new UsageError(`gather: indices must be within -${size}..${size - 1}, got ${index}`);
  }
  return at;
}

/** Indices that count from the start, as a node. */
function fromStart(indices: Node, size: number): Node {
  if (!isConstant(indices)) return where(less(indices, 0), add(indices, constant(size, indices.dtype)), indices);
  const at = toFloat64(indices.attrs).map((i) => position(i, size));
  return constant(tensor(at, indices.shape, indices.dtype));
}

/** How often the most frequent index occurs, at most; known only for constant indices. */
function repeats(indices: Node, size: number): number {
  if (!isConstant(indices)) return sizeOf(indices.shape);
  const count = new Uint32Array(size);
  for (const i of toFloat64(indices.attrs)) count[position(i, size)]++;
  return count.reduce((most, c) => Math.max(most, c), 0);
}

/** Call with the flat place in a node of `shape` and in the gathered one, for every pair that belongs together. */
function visit(shape: Shape, axis: number, indices: Float64Array, pair: (whole: number, taken: number) => void): void {
  const outer = sizeOf(shape.slice(0, axis));
  const inner = sizeOf(shape.slice(axis + 1));
  for (let o = 0; o < outer; o++) {
    indices.forEach((index, k) => {
      const at = position(index, shape[axis]);
      for (let i = 0; i < inner; i++) {
        pair((o * shape[axis] + at) * inner + i, (o * indices.length + k) * inner + i);
      }
    });
  }
}
