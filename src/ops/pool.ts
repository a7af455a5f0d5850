/** @file Pooling. Gradients go through reshaped windows where windows do not overlap, through patches where they do. */
import { apply, type Node, type OnnxAttributes, type Op } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { type Shape, sameShape, showShape, sizeOf } from "../tensor/shape.ts";
import { full, tensor } from "../tensor/tensor.ts";
import { and, cast, div, equal, mul } from "./arith.ts";
import { broadcastTo, sum } from "./broadcast.ts";
import { convTranspose } from "./conv.ts";
import { bounded, up } from "./facts.ts";
import { gather } from "./gather.ts";
import { largestAlong } from "./largest.ts";
import { padForm, reduceForm, reshapeForm } from "./lowering.ts";
import { pad, reshape, slice } from "./movement.ts";
import { fold, gatherOrZero, patches } from "./patches.ts";
import { extentOf, mostReaders, swapTable, tapTable, type Window, windowOf, windowsAlong } from "./windows.ts";

export interface PoolOptions {
  readonly kernel: readonly number[];
  /** Step of the window per spatial axis. Default: 1, as in ONNX. */
  readonly strides?: readonly number[];
  /** Begins of all axes, then ends. Default: 0. */
  readonly pads?: readonly number[];
  /** Distance of the taps per spatial axis. Default: 1. */
  readonly dilations?: readonly number[];
  /** Keep a last window that reaches past the end, as long as it starts inside the input or its first pads. */
  readonly ceil?: boolean;
}

/**
 * The largest value of each window; padding never wins. At ties the cotangent is split evenly (PyTorch gives it to the first).
 * x [batch, channels, ...space] -> [batch, channels, ...windows].
 */
export function maxPool(x: Node, options: PoolOptions): Node {
  const window = withCeil(windowOf("maxPool", options.kernel, options), x.shape.slice(2), options.ceil);
  checkFilled("maxPool", x.shape.slice(2), window);
  return apply(maxPoolOp, [x], window);
}

/**
 * The mean of each window: over what it has of the input, or with `countPads` over what it has of the input and its pads.
 * x [batch, channels, ...space] -> [batch, channels, ...windows].
 */
export function averagePool(x: Node, options: PoolOptions & { readonly countPads?: boolean }): Node {
  const input = x.shape.slice(2);
  const declared = windowOf("averagePool", options.kernel, options);
  const window = withCeil(declared, input, options.ceil);
  checkFilled("averagePool", input, window);
  return apply(averagePoolOp, [x], { ...window, counted: options.countPads ? declared.pads : null });
}

/** The mean of each channel: [batch, channels, ...space] -> [batch, channels, 1, ...]. */
export function globalAveragePool(x: Node): Node {
  return averagePool(x, { kernel: x.shape.slice(2), strides: x.shape.slice(2) });
}

/** The largest value of each channel: [batch, channels, ...space] -> [batch, channels, 1, ...]. */
export function globalMaxPool(x: Node): Node {
  return maxPool(x, { kernel: x.shape.slice(2), strides: x.shape.slice(2) });
}

