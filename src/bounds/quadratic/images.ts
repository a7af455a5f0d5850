/** @file Images on the grids of the walk, and the maps between them: windows, factors by channel, moved numbers, and a matrix that reads every place. */
import type { LinearForm, WindowSums } from "../../graph/graph.ts";
import { sizeOf } from "../../tensor/shape.ts";
import type { NodeNorms } from "../norm/node.ts";
import type { Axis } from "./axes.ts";
import type { Value } from "./cuts.ts";
import { identityPlaces, type Kernel, type Places, type Tap } from "./program.ts";

/** Channels of a variable on a grid, moved and scaled. */
export interface Image extends Value {
  /** The size of the image, which begins at place 0. */
  readonly space: readonly number[];
  /** Is it 0 outside? */
  readonly cropped: boolean;
  /** Where the number k of the node is: channel * places + place. None where they are in this order. */
  readonly layout?: Int32Array;
}

/** Are its numbers in the order of the node? */
export const isPlain = (image: Image): boolean => image.layout === undefined;

/** The place along each axis. */
export function coordinates(place: number, sides: readonly number[]): number[] {
  const at = new Array<number>(sides.length);
  let rest = place;
  for (let i = sides.length - 1; i >= 0; i--) {
    at[i] = rest % sides[i];
    rest = Math.floor(rest / sides[i]);
  }
  return at;
}

/** What windows with these offsets read, axis by axis. */
export const axesOf = (
  offsets: readonly (readonly number[])[],
  strides: readonly number[],
  sizes: readonly number[],
  out: readonly number[],
): readonly Axis[] => offsets.map((own, a) => ({ offsets: own, stride: strides[a], size: sizes[a], out: out[a] }));

/** Every place reads itself. */
export const still = (space: readonly number[]): readonly Axis[] =>
  space.map((size) => ({ offsets: [0], stride: 1, size, out: size }));

/** Sums of windows, without their factor. */
export function sums({ kernel, strides, pads, dilations }: WindowSums, image: Image, out: readonly number[]) {
  const n = image.map.rows;
  const offsets = kernel.map(() => [] as number[]);
  const taps = Array.from({ length: sizeOf(kernel) }, (_, t): Tap => {
    const shift = coordinates(t, kernel).map((k, a) => k * dilations[a] - pads[a]);
    for (let a = 0; a < kernel.length; a++) offsets[a].push(shift[a]);
    const weight = new Float64Array(n * n);
    for (let c = 0; c < n; c++) weight[c * (n + 1)] = 1;
    return { shift, weight };
  });
  const map: Kernel = { kind: "kernel", rows: n, cols: n, taps, error: 0 };
  return { map, axes: axesOf(offsets, strides, image.space, out) };
}

export const timesFactor = (map: Kernel, factor: number, error: number): Kernel => ({
  ...map,
  taps: map.taps.map(({ shift, weight }) => ({ shift, weight: weight.map((w) => w * factor) })),
  error: map.error + error + 4 * Number.EPSILON,
});

/** Factors that are alike at all places of a channel; null where they are not. */
export function channelFactors(
  norms: NodeNorms,
  form: LinearForm & { readonly form: "diagonal" },
  channels: number,
): Places | null {
  const { data, error } = norms.fixed(form.factors);
  const places = data.length / channels;
  const factors = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    const first = data[c * places];
    for (let p = 1; p < places; p++) if (data[c * places + p] !== first) return null;
    factors[c] = form.inverse ? 1 / first : first;
    if (!Number.isFinite(factors[c])) return null;
  }
  return { ...identityPlaces(channels), factors, error: form.inverse ? error + 4 * Number.EPSILON : error };
}

/** What is moved, number by number, as channels that are moved and a shift of the image; null where it is more than that. */
export function placesBetween(
  moved: Places,
  image: Image,
  channels: number,
  space: readonly number[],
): { readonly map: Places; readonly axes: readonly Axis[] } | null {
  const [before, now] = [sizeOf(image.space), sizeOf(space)];
  if (space.length !== image.space.length || moved.rows !== channels * now) return null;
  const from = new Int32Array(channels).fill(-1);
  const factors = new Float64Array(channels);
  let shift: number[] | null = null;
  for (let k = 0; k < moved.rows; k++) {
    if (moved.from[k] < 0) continue;
    const c = Math.floor(k / now);
    const [source, place] = [Math.floor(moved.from[k] / before), moved.from[k] % before];
    if (from[c] < 0) {
      from[c] = source;
      factors[c] = moved.factors[k];
      const [there, here] = [coordinates(place, image.space), coordinates(k % now, space)];
      shift ??= there.map((x, a) => x - here[a]);
    }
  }
  if (!shift) return null;
  // All places must agree, and what is 0 lie outside of what was there.
  for (let k = 0; k < moved.rows; k++) {
    const c = Math.floor(k / now);
    const there = coordinates(k % now, space).map((x, a) => x + (shift as number[])[a]);
    const inside = there.every((x, a) => x >= 0 && x < image.space[a]);
    if (from[c] < 0 || !inside) {
      if (moved.from[k] >= 0) return null;
      continue;
    }
    const place = there.reduce((at, x, a) => at * image.space[a] + x, 0);
    if (moved.from[k] !== from[c] * before + place || moved.factors[k] !== factors[c]) return null;
  }
  const places: Places = { kind: "places", rows: channels, cols: image.map.rows, from, factors, error: 0 };
  const moves = shift.some((s) => s !== 0);
  return {
    map: moves ? { ...places, shift } : places,
    axes: shift.map((s, a) => ({ offsets: [s], stride: 1, size: image.space[a], out: space[a] })),
  };
}

/** A matrix of the numbers of an image as a kernel with a tap for each place. */
export function overPlaces(map: Kernel, image: Image): Kernel {
  const places = sizeOf(image.space);
  const channels = image.map.rows;
  const { rows, cols } = map;
  const taps = Array.from(
    { length: places },
    (_, p): Tap => ({
      shift: coordinates(p, image.space),
      weight: new Float64Array(rows * channels),
    }),
  );
  for (let k = 0; k < cols; k++) {
    const at = image.layout ? image.layout[k] : k;
    const [c, p] = [Math.floor(at / places), at % places];
    for (let r = 0; r < rows; r++) taps[p].weight[r * channels + c] = map.taps[0].weight[r * cols + k];
  }
  return { ...map, cols: channels, taps };
}
