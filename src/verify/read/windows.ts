/** @file What windows over one or two axes read: the matrices of convolutions and means, and the members of a maximum. */

import { largestTensor, type Sparse, sparse } from "../algebra/sparse.ts";
import { must } from "../refusal.ts";
import type { Constant } from "./constant.ts";

interface Axis {
  readonly size: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly begin: number;
  readonly out: number;
}

/** Two axes; one of them has length 1 where there is only one. */
export interface Geometry {
  readonly a: Axis;
  readonly b: Axis;
  readonly rank: number;
  /** With zeros counted: all taps of a window lie in the padded image, but for the last ones where that is asked for. */
  readonly out: readonly number[];
}

/** The geometry of windows; null where the settings do not fit. */
export function geometry(
  space: readonly number[],
  kernel: readonly number[],
  strides: readonly number[] = space.map(() => 1),
  pads: readonly number[] = [...space, ...space].map(() => 0),
  dilations: readonly number[] = space.map(() => 1),
  ceil = false,
): Geometry | null {
  const n = space.length;
  if (kernel.length !== n || strides.length !== n || dilations.length !== n || pads.length !== 2 * n) return null;
  const whole = (least: number, ...lists: readonly (readonly number[])[]) =>
    lists.flat().every((v) => Number.isInteger(v) && v >= least);
  if (!whole(1, kernel, strides, dilations) || !whole(0, pads)) return null;
  const axes = space.map((size, i): Axis => {
    const extent = dilations[i] * (kernel[i] - 1) + 1;
    const room = size + pads[i] + pads[n + i] - extent;
    // A window that reaches past the end counts where it is asked for and begins before the zeros behind the image.
    const most = (ceil ? Math.ceil(room / strides[i]) : Math.floor(room / strides[i])) + 1;
    const out = ceil && (most - 1) * strides[i] >= size + pads[i] ? most - 1 : most;
    return { size, taps: kernel[i], stride: strides[i], dilation: dilations[i], begin: pads[i], out };
  });
  const outs = axes.reduce((product, { out }) => product * out, 1);
  if (axes.some(({ out }) => out < 1) || outs > largestTensor) return null;
  const one: Axis = { size: 1, taps: 1, stride: 1, dilation: 1, begin: 0, out: 1 };
  return { a: n === 2 ? axes[0] : one, b: axes[n - 1], rank: n, out: axes.map((axis) => axis.out) };
}

/** A convolution of [1, channels, ...space]. */
export function convolutionMatrix(
  geometry: Geometry,
  K: Constant,
  input: readonly number[],
  groups: number,
): { readonly matrix: Sparse; readonly shape: readonly number[] } {
  const { a, b } = geometry;
  const [outChannels, inChannels] = K.shape;
  const perGroup = outChannels / groups;
  const taps = a.taps * b.taps;
  const places = a.size * b.size;
  const matrix = sparse(outChannels * a.out * b.out, input[1] * places, (row, put) => {
    const o = Math.floor(row / (a.out * b.out));
    const place = row % (a.out * b.out);
    const first = Math.floor(o / perGroup) * inChannels;
    for (let i = 0; i < inChannels; i++) {
      visit(geometry, place, (at, tap) => put((first + i) * places + at, K.data[(o * inChannels + i) * taps + tap]));
    }
  });
  return { matrix, shape: [1, outChannels, ...geometry.out] };
}

/** The mean of every window; zeros outside the image count only where they are asked to. */
export function meanMatrix(
  geometry: Geometry,
  input: readonly number[],
  countPads: boolean,
): { readonly matrix: Sparse; readonly shape: readonly number[] } {
  const { a, b } = geometry;
  const outs = a.out * b.out;
  // Every channel of every image is for itself.
  const images = input[0] * input[1];
  const matrix = sparse(
    images * outs,
    images * a.size * b.size,
    (row, put) => {
      const members: number[] = [];
      visit(geometry, row % outs, (at) => members.push(at));
      must(members.length > 0, () => "a window reads nothing of the image");
      const share = 1 / (countPads ? a.taps * b.taps : members.length);
      for (const at of members) put(Math.floor(row / outs) * a.size * b.size + at, share);
    },
    2,
  );
  return { matrix, shape: [...input.slice(0, 2), ...geometry.out] };
}

/** The members of every window, and the most windows that a number is in. */
export function windowsOf(
  geometry: Geometry,
  input: readonly number[],
): {
  readonly start: Int32Array;
  readonly members: Int32Array;
  readonly most: number;
  readonly shape: readonly number[];
} {
  const { a, b } = geometry;
  const outs = a.out * b.out;
  const images = input[0] * input[1];
  const rows = images * outs;
  const start = new Int32Array(rows + 1);
  const members: number[] = [];
  const uses = new Int32Array(images * a.size * b.size);
  for (let row = 0; row < rows; row++) {
    visit(geometry, row % outs, (at) => {
      const member = Math.floor(row / outs) * a.size * b.size + at;
      members.push(member);
      uses[member]++;
    });
    start[row + 1] = members.length;
    must(start[row + 1] > start[row], () => "a window reads nothing of the image");
  }
  const most = uses.reduce((top, n) => Math.max(top, n), 0);
  return { start, members: Int32Array.from(members), most, shape: [...input.slice(0, 2), ...geometry.out] };
}

// --- internal ---

/** The places inside the image that a window covers, with the number of the tap. */
function visit({ a, b }: Geometry, place: number, run: (at: number, tap: number) => void): void {
  const [y, x] = [Math.floor(place / b.out), place % b.out];
  for (let s = 0; s < a.taps; s++) {
    const row = y * a.stride - a.begin + s * a.dilation;
    if (row < 0 || row >= a.size) continue;
    for (let t = 0; t < b.taps; t++) {
      const column = x * b.stride - b.begin + t * b.dilation;
      if (column >= 0 && column < b.size) run(row * b.size + column, s * b.taps + t);
    }
  }
}
