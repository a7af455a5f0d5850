/**
 * @file Cutting a box along the kinks of a chain: neuron by neuron it is asked on which sides of its kink there are points, until in every part all slopes are known. A part is a
 * polyhedron; the box around it, which is sought too, is what ranges and slopes are bounded on.
 */
import type { HalfSpace } from "../../linalg/farkas.ts";
import { feasibleIn, normalised } from "../../linalg/polyhedron.ts";
import { gamma, tiny, unit, up } from "../../linalg/rounding.ts";
import type { Range } from "../domain.ts";
import { aliveSlopes, isOpen, type Layers, type Neurons, type Reduced, reduced } from "./neurons.ts";

/** Points of a box in some half-spaces: x = center + reach u, the half-spaces and the box around them in u. */
export interface Cell {
  readonly frame: Frame;
  readonly rows: readonly HalfSpace[];
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** A point inside, up to rounding; null where none was found. */
  readonly u: Float64Array | null;
}

/** A box as middle and reach, of which the numbers `free` vary. */
export interface Frame {
  readonly center: Float64Array;
  readonly reach: Float64Array;
  readonly free: readonly number[];
}

/** A cell, and what is known of the neurons there. */
export interface Part {
  readonly cell: Cell;
  readonly neurons: Neurons;
}

/** All of a box. */
export function wholeCell(frame: Frame): Cell {
  const n = frame.free.length;
  return {
    frame,
    rows: [],
    low: new Float64Array(n).fill(-1),
    high: new Float64Array(n).fill(1),
    u: new Float64Array(n),
  };
}

/** The point inside. */
export const pointIn = ({ frame, u }: Cell): Float64Array | null => u && pointAt(frame, u);

/** The box around a cell, rounded outward. */
export function boxOf({ frame, low, high }: Cell): Range {
  const { center, reach, free } = frame;
  const found = { low: center.map((c, i) => c - reach[i]), high: center.map((c, i) => c + reach[i]) };
  free.forEach((i, k) => {
    const pad = (Math.abs(center[i]) + reach[i]) * 2 ** -50;
    found.low[i] = center[i] + reach[i] * low[k] - pad;
    found.high[i] = center[i] + reach[i] * high[k] + pad;
  });
  return found;
}

/**
 * Cut a part along the neurons of the first layer that has open ones, a few at a time; null where no neuron is open, none where the part is empty. A side is given up only if a proved certificate
 * shows that it is empty, rounding of the half-spaces included.
 */
export function partsAlongKinks({ cell, neurons }: Part): readonly Part[] | null {
  const { layers, alive, ranges } = neurons;
  const { activations } = layers.written.chain;
  const net = reduced(neurons);
  if (!net) return null;
  const slopes = aliveSlopes(neurons);
  let maps = firstMaps(layers, net, cell.frame);
  for (const [t, act] of activations.entries()) {
    const open: { readonly j: number; readonly depth: number }[] = [];
    const own = { low: slopes[t].low, high: slopes[t].high };
    for (let j = 0; j < own.low.length; j++) {
      if (own.low[j] === own.high[j]) continue;
      const [low, high] = valuesOf(maps, j, cell);
      if (isOpen(act, alive[t][j], low, high)) open.push({ j, depth: Math.min(high, -low) });
      else [own.low[j], own.high[j]] = act.slopeOn(alive[t][j], low, high);
    }
    if (open.length > 0) {
      // First those whose kink is deep inside.
      const order = open.sort((a, b) => b.depth - a.depth).map(({ j }) => j);
      return cutAlong({ cell, neurons }, t, maps, order);
    }
    maps = nextMaps(layers, net, t, maps, own);
  }
  // What is open by its ranges is not by the maps.
  const closed = slopes.some(({ low, high }, t) =>
    low.some((_, j) => isOpen(activations[t], alive[t][j], ranges[t].low[j], ranges[t].high[j]) && low[j] === high[j]),
  );
  return closed ? [{ cell, neurons: withSlopes(neurons, slopes) }] : null;
}

// --- internal ---

/** Neurons that are cut at once: so many parts at most are two to the power of it. */
const atOnce = 4;

