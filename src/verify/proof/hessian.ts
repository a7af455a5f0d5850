/** @file How fast the slope of a difference of two outputs can change: a bound of its Hessian by one pass back over the nonlinear steps, in l2. */

import { addUp, gamma, sqrtUp, timesUp, underflow, up } from "../algebra/rounding.ts";
import type { Sparse } from "../algebra/sparse.ts";
import { quickNorm } from "../algebra/sparseNorm.ts";
import type { Program } from "../read/network.ts";
import { sampleName } from "../read/network.ts";
import { rowDistance } from "./norm.ts";
import { gainOfStep, type Walk } from "./walk.ts";

/** An upper bound of the norm of the Hessian of output y less output j, everywhere; Infinity where there is none. */
export type HessianBound = (y: number, j: number) => number;

/** What the difference of two outputs can change by with a tensor, whatever the input: number by number, and all of them in l2. */
interface Gain {
  readonly each: Float64Array;
  length: number;
  /** The length of what the tensor passes on by itself; what it does within a block, the block passes on. */
  onward: number;
}

/**
 * Bound the Hessians. With u_l the arguments of the activations, all that lies behind them linear in their values,
 *
 *     || H || <= sum over l of  c_l  max_k |g_lk|  L_l^2,
 *
 * c_l what the slope of the activation can change by, L_l the constant of u_l, and g_l the derivative of the difference in the values of l,
 * which is bounded number by number: by the absolute values of the maps behind it, or by the length of a column times the l2 gain there. What
 * comes back through a block is longer by its constant at most, on both of its ways together.
 */
export function hessianBounds(program: Program, walk: Walk): HessianBound {
  if (walk.norm !== 2 || !isSmooth(program)) return (y, j) => (y === j ? 0 : Number.POSITIVE_INFINITY);
  const sizesOf = cached((tensor) => new Map([...walk.regionOf(tensor)].map(([from, M]) => [from, sizes(M)])));
  const known = new Map<string, number>();
  return function hessian(y, j): number {
    if (y === j) return 0;
    if (y > j) return hessian(j, y);
    const key = `${y} ${j}`;
    const found = known.get(key) ?? pass(program, walk, sizesOf, y, j);
    known.set(key, found);
    return found;
  };
}

// --- internal ---

/** Rounding of everything that is added up here: fewer than 2^20 operations lead to any number. */
const hair = 1 + 2 ** -30;

/** |A| with what its entries may err by, and the lengths of its columns. */
interface Sizes {
  readonly entries: Float64Array;
  readonly columns: Float64Array;
}

/** Has no step a kink, and is there not too much to add up? */
const isSmooth = ({ steps }: Program): boolean =>
  steps.reduce((n, { shape }) => n + shape.reduce((m, d) => m * d, 1), 0) < 2 ** 20 &&
  steps.every((s) => s.kind === "affine" || (s.kind === "pointwise" && s.scalar.curvature < Number.POSITIVE_INFINITY));

