/** @file Multipliers in closed form: those of ECLipsE-Fast, in proportion to what each channel may be. They need no search, and are where one begins. */
import { spectralNorm } from "../../linalg/norm.ts";
import type { Range } from "../domain.ts";
import type { Complex } from "./complex.ts";
import type { Action, Program } from "./program.ts";
import type { Choose } from "./proof.ts";

/**
 * t as a number times the largest that each channel may be at any frequency: M = 2 diag(t) - Y_vv is then about diag(t) or more.
 * `alike` takes the same for all channels, as ECLipsE-Fast does: then no more comes out than a product of norms says. `room` keeps away from the edge of what is
 * feasible, where slopes that are symmetric about 0 put M.
 */
export function closedForm({ alike = false, room = 1e-7 } = {}): Choose {
  return (step, own) => {
    const n = step.from.channels;
    if (step.kind === "gain") return Float64Array.of(1.0001 * topOf(own, new Float64Array(n).fill(1)));
    const e = alike ? new Float64Array(n).fill(1) : largestOf(step.share, own);
    const closed = step.slopes && closedFactors(step.slopes);
    const d = e.map((x) => 1 / Math.sqrt(x));
    const top = closed?.some((f) => f < 1) ? topUp(own, d) : topOf(own, d);
    return e.map((x, i) => x * top * (closed?.[i] ?? 1) * (1 + (closed && closed[i] < 1 ? room : 0)));
  };
}

/**
 * t over the largest eigenvalue of Y_vv with which no more comes out than a product of norms says: c^2 / (c^2 - low high), c the largest |slope| of all;
 * 1 for slopes in [0, b].
 */
function closedFactors({ low, high }: Range): Float64Array {
  const c = low.reduce((top, a, i) => Math.max(top, Math.abs(a), Math.abs(high[i])), 0);
  return low.map((a, i) => 1 / Math.max(1 - (a / c) * (high[i] / c), 1e-9));
}

/**
 * Multipliers that are given, one for each number of the program, each activation's a little larger than that of the one before: by a part e of themselves
 * times their order. At the optimum M may be all but singular, and what the proof takes off it would cost more than that.
 */
export function given(t: Float64Array, e: number): Choose {
  let order = 0;
  return (step) => {
    const factor = 1 + e * ++order;
    if (step.kind === "gain") return Float64Array.of(factor * t[step.multiplier]);
    return Float64Array.from(step.share, (k) => factor * t[k]);
  };
}

/**
 * The multipliers of a program as lambda before (z - a v) (b v - z), the sector of slopes in [a, b], one activation after the other: 2 / (t (b - a)^2).
 * Null where what is known of an activation is only a constant.
 */
export function sectorMultipliers(program: Program, t: Float64Array): readonly Float64Array[] | null {
  if (program.steps.some((step) => step.kind === "gain")) return null;
  return sectorsOf(program).map((step) => Float64Array.from(step.share, (k, i) => 2 / (t[k] * widthOf(step, i) ** 2)));
}

/**
 * The mirror of `sectorMultipliers` for lists of a model's metadata, of a number for each hidden layer, channel or neuron; undefined where they do not
 * fit. A program that is the end of a network takes the last lists.
 */
export function fromLists(program: Program, lists: readonly (readonly number[])[]): Float64Array | undefined {
  const sectors = sectorsOf(program);
  const t = new Float64Array(program.multipliers).fill(1);
  if (lists.length < sectors.length || program.steps.some((step) => step.kind === "gain")) return undefined;
  for (const [i, step] of sectors.entries()) {
    const { share } = step;
    const list = lists[lists.length - sectors.length + i];
    if (share.length % list.length !== 0) return undefined;
    for (const [c, k] of share.entries()) {
      t[k] = 2 / (list[Math.floor((c * list.length) / share.length)] * widthOf(step, c) ** 2);
    }
  }
  return t;
}

/** A part of the mean over the channels that each has at least: what never changes would have nothing to be relative to. */
export const meanFloor = 1e-9;

/** The mean over the frequencies of what each channel may be. */
export function meansOf(own: readonly Complex[], weights: readonly number[]): Float64Array {
  const n = own[0].rows;
  const means = new Float64Array(n);
  const total = weights.reduce((sum, w) => sum + w, 0);
  own.forEach(({ re }, f) => {
    for (let i = 0; i < n; i++) means[i] += (weights[f] / total) * re[i * (n + 1)];
  });
  const floor = (meanFloor / n) * means.reduce((sum, y) => sum + y, 0) + 1e-300;
  return means.map((y) => y + floor);
}

// --- internal ---

const sectorsOf = ({ steps }: Program) => steps.filter((step) => step.kind === "sector");

const widthOf = ({ slopes }: Action & { readonly kind: "sector" }, i: number): number =>
  slopes ? slopes.high[i] - slopes.low[i] : 1;

/** The largest that each channel may be, the same for channels of one multiplier. */
function largestOf(share: Int32Array, own: readonly Complex[]): Float64Array {
  const n = share.length;
  const largest = new Float64Array(n);
  for (const { re } of own) for (let i = 0; i < n; i++) largest[i] = Math.max(largest[i], re[i * (n + 1)]);
  const shared = new Map<number, number>();
  for (const [i, k] of share.entries()) shared.set(k, Math.max(shared.get(k) ?? 0, largest[i]));
  const most = Math.max(...shared.values());
  return Float64Array.from(share, (k) => Math.max(shared.get(k) as number, 1e-9 * most, 1e-200));
}

/** The same from above, where power iteration might end too low. */
function topUp(own: readonly Complex[], d: Float64Array): number {
  let top = 0;
  for (const { rows: n, cols, re, im } of own) {
    if (im) return 1.001 * topOf(own, d);
    const data = re.map((v, k) => v * d[k % n] * d[Math.floor(k / n)]);
    top = Math.max(top, spectralNorm({ rows: n, cols, data }, { tolerance: 1e-6 }).upper);
  }
  return top;
}

/** The largest eigenvalue of diag(d) Y diag(d) over the frequencies, nearly: power iteration, which may come to a little less. */
export function topOf(own: readonly Complex[], d: Float64Array): number {
  let top = 0;
  for (const Y of own) {
    const n = Y.rows;
    let x = Float64Array.from({ length: n }, (_, i) => 1 + ((i * 7919) % 13) / 13);
    let y = new Float64Array(n);
    let value = 0;
    for (let step = 0; step < 30; step++) {
      const [re, im] = [new Float64Array(n), new Float64Array(n)];
      for (let i = 0; i < n; i++) {
        for (let j = 0; j < n; j++) {
          const w = d[j] * d[i];
          const [a, b] = [w * Y.re[i * n + j], Y.im ? w * Y.im[i * n + j] : 0];
          re[i] += a * x[j] - b * y[j];
          im[i] += a * y[j] + b * x[j];
        }
      }
      let size = 0;
      for (let i = 0; i < n; i++) size += re[i] * re[i] + im[i] * im[i];
      size = Math.sqrt(size);
      if (!(size > 0)) break;
      value = size;
      x = re.map((v) => v / size);
      y = im.map((v) => v / size);
    }
    top = Math.max(top, value);
  }
  return top;
}
