/** @file Ops that move numbers and compute none: reshape, transpose, slice and pad, concat. Adjoint pairs stand together. */
import { apply, type Node, type Op, shapesOf } from "../graph/graph.ts";
import { ShapeError } from "../tensor/errors.ts";
import { checkAxis, type Shape, sameShape, showShape, sizeOf, stridesOf } from "../tensor/shape.ts";
import { bounded, isometry } from "./facts.ts";
import { gatherStrided } from "./loops.ts";
import { int64s, padForm, reshapeForm, sliceForm } from "./lowering.ts";

// --- reshape ---

const reshapeOp: Op<{ readonly shape: Shape }> = {
  name: "Reshape",
  order: "moves",
  infer([x], { shape }) {
    if (sizeOf(shape) !== sizeOf(x.shape)) {
      throw new ShapeError(`reshape: sizes must match, got ${showShape(x.shape)} to ${showShape(shape)}`);
    }
    return { dtype: x.dtype, shape };
  },
  vjp: (y, dy) => [reshape(dy, y.inputs[0].shape)],
  behaviour: () => isometry,
  evaluate: (_, [x]) => x,
  onnx(y, build) {
    const [x] = y.inputs;
    // A 0 means "keep" to ONNX; that an axis is empty can be said from opset 14 on.
    if (y.shape.includes(0) && build.opset >= 14) {
      return build.node("Reshape", [build.input(0), int64s(build, y.shape)], { allowzero: 1 });
    }
    // A leading dimension that stays is written 0 (keep), so that a batch can be left free.
    const keeps = y.shape.length > 0 && x.shape.length > 0 && x.shape[0] === y.shape[0] && x.shape[0] !== 0;
    const lead = keeps ? 0 : build.freeBatch ? -1 : y.shape[0];
    return reshapeForm(build, build.input(0), y.shape.length === 0 ? [] : [lead, ...y.shape.slice(1)]);
  },
};

/** The same numbers under another shape; one dimension may be -1: what is left. */
export function reshape(x: Node, shape: Shape): Node {
  const rest = shape.reduce((product, d) => (d === -1 ? product : product * d), 1);
  const full = shape.map((d) => (d === -1 ? sizeOf(x.shape) / rest : d));
  if (shape.filter((d) => d === -1).length > 1 || full.some((d) => !Number.isInteger(d))) {
    throw new ShapeError(`reshape: ${showShape(x.shape)} cannot take the shape ${showShape(shape)}`);
  }
  if (sameShape(x.shape, full)) return x;
  const source = x.op === (reshapeOp as Op) ? x.inputs[0] : x;
  return sameShape(source.shape, full) ? source : apply(reshapeOp, [source], { shape: full });
}

/** Collapse the axes before `axis` into one and those from it on into another: [a, b, c] at 1 -> [a, b * c]. */
export function flatten(x: Node, axis = 1): Node {
  const at = axis < 0 ? axis + x.shape.length : axis;
  return reshape(x, [sizeOf(x.shape.slice(0, at)), sizeOf(x.shape.slice(at))]);
}

/** Remove axes of length 1 (all of them if no axes are given). */
export function squeeze(x: Node, axes?: readonly number[]): Node {
  const drop = new Set(
    axes?.map((a) => checkAxis("squeeze", a, x.shape.length)) ?? x.shape.flatMap((d, i) => (d === 1 ? [i] : [])),
  );
  for (const axis of drop) {
    if (x.shape[axis] !== 1)
      throw new ShapeError(`squeeze: axis ${axis} must have length 1, got ${showShape(x.shape)}`);
  }
  return reshape(
    x,
    x.shape.filter((_, i) => !drop.has(i)),
  );
}

/** Insert axes of length 1 so that they stand at `axes` of the result. */
export function unsqueeze(x: Node, axes: readonly number[]): Node {
  const rank = x.shape.length + axes.length;
  const at = new Set(axes.map((a) => checkAxis("unsqueeze", a, rank)));
  if (at.size !== axes.length) throw new ShapeError(`unsqueeze: duplicate axis in [${axes.join(",")}]`);
  const rest = x.shape[Symbol.iterator]();
  return reshape(
    x,
    Array.from({ length: rank }, (_, i) => (at.has(i) ? 1 : (rest.next().value as number))),
  );
}

// --- transpose ---

const transposeOp: Op<{ readonly perm: readonly number[] }> = {
  name: "Transpose",
  order: "moves",
  infer([x], { perm }) {
    const sorted = [...perm].sort((a, b) => a - b);
    if (perm.length !== x.shape.length || sorted.some((p, i) => p !== i)) {
      throw new ShapeError(`transpose: perm must order all ${x.shape.length} axes, got [${perm.join(",")}]`);
    }
    return { dtype: x.dtype, shape: perm.map((p) => x.shape[p]) };
  },
  vjp: (y, dy) => [transpose(dy, inversePermutation(y.attrs.perm))],
  behaviour: () => isometry,
  evaluate(y, [x]) {
    const strides = stridesOf(y.inputs[0].shape);
    return gatherStrided(
      x,
      y.shape,
      y.attrs.perm.map((p) => strides[p]),
      0,
    );
  },
  onnx: (y, build) => build.node("Transpose", [build.input(0)], { perm: y.attrs.perm }),
};