function cutAlong({ cell, neurons }: Part, t: number, maps: Maps, open: readonly number[]): readonly Part[] {
  const found: Part[] = [];
  const decide = (k: number, cut: number, at: Cell, signs: Int8Array): void => {
    if (k === open.length || cut === atOnce) {
      const shrunk = cut > 0 ? shrink(at) : at;
      if (shrunk) found.push({ cell: shrunk, neurons: withSigns(neurons, t, open, signs) });
      return;
    }
    const j = open[k];
    const value = at.u ? valueAt(maps, j, at.u) : 0;
    const sides: { readonly sign: number; readonly row: HalfSpace; readonly u: Float64Array | null }[] = [];
    for (const sign of [1, -1]) {
      const row = normalised(sideOf(maps, j, sign, cell.low.length));
      if (sign * value > 0) {
        sides.push({ sign, row, u: at.u });
        continue;
      }
      const state = feasibleIn([...at.rows, row], at.low, at.high);
      if (state.kind !== "empty") sides.push({ sign, row, u: state.kind === "inside" ? state.x : null });
    }
    for (const { sign, row, u } of sides) {
      const own = signs.slice();
      own[k] = sign;
      // A side that all points are on is no limit.
      if (sides.length === 1) decide(k + 1, cut, { ...at, u }, own);
      else decide(k + 1, cut + 1, { ...at, u, rows: [...at.rows, row] }, own);
    }
  };
  decide(0, 0, cell, new Int8Array(open.length));
  return found;
}

/** The box around a cell drawn in, as far as a few questions show; null where nothing is left. */
function shrink(cell: Cell): Cell | null {
  const n = cell.low.length;
  const low = cell.low.slice();
  const high = cell.high.slice();
  const u = cell.u ?? low.map((l, k) => (l + high[k]) / 2);
  for (let k = 0; k < n; k++) {
    for (const sign of [1, -1]) {
      for (let step = 0; step < 2; step++) {
        const end = sign > 0 ? high[k] : low[k];
        const from = end + (u[k] - end) * 0.6;
        if (!(Math.abs(end - from) > 1e-6)) break;
        const beyond = { low: low.slice(), high: high.slice() };
        if (sign > 0) beyond.low[k] = from;
        else beyond.high[k] = from;
        if (feasibleIn(cell.rows, beyond.low, beyond.high).kind !== "empty") break;
        if (sign > 0) high[k] = from;
        else low[k] = from;
      }
    }
  }
  return { ...cell, low, high };
}

/** The neurons of a layer kept to the sides that were told (0: not told). */
function withSigns(neurons: Neurons, t: number, open: readonly number[], signs: Int8Array): Neurons {
  const low = neurons.ranges[t].low.slice();
  const high = neurons.ranges[t].high.slice();
  open.forEach((j, k) => {
    if (signs[k] > 0) low[j] = Math.max(0, low[j]);
    if (signs[k] < 0) high[j] = Math.min(0, high[j]);
    // A range that rounding left on the other side of 0 alone.
    if (low[j] > high[j]) low[j] = high[j] = 0;
  });
  return { ...neurons, ranges: neurons.ranges.map((r, i) => (i === t ? { low, high } : r)) };
}

const withSlopes = (neurons: Neurons, slopes: readonly Range[]): Neurons => {
  const { layers, alive } = neurons;
  const ranges = neurons.ranges.map(({ low, high }, t) => {
    const act = layers.written.chain.activations[t];
    const own = { low: low.slice(), high: high.slice() };
    for (let j = 0; j < low.length; j++) {
      if (slopes[t].low[j] !== slopes[t].high[j] || !(low[j] < 0 && high[j] > 0)) continue;
      const [right] = act.slopeOn(alive[t][j], 0, Number.POSITIVE_INFINITY);
      if (slopes[t].low[j] === right) own.low[j] = 0;
      else own.high[j] = 0;
    }
    return own;
  });
  return { ...neurons, ranges };
};

/** Pre-activations of a layer as affine functions of u: a row per neuron, the offset last, each number known to within its error. */
interface Maps {
  readonly values: Float64Array;
  readonly errors: Float64Array;
}

function pointAt({ center, reach, free }: Frame, u: Float64Array): Float64Array {
  const x = center.slice();
  free.forEach((i, k) => {
    x[i] += reach[i] * u[k];
  });
  return x;
}