function pass(
  { steps, byTensor, output, size }: Program,
  walk: Walk,
  sizesOf: (tensor: string) => ReadonlyMap<string, Sizes>,
  y: number,
  j: number,
): number {
  const { regionOf } = walk;
  const gains = new Map<string, Gain>();
  const gainOf = (tensor: string): Gain => {
    const width = byTensor.get(tensor)?.shape.reduce((n, d) => n * d, 1) ?? size;
    const gain = gains.get(tensor) ?? { each: new Float64Array(width), length: 0, onward: 0 };
    gains.set(tensor, gain);
    return gain;
  };
  const lengthen = (gain: Gain, length: number) => {
    gain.length = addUp(gain.length, length);
    gain.onward = addUp(gain.onward, length);
  };
  /** Back through the affine map that ends in a tensor. */
  const back = (to: string, slope: number, gain: Gain) => {
    for (const [from, M] of regionOf(to)) {
      if (from === sampleName) continue;
      const before = gainOf(from);
      const own = sizesOf(to).get(from) as Sizes;
      carried(M, own, slope, gain.each, timesUp(slope, gain.length), before.each);
      const norm = walk.normsOf(to)?.find((p) => p.tensor === from)?.norm ?? Number.POSITIVE_INFINITY;
      lengthen(before, timesUp(norm, timesUp(slope, gain.onward)));
    }
  };
  const last = regionOf(output);
  for (const [from, M] of last) {
    const gain = gainOf(from);
    difference(M, y, j, gain.each);
    lengthen(gain, rowDistance(M, y, j, 2));
  }
  if (last.size === 0) {
    const gain = gainOf(output);
    gain.each[y] = gain.each[j] = 1;
    lengthen(gain, sqrtUp(2));
  }
  let total = 0;
  for (const step of [...steps].reverse()) {
    const gain = gains.get(step.tensor);
    if (!gain) continue;
    const block = walk.blockOf(step.tensor);
    if (block) {
      const V = regionOf(step.tensor).get(block.activation) as Sparse;
      const [inner, start] = [gainOf(block.activation), gainOf(block.from)];
      const own = sizesOf(step.tensor).get(block.activation) as Sizes;
      carried(V, own, 1, gain.each, gain.length, inner.each);
      inner.length = addUp(inner.length, timesUp(quickNorm(V, 2), gain.length));
      for (let k = 0; k < start.each.length; k++) start.each[k] += gain.each[k];
      lengthen(start, timesUp(block.constant, gain.onward));
      continue;
    }
    if (step.kind === "affine") {
      back(step.tensor, 1, gain);
      continue;
    }
    if (step.kind !== "pointwise") return Number.POSITIVE_INFINITY;
    const L = walk.constantOf(step.from);
    const largest = gain.each.reduce((top, g) => Math.max(top, g), 0) * hair;
    const own = timesUp(timesUp(step.scalar.curvature, Math.min(largest, gain.length)), timesUp(L, L));
    total = addUp(total, own);
    const slope = gainOfStep(step, 2);
    // What is a source itself has no map.
    if (step.from !== sampleName && (regionOf(step.from).size === 0 || walk.blockOf(step.from))) {
      const before = gainOf(step.from);
      for (let k = 0; k < before.each.length; k++) before.each[k] += slope * gain.each[k];
      lengthen(before, timesUp(slope, gain.onward));
    } else back(step.from, slope, gain);
  }
  return addUp(up(total * hair), underflow);
}

/** before += min(|A|^T slope |g|, columns length), number by number. */
function carried(
  A: Sparse,
  { entries, columns }: Sizes,
  slope: number,
  g: Float64Array,
  length: number,
  before: Float64Array,
): void {
  const sums = new Float64Array(A.cols);
  for (let i = 0; i < A.rows; i++) {
    const factor = slope * g[i];
    if (factor === 0) continue;
    for (let k = A.start[i]; k < A.start[i + 1]; k++) sums[A.index[k]] += factor * entries[k];
  }
  for (let k = 0; k < A.cols; k++) before[k] += Math.min(sums[k], columns[k] * length);
}

/** into += |row y - row j|. */
function difference(A: Sparse, y: number, j: number, into: Float64Array): void {
  const value = new Float64Array(A.cols);
  const size = new Float64Array(A.cols);
  for (const [row, sign] of [
    [y, 1],
    [j, -1],
  ] as const) {
    for (let k = A.start[row]; k < A.start[row + 1]; k++) {
      value[A.index[k]] += sign * A.value[k];
      size[A.index[k]] += Math.abs(A.size[k]);
    }
  }
  const relative = gamma(A.roundings + 4);
  for (let k = 0; k < A.cols; k++) into[k] += Math.abs(value[k]) + relative * size[k];
}

function sizes(A: Sparse): Sizes {
  const relative = gamma(A.roundings + 4);
  // Not so small that a square is lost.
  const entries = A.value.map((v, k) => Math.max(2 ** -500, Math.abs(v) + relative * Math.abs(A.size[k])));
  const columns = new Float64Array(A.cols);
  entries.forEach((v, k) => {
    columns[A.index[k]] += v * v;
  });
  return { entries, columns: columns.map(Math.sqrt) };
}

function cached<T>(make: (key: string) => T): (key: string) => T {
  const known = new Map<string, T>();
  return (key) => {
    const found = known.get(key) ?? make(key);
    known.set(key, found);
    return found;
  };
}