/** Reorder axes: axis i of the result is axis perm[i] of x. Without `perm` the last two swap. */
export function transpose(x: Node, perm?: readonly number[]): Node {
  const rank = x.shape.length;
  let order = perm ?? [...Array(Math.max(0, rank - 2)).keys(), rank - 1, rank - 2];
  let source = x;
  if (isTranspose(x)) {
    order = order.map((p) => x.attrs.perm[p]);
    source = x.inputs[0];
  }
  if (order.length === rank && order.every((p, i) => p === i)) return source;
  return apply(transposeOp, [source], { perm: order });
}

export const isTranspose = (x: Node): x is Node<{ readonly perm: readonly number[] }> => x.op === (transposeOp as Op);

// --- slice and pad ---

interface SliceAttrs {
  readonly starts: readonly number[];
  readonly sizes: readonly number[];
  readonly steps: readonly number[];
}

const sliceOp: Op<SliceAttrs> = {
  name: "Slice",
  order: "moves",
  infer([x], { starts, sizes, steps }) {
    x.shape.forEach((d, i) => {
      const last = starts[i] + (sizes[i] - 1) * steps[i];
      if (sizes[i] > 0 && (starts[i] < 0 || starts[i] >= d || last < 0 || last >= d)) {
        throw new ShapeError(`slice: axis ${i} of ${showShape(x.shape)} has no elements ${starts[i]}..${last}`);
      }
    });
    return { dtype: x.dtype, shape: sizes };
  },
  vjp: (y, dy) => [apply(scatterSliceOp, [dy], { ...y.attrs, shape: y.inputs[0].shape })],
  behaviour: () => bounded(1, 1, 1),
  evaluate(y, [x]) {
    const strides = stridesOf(y.inputs[0].shape);
    const { starts, steps } = y.attrs;
    const start = starts.reduce((sum, s, i) => sum + s * strides[i], 0);
    return gatherStrided(
      x,
      y.shape,
      strides.map((s, i) => s * steps[i]),
      start,
    );
  },
  onnx(y, build) {
    const { starts, sizes, steps } = y.attrs;
    const axes = y.shape.flatMap((d, i) => (d === y.inputs[0].shape[i] && steps[i] === 1 ? [] : [i]));
    const end = (i: number) => {
      const past = starts[i] + sizes[i] * steps[i];
      return steps[i] < 0 && past < 0 ? -(2 ** 31) : past;
    };
    return sliceForm(build, build.input(0), {
      axes,
      starts: axes.map((i) => starts[i]),
      ends: axes.map(end),
      steps: axes.map((i) => steps[i]),
    });
  },
};

/** Take every steps[i]-th element from starts[i], sizes[i] of them, along each axis. Steps may be negative. */
export function slice(x: Node, starts: readonly number[], sizes: readonly number[], steps?: readonly number[]): Node {
  const step = steps ?? x.shape.map(() => 1);
  if (sameShape(sizes, x.shape) && step.every((s) => s === 1)) return x;
  return apply(sliceOp, [x], { starts, sizes, steps: step });
}

/** The elements from..to-1 of one axis. */
export function sliceAxis(x: Node, axis: number, from: number, to: number): Node {
  const at = checkAxis("sliceAxis", axis, x.shape.length);
  return slice(
    x,
    x.shape.map((_, i) => (i === at ? from : 0)),
    x.shape.map((d, i) => (i === at ? to - from : d)),
  );
}

/** Cut an axis into parts of the given sizes. */
export function split(x: Node, axis: number, sizes: readonly number[]): Node[] {
  const at = checkAxis("split", axis, x.shape.length);
  const total = sizes.reduce((a, b) => a + b, 0);
  if (total !== x.shape[at]) {
    throw new ShapeError(`split: sizes must add up to ${x.shape[at]}, got [${sizes.join(",")}]`);
  }
  let from = 0;
  return sizes.map((size) => {
    from += size;
    return sliceAxis(x, at, from - size, from);
  });
}

