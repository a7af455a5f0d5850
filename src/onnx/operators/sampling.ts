/**
 * @file Where the elements of a resized axis lie in the one that is read, and what they take of it. All of it in float32, operation by
 * operation as ONNX Runtime does it: the standard leaves that open, and a size or an index may depend on the last digit.
 */
import { Refusal } from "../call.ts";

/** How one axis is resized: its length before and after, and their ratio as a float32. */
export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly scale: number;
}

export interface Sampling {
  readonly transformation: string;
  readonly mode: "nearest" | "linear" | "cubic";
  readonly rounding: string;
  readonly cubic: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
}

/** What element i of the result takes: places of the input, from 0 on, with weights. */
export type Taps = readonly (readonly [place: number, weight: number])[];

const f = Math.fround;

/** The length that a scale makes: floor(scale d) of the float32 product. */
export const scaledLength = (d: number, scale: number): number => Math.floor(f(f(scale) * d));

/** The taps of every element of the result. */
export function tapsOf(axis: Axis, sampling: Sampling): Taps[] {
  const place = coordinates[sampling.transformation];
  if (!place) throw new Refusal(`coordinate_transformation_mode ${sampling.transformation} is not read`);
  const at = (i: number) => (axis.scale === 1 ? i : place(i, axis));
  const { mode } = sampling;
  return Array.from({ length: axis.to }, (_, i): Taps => {
    if (mode === "nearest") return [[nearest(at(i), axis, sampling), 1]];
    if (sampling.antialias) return axis.to === axis.from ? [[i, 1]] : smoothed(f(0.5 + at(i)), axis, sampling);
    return mode === "linear" ? linear(at(i), axis) : cubic(at(i), axis, sampling);
  });
}

// --- internal ---

/** Where element i of the result lies in the input. */
const coordinates: Readonly<Record<string, (i: number, axis: Axis) => number>> = {
  half_pixel: halfPixel,
  half_pixel_symmetric(i, { scale, from, to }) {
    const adjustment = f(to / f(scale * from));
    const offset = f((from / 2) * f(1 - adjustment));
    // Measured: the quotient is not rounded before it is added.
    return f(offset + (i + 0.5) / scale - 0.5);
  },
  pytorch_half_pixel: (i, axis) => (axis.to > 1 ? halfPixel(i, axis) : 0),
  tf_half_pixel_for_nn: (i, { scale }) => f(f(i + 0.5) / scale),
  align_corners: (i, { from, to }) => (to > 1 ? f(f(i * (from - 1)) / (to - 1)) : 0),
  asymmetric: (i, { scale }) => f(i / scale),
};

function halfPixel(i: number, { scale }: Axis): number {
  return f(f(f(i + 0.5) / scale) - 0.5);
}

/** Half away from 0, as C does it. */
const round = (v: number): number => Math.sign(v) * Math.floor(Math.abs(v) + 0.5);

/** What is this near to the middle counts as there. */
const isHalfway = (v: number): boolean => Math.abs(f(v - f(Math.floor(v) + 0.5))) < f(1e-6);

const roundings: Readonly<Record<string, (v: number, shrinks: boolean) => number>> = {
  round_prefer_floor: (v) => (isHalfway(v) ? Math.floor(v) : round(v)),
  round_prefer_ceil: (v) => (isHalfway(v) ? Math.ceil(v) : round(v)),
  floor: Math.floor,
  ceil: Math.ceil,
  // What there was before there was a choice.
  simple: (v, shrinks) => (shrinks ? Math.ceil(v) : Math.trunc(v)),
};

const clamp = (k: number, length: number): number => Math.min(Math.max(k, 0), length - 1);

function nearest(at: number, { from, scale }: Axis, { rounding }: Sampling): number {
  return clamp(roundings[rounding](at, scale < 1), from);
}

function linear(at: number, { from }: Axis): Taps {
  const x = Math.max(0, Math.min(at, from - 1));
  const low = Math.min(Math.trunc(x), from - 1);
  const high = Math.min(low + 1, from - 1);
  if (low === high) return [[low, 1]];
  return taken([
    [low, Math.abs(f(x - high))],
    [high, Math.abs(f(x - low))],
  ]);
}

/** Four neighbours; those outside are the ones at the edge, or nothing and the others make up for it. Reference: Keys 1981. */
function cubic(at: number, { from }: Axis, { cubic: a, excludeOutside }: Sampling): Taps {
  const first = Math.floor(at);
  const s = f(at - first);
  const far = (t: number) => f(f(f(f(f(f(f(a * t) - f(5 * a)) * t) + f(8 * a)) * t)) - f(4 * a));
  const near = (t: number) => f(f(f(f(f(f(a + 2) * t) - f(a + 3)) * t) * t) + 1);
  const weights = [far(f(s + 1)), near(s), near(f(1 - s)), far(f(2 - s))];
  const taps = weights.map((w, k) => [first - 1 + k, w] as const);
  if (!excludeOutside) return taken(taps.map(([k, w]) => [clamp(k, from), w]));
  const inside = taps.filter(([k]) => k >= 0 && k < from);
  const total = inside.reduce((sum, [, w]) => f(sum + w), 0);
  return taken(inside.map(([k, w]) => [k, f(w / total)]));
}

/** The filter stretched over what one element of a smaller result stands for; what of it lies outside counts for the edge. */
function smoothed(centre: number, { from, scale }: Axis, { mode, cubic: a, excludeOutside }: Sampling): Taps {
  const narrow = Math.min(scale, 1);
  const support = f((mode === "linear" ? 1 : 2) / narrow);
  const filter = (x: number): number => {
    const t = Math.abs(x);
    if (mode === "linear") return t < 1 ? 1 - t : 0;
    if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
    return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
  };
  const least = Math.floor(f(centre - support + 0.5));
  const most = Math.floor(f(centre + support + 0.5));
  const taps: (readonly [number, number])[] = [];
  for (let k = least; k < most; k++) {
    if (excludeOutside && (k < 0 || k >= from)) continue;
    taps.push([clamp(k, from), f(filter((k - centre + 0.5) * narrow))]);
  }
  const total = taps.reduce((sum, [, w]) => sum + w, 0);
  return taken(taps.map(([k, w]) => [k, f(w / total)]));
}

/** One tap a place, and none without weight. */
function taken(taps: Taps): Taps {
  const by = new Map<number, number>();
  for (const [k, w] of taps) by.set(k, (by.get(k) ?? 0) + w);
  return [...by].filter(([, w]) => w !== 0);
}