/** Row j of the maps on the side of 0 that is told. */
function sideOf({ values, errors }: Maps, j: number, sign: number, n: number): HalfSpace {
  const from = j * (n + 1);
  return {
    normal: Float64Array.from({ length: n }, (_, k) => sign * values[from + k]),
    offset: sign * values[from + n],
    normalError: errors.slice(from, from + n),
    offsetError: errors[from + n],
  };
}

function firstMaps({ written }: Layers, { weights, biases }: Reduced, { center, reach, free }: Frame): Maps {
  const { data: W, rows, cols } = weights[0];
  const [off, shift] = written.exact ? [0, 0] : [written.error(0, "inf"), written.shifts[0]];
  const n = free.length;
  const width = n + 1;
  const values = new Float64Array(rows * width);
  const errors = new Float64Array(rows * width);
  const g = gamma(2 * cols + 8);
  const varies = new Set(free);
  for (let j = 0; j < rows; j++) {
    const to = j * width;
    free.forEach((i, k) => {
      const w = W[j * cols + i] * reach[i];
      values[to + k] = w;
      errors[to + k] = up(2 * unit * Math.abs(w) + up(off * reach[i]) + tiny);
    });
    let sum = biases[0][j];
    let lost = g * Math.abs(sum) + shift;
    for (let i = 0; i < cols; i++) {
      const w = W[j * cols + i];
      sum += w * center[i];
      lost += g * Math.abs(w * center[i]) + off * Math.abs(center[i]);
      // What does not vary is known to within the rounding of its units.
      if (!varies.has(i)) lost += (Math.abs(w) + off) * reach[i];
    }
    values[to + n] = sum;
    errors[to + n] = up(lost * (1 + 2 ** -40) + tiny);
  }
  return { values, errors };
}

/** W D z + b of the layer behind t. Errors follow the products: |fl(W M) - W M| <= gamma |W||M|, entry by entry. */
function nextMaps({ written }: Layers, net: Reduced, t: number, { values, errors }: Maps, slopes: Range): Maps {
  const { data: W, rows, cols } = net.weights[t + 1];
  const bias = net.biases[t + 1];
  const width = values.length / cols;
  const g = gamma(2 * cols + 8);
  const [off, shift] = written.exact ? [0, 0] : [written.error(t + 1, "inf"), written.shifts[t + 1] ?? 0];
  const found = new Float64Array(rows * width);
  const lost = new Float64Array(rows * width);
  for (let j = 0; j < rows; j++) {
    const to = j * width;
    for (let k = 0; k < cols; k++) {
      const d = slopes.low[k];
      const w = W[j * cols + k] * d;
      if (d === 0 || (w === 0 && off === 0)) continue;
      const loose = up(off * Math.abs(d));
      for (let c = 0; c < width; c++) {
        const m = values[k * width + c];
        const e = errors[k * width + c];
        found[to + c] += w * m;
        lost[to + c] += Math.abs(w) * (e + g * Math.abs(m)) + loose * (e + Math.abs(m));
      }
    }
    const last = to + width - 1;
    found[last] += bias[j];
    lost[last] += g * Math.abs(bias[j]) + shift;
    for (let c = 0; c < width; c++) if (lost[to + c] > 0) lost[to + c] = up(lost[to + c] * (1 + 2 ** -40) + tiny);
  }
  return { values: found, errors: lost };
}

/** Between what neuron j is while u is in the box around the cell. */
function valuesOf({ values, errors }: Maps, j: number, { low, high }: Cell): readonly [number, number] {
  const n = low.length;
  const from = j * (n + 1);
  let [least, most, size] = [values[from + n], values[from + n], Math.abs(values[from + n])];
  let lost = errors[from + n];
  for (let k = 0; k < n; k++) {
    const v = values[from + k];
    least += v > 0 ? v * low[k] : v * high[k];
    most += v > 0 ? v * high[k] : v * low[k];
    size += Math.abs(v);
    lost += errors[from + k];
  }
  const spread = up(lost * (1 + 2 ** -40) + size * 2 ** -46 + tiny);
  return [least - spread, most + spread];
}

function valueAt({ values }: Maps, j: number, u: Float64Array): number {
  const from = j * (u.length + 1);
  let sum = values[from + u.length];
  for (let k = 0; k < u.length; k++) sum += values[from + k] * u[k];
  return sum;
}