const maxPoolOp: Op<Window> = {
  name: "MaxPool",
  order: "rises",
  infer: ([x], window) => ({ dtype: x.dtype, shape: pooled("maxPool", x.shape, window) }),
  vjp(y, dy) {
    const [x] = y.inputs;
    const tile = tileOf(x.shape, y.shape, y.attrs);
    if (tile) {
      const winners = cast(equal(reshape(tile.cut(x), tile.apart), reshape(y, tile.together)), x.dtype);
      const share = div(reshape(dy, tile.together), sum(winners, tile.axes, true));
      return [tile.paste(reshape(mul(winners, share), tile.shape))];
    }
    const lanes = [x.shape[0], x.shape[1], 1, sizeOf(y.shape.slice(2))];
    const inside = tapsFirst(x.shape, y.attrs).map((q) => (q < 0 ? 0 : 1));
    const equals = equal(patches(x, y.attrs), reshape(y, lanes));
    const real = constant(tensor(inside, [sizeOf(y.attrs.kernel), lanes[3]], "bool"));
    const winners = cast(inside.includes(0) ? and(equals, real) : equals, x.dtype);
    const share = div(reshape(dy, lanes), sum(winners, [2], true));
    return [fold(mul(winners, share), y.attrs, x.shape.slice(2))];
  },
  behaviour(y) {
    const most = mostReaders(y.inputs[0].shape.slice(2), y.attrs);
    const lipschitz = { 1: most, 2: most === 1 ? 1 : up(Math.sqrt(most)), inf: 1 };
    return { kind: "smooth", lipschitz, curvature: Number.POSITIVE_INFINITY, largestIn: y.attrs };
  },
  // A tap that a window lacks is one that it has.
  parts(y) {
    const [x] = y.inputs;
    const space = sizeOf(x.shape.slice(2));
    const windows = sizeOf(y.shape.slice(2));
    const table = tapsFirst(x.shape, y.attrs);
    const taps = sizeOf(y.attrs.kernel);
    const some = Array.from({ length: windows }, (_, p) => {
      for (let k = 0; k < taps; k++) if (table[k * windows + p] >= 0) return table[k * windows + p];
      return 0;
    });
    const flat = reshape(x, [x.shape[0], x.shape[1], space]);
    const at = Array.from({ length: taps }, (_, k) =>
      some.map((other, p) => (table[k * windows + p] < 0 ? other : table[k * windows + p])),
    ).flat();
    const members = gather(flat, constant(tensor(at, [taps, windows], "int64")), 2);
    return reshape(largestAlong(members, 2), y.shape);
  },
  evaluate: (y, [x]) =>
    eachWindow(y, x, (values) =>
      values.reduce((a, b) => (a >= b || Number.isNaN(a) ? a : b), Number.NEGATIVE_INFINITY),
    ),
  onnx(y, build) {
    const { kernel, strides, pads, dilations } = y.attrs;
    // ONNX Runtime has GlobalMaxPool in float32 alone.
    if (
      y.dtype === "float32" &&
      y.shape.slice(2).every((d) => d === 1) &&
      pads.every((p) => p === 0) &&
      isWhole(y.inputs[0].shape, kernel)
    ) {
      return build.node("GlobalMaxPool", [build.input(0)]);
    }
    const dilated: OnnxAttributes = dilations.some((d) => d !== 1) ? { dilations } : {};
    if (dilated.dilations && build.opset < 10) {
      throw new UsageError(
        `writeModel: MaxPool has dilations from opset 10, got opset ${build.opset}; write with opset 10 or later`,
      );
    }
    // ONNX Runtime wants pads smaller than the kernel, which dilated windows need not have: then numbers that are never the largest are put around.
    const outside = pads.some((p, i) => p >= kernel[i % kernel.length]);
    const x = outside
      ? padForm(
          build,
          build.input(0),
          aroundSpace(pads),
          y.dtype,
          y.dtype === "float64" ? -Number.MAX_VALUE : leastFloat,
        )
      : build.input(0);
    const rest = outside ? pads.map(() => 0) : pads;
    return build.node("MaxPool", [x], { kernel_shape: kernel, strides, pads: rest, ...dilated });
  },
};

const leastFloat = -(2 - 2 ** -23) * 2 ** 127;

/** Pads of the axes of space as pads of all axes. */
const aroundSpace = (pads: readonly number[]): number[] => {
  const half = pads.length / 2;
  return [0, 0, ...pads.slice(0, half), 0, 0, ...pads.slice(half)];
};

interface AverageAttrs extends Window {
  /** The pads whose zeros count in a mean; null where only the input's own values count. */
  readonly counted: readonly number[] | null;
}

