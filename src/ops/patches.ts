/** @file Windows laid out side by side, and their adjoint that adds them back: [batch, channels, ...space] and [batch, channels, taps, windows]. */
import { apply, type Behaviour, type Node, type OnnxBuilder, type Op } from "../graph/graph.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type DType, tensor } from "../tensor/tensor.ts";
import { bounded, up } from "./facts.ts";
import { padForm, reduceForm, reshapeForm } from "./lowering.ts";
import { compactReaders, mostReaders, swapTable, tapTable, type Window, windowsAlong } from "./windows.ts";

export interface PatchAttrs extends Window {
  /** Spatial size that the windows move over. */
  readonly input: Shape;
}

const patchesOp: Op<PatchAttrs> = {
  name: "Patches",
  order: "rises",
  infer([x], attrs) {
    const windows = windowsAlong("patches", attrs.input, attrs);
    return { dtype: x.dtype, shape: [x.shape[0], x.shape[1], sizeOf(attrs.kernel), sizeOf(windows)] };
  },
  vjp: (y, dy) => [apply(foldOp, [dy], y.attrs)],
  behaviour: (y) => copying(y.attrs),
  evaluate(y, [x]) {
    const table = tapsFirst(y.attrs);
    const space = sizeOf(y.attrs.input);
    return Float64Array.from({ length: sizeOf(y.shape) }, (_, i) => {
      const q = table[i % table.length];
      return q < 0 ? 0 : x[Math.floor(i / table.length) * space + q];
    });
  },
  onnx(y, build) {
    const table = tapsFirst(y.attrs);
    const flat = reshapeForm(build, build.input(0), [0, y.shape[1], sizeOf(y.attrs.input)]);
    const taken = gatherOrZero(build, flat, [3, 2], sizeOf(y.attrs.input), table, y.dtype);
    return reshapeForm(build, taken, [0, ...y.shape.slice(1)]);
  },
};

const foldOp: Op<PatchAttrs> = {
  name: "Fold",
  order: "adds",
  infer: ([x], { input }) => ({ dtype: x.dtype, shape: [x.shape[0], x.shape[1], ...input] }),
  vjp: (y, dy) => [apply(patchesOp, [dy], y.attrs)],
  behaviour: (y) => folding(y.attrs),
  evaluate(y, [x]) {
    const table = tapsFirst(y.attrs);
    const space = sizeOf(y.attrs.input);
    const out = new Float64Array(sizeOf(y.shape));
    x.forEach((v, i) => {
      const q = table[i % table.length];
      if (q >= 0) out[Math.floor(i / table.length) * space + q] += v;
    });
    return out;
  },
  onnx(y, build) {
    const flat = reshapeForm(build, build.input(0), [0, y.shape[1], sizeOf(y.inputs[0].shape.slice(2))]);
    return foldForm(build, flat, y);
  },
};

/** Lay every window of x [batch, channels, ...space] out: [batch, channels, taps, windows], zeros where a window reads padding. */
export const patches = (x: Node, window: Window): Node => apply(patchesOp, [x], { ...window, input: x.shape.slice(2) });

/** Add patches [batch, channels, taps, windows] back to where they were taken: the adjoint of `patches` on an input of size `space`. */
export const fold = (x: Node, window: Window, input: Shape): Node => apply(foldOp, [x], { ...window, input });

/** [batch, channels, taps * windows] back to [batch, channels, ...input]: each position takes what its readers have. A Gather and a sum, no scatter. */
export function foldForm(build: OnnxBuilder, flat: string, y: Node<PatchAttrs>): string {
  const { attrs } = y;
  const [, channels] = y.shape;
  const [taps, space] = [sizeOf(attrs.kernel), sizeOf(attrs.input)];
  const table = tapTable(attrs.input, windowsAlong("fold", attrs.input, attrs), attrs);
  const readers = compactReaders(table, taps, space);
  const taken = gatherOrZero(build, flat, [3, 2], table.length, readers, y.dtype);
  const apart = reshapeForm(build, taken, [0, channels, readers.length / space, space]);
  return reshapeForm(build, reduceForm(build, "ReduceSum", apart, [2], false), [0, channels, ...attrs.input]);
}

/** Gather by a constant table along one axis of a value of known rank; -1 reads a zero. `[rank, axis]`, `size` of that axis. */
export function gatherOrZero(
  build: OnnxBuilder,
  x: string,
  [rank, axis]: readonly [number, number],
  size: number,
  table: Int32Array,
  dtype: DType,
): string {
  let source = x;
  let index = table;
  if (table.includes(-1)) {
    const pads = new Array<number>(2 * rank).fill(0);
    pads[rank + axis] = 1;
    source = padForm(build, x, pads, dtype);
    index = table.map((q) => (q < 0 ? size : q));
  }
  return build.node("Gather", [source, build.constant(tensor(index, [index.length], "int32"))], { axis });
}

// --- internal ---

const tapsFirst = (attrs: PatchAttrs): Int32Array => {
  const windows = windowsAlong("patches", attrs.input, attrs);
  return swapTable(tapTable(attrs.input, windows, attrs), sizeOf(windows), sizeOf(attrs.kernel));
};

/** Norms of `patches`: a position is copied into every window that reads it. */
function copying(attrs: PatchAttrs): Behaviour {
  const most = mostReaders(attrs.input, attrs);
  return bounded(most, up(Math.sqrt(most)), 1);
}

/** Norms of its adjoint. */
function folding(attrs: PatchAttrs): Behaviour {
  const most = mostReaders(attrs.input, attrs);
  return bounded(1, up(Math.sqrt(most)), most);
}
