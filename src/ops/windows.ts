/** @file Where the windows of a convolution or a pooling lie: one table that loops, Gather lowerings and norms all read. */
import { ShapeError } from "../tensor/errors.ts";
import { type Shape, showShape, sizeOf, stridesOf } from "../tensor/shape.ts";

/** A window that moves over the spatial axes; every list has one number per axis, `pads` begins of all axes, then ends. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
  readonly dilations: readonly number[];
}

/** What stays fixed of a convolution: the window, the groups and the spatial size of its input. */
export interface ConvAttrs extends Window {
  readonly groups: number;
  readonly input: Shape;
}

/** Fill in what was not said (stride 1, no padding, dilation 1) and check the lists. */
export function windowOf(who: string, kernel: readonly number[], said: Partial<Window>): Window {
  const rank = kernel.length;
  const list = (
    name: string,
    values: readonly number[] | undefined,
    otherwise: number,
    length: number,
    low: number,
  ) => {
    const all = values ?? new Array<number>(length).fill(otherwise);
    if (all.length !== length || all.some((v) => !Number.isSafeInteger(v) || v < low)) {
      throw new ShapeError(`${who}: ${name} must be ${length} whole numbers from ${low}, got ${showShape(all)}`);
    }
    return all;
  };
  return {
    kernel: list("kernel", kernel, 1, rank, 1),
    strides: list("strides", said.strides, 1, rank, 1),
    pads: list("pads", said.pads, 0, 2 * rank, 0),
    dilations: list("dilations", said.dilations, 1, rank, 1),
  };
}

/** From the first tap of a window to its last: dilation * (kernel - 1) + 1 per axis. */
export const extentOf = (w: Window): number[] => w.kernel.map((k, i) => w.dilations[i] * (k - 1) + 1);

/** How many windows fit along each axis: floor((input + pads - extent) / stride) + 1. */
export function windowsAlong(who: string, input: Shape, w: Window): number[] {
  if (input.length !== w.kernel.length) {
    throw new ShapeError(
      `${who}: the kernel must have an axis per spatial axis, got ${showShape(w.kernel)} for ${showShape(input)}`,
    );
  }
  const extent = extentOf(w);
  return input.map((size, i) => {
    const room = size + w.pads[i] + w.pads[i + input.length] - extent[i];
    if (room < 0) {
      throw new ShapeError(
        `${who}: the kernel must fit into the padded input, got extent ${extent[i]} for ${room + extent[i]}`,
      );
    }
    return Math.floor(room / w.strides[i]) + 1;
  });
}

/** For window p and tap k, at p * taps + k: the input position it reads (row-major), or -1 in the padding. */
export function tapTable(input: Shape, windows: Shape, w: Window): Int32Array {
  const taps = sizeOf(w.kernel);
  const table = new Int32Array(sizeOf(windows) * taps);
  const steps = stridesOf(input);
  const fromWindow = indices(windows);
  const fromTap = indices(w.kernel);
  let at = 0;
  for (const p of fromWindow) {
    for (const k of fromTap) {
      let position = 0;
      for (let i = 0; i < input.length; i++) {
        const q = p[i] * w.strides[i] + k[i] * w.dilations[i] - w.pads[i];
        if (q < 0 || q >= input[i]) {
          position = -1;
          break;
        }
        position += q * steps[i];
      }
      table[at++] = position;
    }
  }
  return table;
}

/** The table read from the other side: for input position q and tap k, at q * taps + k, the window that reads it there, or -1. */
export function readersTable(table: Int32Array, taps: number, positions: number): Int32Array {
  const readers = new Int32Array(positions * taps).fill(-1);
  table.forEach((q, i) => {
    if (q >= 0) readers[q * taps + (i % taps)] = Math.floor(i / taps);
  });
  return readers;
}

/**
 * The same without gaps: for input position q, each of the (tap, window) that read it, as tap * windows + window, or -1 where it has fewer readers
 * than another; [most readers, positions]. A kernel with a stride, or nearly as large as its input, has far fewer than taps.
 */
export function compactReaders(table: Int32Array, taps: number, positions: number): Int32Array {
  const windows = table.length / taps;
  const count = new Int32Array(positions);
  for (const q of table) if (q >= 0) count[q]++;
  const most = count.reduce((a, b) => Math.max(a, b), 0);
  const readers = new Int32Array(most * positions).fill(-1);
  table.forEach((q, i) => {
    if (q >= 0) readers[--count[q] * positions + q] = (i % taps) * windows + Math.floor(i / taps);
  });
  return readers;
}

/** A table with its two axes swapped: [rows, columns] -> [columns, rows]. */
export function swapTable(table: Int32Array, rows: number, columns: number): Int32Array {
  return Int32Array.from(table, (_, i) => table[(i % rows) * columns + Math.floor(i / rows)]);
}

/** The largest number of windows that one input position is in. */
export function mostReaders(input: Shape, w: Window): number {
  const readers = new Int32Array(sizeOf(input));
  for (const q of tapTable(input, windowsAlong("windows", input, w), w)) if (q >= 0) readers[q]++;
  return readers.reduce((a, b) => Math.max(a, b), 0);
}

// --- internal ---

/** All index vectors of a shape, in row-major order. */
function indices(shape: Shape): number[][] {
  let all: number[][] = [[]];
  for (const d of shape) all = all.flatMap((head) => Array.from({ length: d }, (_, i) => [...head, i]));
  return all;
}