const averagePoolOp: Op<AverageAttrs> = {
  name: "AveragePool",
  computes: "window mean",
  order: "adds",
  infer: ([x], window) => ({ dtype: x.dtype, shape: pooled("averagePool", x.shape, window) }),
  vjp(y, dy) {
    const [x] = y.inputs;
    const { kernel, strides, pads, dilations } = y.attrs;
    const counts = countsOf(x.shape.slice(2), y.attrs);
    const shares = constant(
      tensor(
        counts.map((c) => 1 / c),
        y.shape.slice(2),
        y.dtype,
      ),
    );
    const tile = tileOf(x.shape, y.shape, y.attrs);
    if (tile) {
      // One number for all: windows that lie side by side all hold the same count.
      const share = mul(dy, 1 / counts[0]);
      return [tile.paste(reshape(broadcastTo(reshape(share, tile.together), tile.apart), tile.shape))];
    }
    // The adjoint of a sum over windows is a transposed convolution with ones, channel by channel.
    const space = x.shape.slice(2);
    const lone = reshape(mul(dy, shares), [x.shape[0] * x.shape[1], 1, ...y.shape.slice(2)]);
    const ones = constant(full([1, 1, ...kernel], 1, y.dtype));
    const extent = extentOf(y.attrs);
    const outputPads = space.map((size, i) => {
      const least = strides[i] * (y.shape[i + 2] - 1) + extent[i] - pads[i] - pads[i + space.length];
      return size - least;
    });
    return [reshape(convTranspose(lone, ones, { strides, pads, dilations, outputPads }), x.shape)];
  },
  behaviour(y) {
    // Row sums of the matrix give the inf-norm, column sums the 1-norm, and sqrt(product) bounds the 2-norm.
    const space = y.inputs[0].shape.slice(2);
    const table = tapTable(space, y.shape.slice(2), y.attrs);
    const taps = sizeOf(y.attrs.kernel);
    const counts = countsOf(space, y.attrs);
    const rows = new Float64Array(table.length / taps);
    const columns = new Float64Array(sizeOf(space));
    table.forEach((q, i) => {
      if (q < 0) return;
      const p = Math.floor(i / taps);
      rows[p]++;
      columns[q] += up(1 / counts[p]);
    });
    const row = rows.reduce((most, n, p) => Math.max(most, n === counts[p] ? 1 : up(n / counts[p])), 0);
    const column = columns.reduce((most, c) => Math.max(most, c), 0) * (1 + table.length * Number.EPSILON);
    const [fewest, most] = [Math.min(...counts), Math.max(...counts)];
    const sums = { ...y.attrs, low: (1 - 2 ** -50) / most, high: up(1 / fewest) };
    return bounded(column, up(Math.sqrt(up(column * row))), row, sums);
  },
  evaluate(y, [x]) {
    const counts = countsOf(y.inputs[0].shape.slice(2), y.attrs);
    return eachWindow(y, x, (values, p) => values.reduce((a, b) => a + b, 0) / counts[p]);
  },
  onnx(y, build) {
    const { kernel, strides, pads } = y.attrs;
    const [x] = y.inputs;
    const counts = countsOf(x.shape.slice(2), y.attrs);
    const taps = sizeOf(kernel);
    const lane = (numbers: readonly number[]) => build.constant(tensor(numbers, y.shape.slice(2), y.dtype));
    if (y.dtype === "float64" || y.attrs.dilations.some((d) => d !== 1)) {
      // ONNX Runtime has no float64 AveragePool, and ONNX had no dilations of it before opset 19.
      const size = sizeOf(x.shape.slice(2));
      const flat = reshapeForm(build, build.input(0), [0, x.shape[1], size]);
      const taken = gatherOrZero(build, flat, [3, 2], size, tapsFirst(x.shape, y.attrs), y.dtype);
      const apart = reshapeForm(build, taken, [0, x.shape[1], taps, counts.length]);
      const total = reshapeForm(build, reduceForm(build, "ReduceSum", apart, [2], false), [0, ...y.shape.slice(1)]);
      return build.node("Div", [total, lane(counts)]);
    }
    if (counts.length === 1 && counts[0] === taps && isWhole(x.shape, kernel)) {
      return build.node("GlobalAveragePool", [build.input(0)]);
    }
    const valid = countsOf(x.shape.slice(2), { ...y.attrs, counted: null });
    const options = { kernel_shape: kernel, strides, pads };
    if (valid.every((c, p) => c === counts[p])) return build.node("AveragePool", [build.input(0)], options);
    const mean = build.node("AveragePool", [build.input(0)], { ...options, count_include_pad: 1 });
    if (counts.every((c) => c === taps)) return mean;
    // A window that a rounded-up size lets reach past the pads divides by less than its taps.
    return build.node("Mul", [mean, lane(counts.map((c) => taps / c))]);
  },
};

// --- internal ---

const isWhole = (shape: Shape, kernel: readonly number[]): boolean => sameShape(shape.slice(2), kernel);

/** Rounding the number of windows up is the same as padding the end by what the last window lacks. */
function withCeil(w: Window, input: Shape, ceil = false): Window {
  if (!ceil) return w;
  const rank = input.length;
  const extent = extentOf(w);
  const pads = w.pads.map((padding, k) => {
    if (k < rank) return padding;
    const i = k - rank;
    const room = input[i] + w.pads[i] + padding - extent[i];
    const lack = Math.ceil(room / w.strides[i]) * w.strides[i] - room;
    // A window that would start past the input is no window.
    const starts = Math.ceil(room / w.strides[i]) * w.strides[i] < input[i] + w.pads[i];
    return starts ? padding + lack : padding;
  });
  return { ...w, pads };
}

