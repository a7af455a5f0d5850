/** @file An affine node as windows of images: kernels over places for the quadratic walk, with their strides and what they read beyond the edges. */
import type { Flow } from "../../graph/behaviour.ts";
import type { LinearForm, Node, Windows } from "../../graph/graph.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { NodeNorms } from "../norm/node.ts";
import type { wrappedConvolution } from "../norm/periodic.ts";
import { type Axis, leastSide } from "./axes.ts";
import {
  axesOf,
  channelFactors,
  coordinates,
  type Image,
  isPlain,
  placesBetween,
  still,
  sums,
  timesFactor,
} from "./images.ts";
import { movedNumbers } from "./nodeMap.ts";
import type { Kernel, Linear, Tap } from "./program.ts";

/** An affine node as windows of images, all with the same strides. */
export interface WindowSum {
  readonly terms: readonly { readonly image: Image; readonly map: Linear; readonly axes: readonly Axis[] }[];
  readonly channels: number;
  readonly space: readonly number[];
  readonly strides: readonly number[];
  /** Behind the sum: factors that may be anything between these, place by place. */
  readonly factors: readonly [number, number] | null;
}

/** A node as windows of the images that it reads, which `imageOf` gives where they are in the shape of the node; null where it is none. */
export function windowSum(
  { flow, norms }: { readonly flow: Flow; readonly norms: NodeNorms },
  node: Node,
  imageOf: (x: Node) => Image | null,
): WindowSum | null {
  const [one, channels, ...space] = node.shape;
  const terms: { readonly image: Image; readonly map: Linear; readonly axes: readonly Axis[] }[] = [];
  let strides: readonly number[] | null = null;
  let factors: readonly [number, number] | null = null;
  for (const [i, x] of node.inputs.entries()) {
    if (!flow.varies.has(x)) continue;
    const image = imageOf(x);
    if (!image) return null;
    const behaviour = node.op.behaviour(
      node,
      node.inputs.map((_, k) => k === i),
    );
    const form = behaviour.kind === "linear" ? behaviour.of : null;
    let term: { readonly map: Linear; readonly axes: readonly Axis[] } | null = null;
    if (form?.form === "convolution") term = convolution(norms, form, image, space);
    else if (form?.form === "bounded" && form.sums) {
      // A window that is the whole image makes one number: that is for a dense map.
      if (form.sums.kernel.every((k, a) => k >= image.space[a])) return null;
      const summed = sums(form.sums, image, space);
      term = summed;
      if (form.sums.high > form.sums.low * (1 + 1e-12)) factors = [form.sums.low, form.sums.high];
      else {
        const middle = (form.sums.low + form.sums.high) / 2;
        term = { ...summed, map: timesFactor(summed.map, middle, form.sums.high / form.sums.low - 1) };
      }
    } else if (form?.form === "diagonal") {
      const factorsOf = channelFactors(norms, form, channels);
      if (factorsOf) term = { map: factorsOf, axes: still(image.space) };
    } else if (one === 1) {
      const moved = movedNumbers(flow, node, i);
      term = moved && placesBetween(moved, image, channels, space);
    }
    if (!term) return null;
    const own = term.axes.map((a) => a.stride);
    if (strides && strides.join() !== own.join()) return null;
    strides = own;
    terms.push({ image, ...term });
  }
  return strides && one === 1 ? { terms, channels, space, strides, factors } : null;
}

/** A convolution that reads its image as if it went on where it ends. */
export function periodicSum(
  node: Node,
  image: Image,
  { kernel, channels, inputs, height, width, stride }: NonNullable<ReturnType<typeof wrappedConvolution>>["stage"],
): WindowSum {
  const count = height * width;
  const taps: Tap[] = [];
  for (let t = 0; t < count; t++) {
    const weight = Float64Array.from({ length: channels * inputs }, (_, k) => kernel[k * count + t]);
    if (weight.some((w) => w !== 0)) taps.push({ shift: coordinates(t, [height, width]), weight });
  }
  const map: Kernel = { kind: "kernel", rows: channels, cols: inputs, taps, error: 0 };
  const [, , ...space] = node.shape;
  const axes = [height, width].map((size, a): Axis => ({ offsets: [0], stride, size, out: space[a] }));
  return { terms: [{ image, map, axes }], channels, space, strides: [stride, stride], factors: null };
}