/** The adjoint of slice: the numbers go back to where they were taken, zeros elsewhere. */
const scatterSliceOp: Op<SliceAttrs & { readonly shape: Shape }> = {
  name: "ScatterSlice",
  order: "rises",
  infer: ([x], { shape }) => ({ dtype: x.dtype, shape }),
  vjp: (y, dy) => [apply(sliceOp, [dy], { starts: y.attrs.starts, sizes: y.attrs.sizes, steps: y.attrs.steps })],
  behaviour: () => isometry,
  evaluate(y, [x]) {
    const out = new Float64Array(sizeOf(y.shape));
    const strides = stridesOf(y.shape);
    const { starts, sizes, steps } = y.attrs;
    const start = starts.reduce((sum, s, i) => sum + s * strides[i], 0);
    const at = gatherStrided(
      Float64Array.from(out, (_, i) => i),
      sizes,
      strides.map((s, i) => s * steps[i]),
      start,
    );
    at.forEach((to, i) => {
      out[to] = x[i];
    });
    return out;
  },
  onnx(y, build) {
    // Steps are undone by interleaving zeros (pad a unit axis, reshape, cut), a negative step by reversing first.
    const { starts, sizes, steps, shape } = y.attrs;
    const rank = shape.length;
    let name = build.input(0);
    const reversed = steps.flatMap((s, i) => (s < 0 && sizes[i] > 0 ? [i] : []));
    if (reversed.length > 0) {
      name = sliceForm(build, name, {
        axes: reversed,
        starts: reversed.map((i) => sizes[i] - 1),
        ends: reversed.map(() => -(2 ** 31)),
        steps: reversed.map(() => -1),
      });
    }
    const stretch = steps.map((s, i) => (sizes[i] > 1 ? Math.abs(s) : 1));
    const low = starts.map((s, i) => (steps[i] < 0 ? s + (sizes[i] - 1) * steps[i] : s));
    let now = [...sizes];
    for (let i = 0; i < rank; i++) {
      if (stretch[i] === 1) continue;
      name = reshapeForm(build, name, [...now.slice(0, i + 1), 1, ...now.slice(i + 1)]);
      const pads = new Array<number>(2 * (rank + 1)).fill(0);
      pads[rank + 1 + i + 1] = stretch[i] - 1;
      name = padForm(build, name, pads, y.dtype);
      now = now.map((d, k) => (k === i ? d * stretch[i] : d));
      name = reshapeForm(build, name, now);
    }
    // Interleaving leaves stretch - 1 zeros after the last number; a negative pad cuts what passes the end.
    const after = now.map((d, i) => shape[i] - low[i] - d);
    return padForm(build, name, [...low, ...after], y.dtype);
  },
};

/** Surround `x` with zeros: before[i] and after[i] of them along axis i. */
export function pad(x: Node, before: readonly number[], after: readonly number[]): Node {
  if (before.length !== x.shape.length || [...before, ...after].some((p) => !Number.isInteger(p) || p < 0)) {
    throw new ShapeError(
      `pad: needs a whole number >= 0 per axis of ${showShape(x.shape)}, got [${before}] and [${after}]`,
    );
  }
  const shape = x.shape.map((d, i) => before[i] + d + after[i]);
  if (sameShape(shape, x.shape)) return x;
  return apply(scatterSliceOp, [x], { starts: before, sizes: x.shape, steps: x.shape.map(() => 1), shape });
}

// --- concat ---

const concatOp: Op<{ readonly axis: number }> = {
  name: "Concat",
  order: "moves",
  infer(inputs, { axis }) {
    const [first] = inputs;
    for (const x of inputs) {
      const fits = x.shape.length === first.shape.length && x.shape.every((d, i) => i === axis || d === first.shape[i]);
      if (!fits || x.dtype !== first.dtype)
        throw new ShapeError(`concat: shapes must match off axis ${axis}, got ${shapesOf(inputs)}`);
    }
    const total = inputs.reduce((n, x) => n + x.shape[axis], 0);
    return { dtype: first.dtype, shape: first.shape.map((d, i) => (i === axis ? total : d)) };
  },
  vjp: (y, dy) =>
    split(
      dy,
      y.attrs.axis,
      y.inputs.map((x) => x.shape[y.attrs.axis]),
    ),
  // Of disjoint inputs it is an isometry; as a function of one of them too. What they share is the walk's business.
  behaviour: () => isometry,
  evaluate(y, inputs) {
    const { axis } = y.attrs;
    const outer = sizeOf(y.shape.slice(0, axis));
    const out = new Float64Array(sizeOf(y.shape));
    let at = 0;
    for (let o = 0; o < outer; o++) {
      inputs.forEach((x, k) => {
        const run = sizeOf(y.inputs[k].shape.slice(axis));
        out.set(x.subarray(o * run, (o + 1) * run), at);
        at += run;
      });
    }
    return out;
  },
  onnx: (y, build) =>
    build.node(
      "Concat",
      y.inputs.map((_, i) => build.input(i)),
      { axis: y.attrs.axis },
    ),
};

/** Join nodes along an axis. */
export function concat(inputs: readonly Node[], axis: number): Node {
  if (inputs.length === 0) throw new ShapeError("concat: needs at least one input, got none");
  const at = checkAxis("concat", axis, inputs[0].shape.length);
  return inputs.length === 1 ? inputs[0] : apply(concatOp, inputs, { axis: at });
}

// --- internal ---

function inversePermutation(perm: readonly number[]): number[] {
  const inverse = new Array<number>(perm.length);
  perm.forEach((p, i) => {
    inverse[p] = i;
  });
  return inverse;
}