/** A window of padding alone has neither a largest value nor a mean. */
function checkFilled(who: string, input: Shape, w: Window): void {
  for (const counts of tapsInside(input, windowsAlong(who, input, w), w)) {
    if (counts.includes(0)) {
      throw new ShapeError(
        `${who}: every window must reach the input, got kernel ${showShape(w.kernel)}, pads ${showShape(w.pads)} on ${showShape(input)}`,
      );
    }
  }
}

function pooled(who: string, [batch, channels, ...space]: Shape, w: Window): Shape {
  if (space.length === 0) throw new ShapeError(`${who}: needs [batch, channels, ...space], got [${batch},${channels}]`);
  return [batch, channels, ...windowsAlong(who, space, w)];
}

/** What each window is divided by, row-major. */
function countsOf(input: Shape, w: AverageAttrs): number[] {
  const { counted } = w;
  const rank = input.length;
  // Where pads count they are as good as input.
  const pads = w.pads.map((padding, k) => padding - (counted?.[k] ?? 0));
  const within = counted ? input.map((size, i) => size + counted[i] + counted[i + rank]) : input;
  const lists = tapsInside(within, windowsAlong("averagePool", input, w), { ...w, pads });
  return lists.reduce((all, list) => all.flatMap((a) => list.map((b) => a * b)), [1]);
}

/** Along each axis: how many taps of each window lie inside. */
function tapsInside(input: Shape, windows: Shape, w: Window): number[][] {
  const rank = input.length;
  return input.map((size, i) => {
    const kernel = [w.kernel[i]];
    const axis = { kernel, strides: [w.strides[i]], dilations: [w.dilations[i]], pads: [w.pads[i], w.pads[i + rank]] };
    const table = tapTable([size], [windows[i]], axis);
    return Array.from({ length: windows[i] }, (_, p) =>
      table.subarray(p * kernel[0], (p + 1) * kernel[0]).reduce((n, q) => n + (q < 0 ? 0 : 1), 0),
    );
  });
}

/** Windows that lie side by side: x cut to them, with an axis for the windows and one for the taps per spatial axis. */
function tileOf(from: Shape, to: Shape, w: Window) {
  const [batch, channels, ...space] = from;
  const windows = to.slice(2);
  const aside = space.every((_, i) => {
    const dense = w.dilations[i] === 1 || w.kernel[i] === 1;
    return dense && (w.strides[i] === w.kernel[i] || windows[i] === 1);
  });
  if (!aside || w.pads.some((p) => p !== 0)) return null;
  const shape = [batch, channels, ...windows.map((d, i) => d * w.kernel[i])];
  const none = shape.map(() => 0);
  return {
    shape,
    apart: [batch, channels, ...windows.flatMap((d, i) => [d, w.kernel[i]])],
    together: [batch, channels, ...windows.flatMap((d) => [d, 1])],
    axes: windows.map((_, i) => 2 * i + 3),
    cut: (x: Node) => slice(x, none, shape),
    paste: (dx: Node) =>
      pad(
        dx,
        none,
        from.map((d, i) => d - shape[i]),
      ),
  };
}

function tapsFirst(shape: Shape, w: Window): Int32Array {
  const input = shape.slice(2);
  const windows = windowsAlong("pool", input, w);
  return swapTable(tapTable(input, windows, w), sizeOf(windows), sizeOf(w.kernel));
}

function eachWindow(
  y: Node<Window>,
  x: Float64Array,
  fold: (values: readonly number[], window: number) => number,
): Float64Array {
  const space = y.inputs[0].shape.slice(2);
  const windows = sizeOf(y.shape.slice(2));
  const taps = sizeOf(y.attrs.kernel);
  const table = tapTable(space, y.shape.slice(2), y.attrs);
  return Float64Array.from({ length: sizeOf(y.shape) }, (_, i) => {
    const p = i % windows;
    const lane = Math.floor(i / windows) * sizeOf(space);
    const values: number[] = [];
    for (let k = 0; k < taps; k++) {
      const q = table[p * taps + k];
      if (q >= 0) values.push(x[lane + q]);
    }
    return fold(values, p);
  });
}