/** The windows of a pool as a kernel that stacks what each tap reads, and the least sides of a grid on which they stand apart. */
export function poolTaps(
  image: Image,
  windows: Windows,
  node: Node,
): { readonly map: Kernel; readonly sides: readonly number[] } {
  const { kernel, dilations, pads, strides } = windows;
  const count = sizeOf(kernel);
  const n = image.map.rows;
  const offsets = kernel.map(() => [] as number[]);
  const taps = Array.from({ length: count }, (_, t): Tap => {
    const shift = coordinates(t, kernel).map((k, a) => k * dilations[a] - pads[a]);
    for (let a = 0; a < kernel.length; a++) offsets[a].push(shift[a]);
    const weight = new Float64Array(count * n * n);
    for (let c = 0; c < n; c++) weight[(t * n + c) * n + c] = 1;
    return { shift, weight };
  });
  // Beyond the image every window reads something that is outside, which it may choose: consecutive places, so that one of them must be there.
  const axes = axesOf(offsets, strides, image.space, node.shape.slice(2));
  const sides = axes.map((axis, a) => Math.max(leastSide(axis), axis.size + dilations[a]));
  return { map: { kind: "kernel", rows: count * n, cols: n, taps, error: 0 }, sides };
}

/** Two numbers, and where the larger and the smaller one go. */
interface NumberPair {
  readonly a: number;
  readonly b: number;
  readonly max: number;
  readonly min: number;
}

/** Pairs of numbers that are sorted, as pairs of channels; null where they are not the same pairs in every place. */
export function sortedChannels(image: Image, pairs: readonly NumberPair[]): readonly NumberPair[] | null {
  const places = sizeOf(image.space);
  const channel = (k: number) => Math.floor(k / places);
  if (!isPlain(image)) return null;
  const own = new Map<string, NumberPair & { count: number }>();
  for (const { a, b, max, min } of pairs) {
    const place = a % places;
    if ([b, max, min].some((k) => k % places !== place)) return null;
    const pair = { a: channel(a), b: channel(b), max: channel(max), min: channel(min) };
    const key = Object.values(pair).join();
    const known = own.get(key) ?? { ...pair, count: 0 };
    known.count++;
    own.set(key, known);
  }
  if ([...own.values()].some(({ count }) => count !== places)) return null;
  return [...own.values()];
}

// --- internal ---

function convolution(
  norms: NodeNorms,
  form: LinearForm & { readonly form: "convolution" },
  image: Image,
  out: readonly number[],
): { readonly map: Kernel; readonly axes: readonly Axis[] } | null {
  const { data, error } = norms.fixed(form.kernel);
  const { strides, dilations, pads, groups, direction } = form;
  if (direction === "adjoint" && strides.some((s) => s !== 1)) return null;
  const [first, second, ...kernel] = form.kernel.shape;
  const rank = kernel.length;
  const count = sizeOf(kernel);
  const [rows, cols] = direction === "forward" ? [first, second * groups] : [second * groups, first];
  const taps: Tap[] = [];
  const offsets = kernel.map(() => [] as number[]);
  for (let t = 0; t < count; t++) {
    const at = coordinates(t, kernel);
    const shift = at.map((k, a) => (direction === "forward" ? 1 : -1) * (k * dilations[a] - pads[a]));
    const weight = new Float64Array(rows * cols);
    for (let o = 0; o < first; o++) {
      const group = Math.floor(o / (first / groups));
      for (let c = 0; c < second; c++) {
        const v = data[(o * second + c) * count + t];
        const [row, col] = direction === "forward" ? [o, group * second + c] : [group * second + c, o];
        weight[row * cols + col] = v;
      }
    }
    taps.push({ shift, weight });
    for (let a = 0; a < rank; a++) offsets[a].push(shift[a]);
  }
  const map: Kernel = { kind: "kernel", rows, cols, taps, error };
  return { map, axes: axesOf(offsets, strides, image.space, out) };
}
