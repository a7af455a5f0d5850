/** @file Multipliers in closed form: those of ECLipsE-Fast, in proportion to what each channel may be. They need no search, and are where one begins. */
import type { Complex } from "./complex.ts";
import type { Program } from "./program.ts";
import type { Choose } from "./proof.ts";

/** t as a number times the largest that each channel may be at any frequency: M = 2 diag(t) - Y_vv is then about diag(t) or more. */
export const closedForm: Choose = (step, own) => {
  const n = step.from.channels;
  const largest = new Float64Array(n);
  for (const Y of own) for (let i = 0; i < n; i++) largest[i] = Math.max(largest[i], Y.re[i * (n + 1)]);
  if (step.kind === "gain") return Float64Array.of(1.0001 * topOf(own, new Float64Array(n).fill(1)));
  const shared = new Map<number, number>();
  for (const [i, k] of step.share.entries()) shared.set(k, Math.max(shared.get(k) ?? 0, largest[i]));
  const most = Math.max(...shared.values());
  const e = Float64Array.from(step.share, (k) => Math.max(shared.get(k) as number, 1e-9 * most, 1e-200));
  const top = topOf(
    own,
    e.map((x) => 1 / Math.sqrt(x)),
  );
  return e.map((x) => x * top);
};

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
 * Lists of a model's metadata, of a number for each hidden layer, channel or neuron, as multipliers of a program; undefined where they do not fit. There
 * Lambda stands before d_z^T (d_v - d_z), here 2 / t does.
 */
export function fromLists(program: Program, lists: readonly (readonly number[])[]): Float64Array | undefined {
  const sectors = program.steps.filter((step) => step.kind === "sector");
  const t = new Float64Array(program.multipliers).fill(1);
  if (lists.length !== sectors.length || program.steps.some((step) => step.kind === "gain")) return undefined;
  for (const [i, { share }] of sectors.entries()) {
    const list = lists[i];
    if (share.length % list.length !== 0) return undefined;
    for (const [c, k] of share.entries()) t[k] = 2 / list[Math.floor((c * list.length) / share.length)];
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
