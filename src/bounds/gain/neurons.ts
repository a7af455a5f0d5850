/**
 * @file What is known of the neurons of a chain on a box, handed down from box to box within it: those that are off are left out, those on one side of their kink are lines,
 * and only ranges that are open are sought again. It is what makes small boxes cheap.
 */
import { type Matrix, matrix } from "../../linalg/matrix.ts";
import { down, gamma, tiny, up } from "../../linalg/rounding.ts";
import type { WrittenChain } from "../chain/written.ts";
import type { ActivationLayer, AffineLayer } from "../chain.ts";
import type { Range } from "../domain.ts";
import { activationRange, affineRange, ranges, slopesOn } from "../local/ranges.ts";
import { type Lines, lineError, linesOf } from "../local/relax.ts";

/** Of a box: hidden layer by hidden layer the neurons that are not off, and between what their pre-activations lie. */
export interface Neurons {
  readonly layers: Layers;
  readonly alive: readonly Int32Array[];
  readonly ranges: readonly Range[];
}

/** What is the same on all boxes within one. */
export interface Layers {
  readonly written: WrittenChain;
  /** `isKinked` of each. */
  readonly kinked: readonly boolean[];
  /** The largest |W| |a| + |b| + |z| of every neuron, a what lines can make of the layer before. */
  readonly sizes: readonly Float64Array[];
  /** How far rounding of the written-out chain can move the pre-activations of each layer. */
  readonly spreads: readonly number[];
}

/** Without the neurons that are off: `weights[t]` has the rows of layer t and the columns of layer t - 1. */
export interface Reduced {
  readonly weights: readonly Matrix[];
  readonly biases: readonly Float64Array[];
}

/** Has every neuron of a layer its one kink at 0, and the value 0 there? */
export function isKinked(layer: ActivationLayer): boolean {
  const { low } = layer;
  const single = ([a, b]: readonly [number, number]) => a === b;
  return (
    layer.apply(new Float64Array(low.length)).every((v) => v === 0) &&
    low.every(
      (_, j) =>
        single(layer.slopeOn(j, Number.NEGATIVE_INFINITY, 0)) && single(layer.slopeOn(j, 0, Number.POSITIVE_INFINITY)),
    )
  );
}

/** Look at a whole box; null where some range on it is infinite. */
export function wholeOf(written: WrittenChain, kinked: readonly boolean[], box: Range): Neurons | null {
  const { chain, exact, error, shifts } = written;
  const rounding = exact ? {} : { rounding: (i: number) => ({ matrix: error(i, "inf"), shift: shifts[i] }) };
  const found = ranges(chain, { kind: "box", ...box }, rounding) as readonly Range[];
  if (found.some(({ low, high }) => !low.every(Number.isFinite) || !high.every(Number.isFinite))) return null;
  const largest = ({ low, high }: Range) => low.map((l, k) => Math.max(Math.abs(l), Math.abs(high[k])));
  const sizes: Float64Array[] = [];
  const spreads: number[] = [];
  let before = largest(box);
  let values = before;
  for (const [t, layer] of chain.activations.entries()) {
    const { weight, bias } = chain.affine[t];
    const z = largest(found[t]);
    sizes.push(bias.map((b, j) => Math.abs(b) + z[j] + dotOfSizes(weight, j, before)));
    const top = values.reduce((a, b) => Math.max(a, b), 0);
    spreads.push(exact ? 0 : up(up(error(t, "inf") * top) + shifts[t]));
    const act = activationRange(layer, found[t]);
    values = largest(act);
    // |slope z + offset| of any line that touches the function or stays below or above it by rounding.
    const own = values;
    before = z.map((size, j) => 4 * (Math.max(Math.abs(layer.low[j]), Math.abs(layer.high[j])) * size + own[j]));
  }
  const layers = { written, kinked, sizes, spreads };
  const alive = chain.activations.map(({ low }) => Int32Array.from(low, (_, j) => j));
  return withoutOff({ layers, alive, ranges: found });
}

/** Narrow what is known to a box within. */
export function within(box: Range, around: Neurons): Neurons {
  const { layers, alive, ranges: before } = around;
  const { written, spreads } = layers;
  const { activations } = written.chain;
  const net = reduced(around);
  if (!net) return around;
  const lines: Lines[] = [];
  const found: Range[] = [];
  for (let i = 0; i < activations.length; i++) {
    const low = before[i].low.slice();
    const high = before[i].high.slice();
    const narrow = (j: number, from: number, to: number) => {
      const [least, most] = [down(from - spreads[i]), up(to + spreads[i])];
      // Not Math.max: what is not a number is no bound.
      if (least > low[j]) low[j] = least;
      if (most < high[j]) high[j] = most;
    };
    if (i === 0) {
      const own = affineRange({ weight: net.weights[0], bias: net.biases[0] }, box);
      for (let j = 0; j < low.length; j++) narrow(j, own.low[j], own.high[j]);
    } else {
      const open: number[] = [];
      for (let j = 0; j < low.length; j++) if (isOpen(activations[i], alive[i][j], low[j], high[j])) open.push(j);
      if (open.length > 0) {
        const most = upperOf(layers, net, alive, i, open, 1, lines, box);
        const least = upperOf(layers, net, alive, i, open, -1, lines, box);
        for (const [r, j] of open.entries()) narrow(j, -least[r], most[r]);
      }
    }
    found.push({ low, high });
    if (i + 1 < activations.length) {
      const own = layers.kinked[i]
        ? kinkedLines(activations[i], alive[i], found[i])
        : linesOf(activations[i], found[i]);
      // Of a finite range there are lines, or the numbers overflow.
      if (!own) return around;
      lines.push(own);
    }
  }
  return withoutOff({ layers, alive, ranges: found });
}

/** The slopes of the neurons that are not off. */
export function aliveSlopes({ layers: { written }, alive, ranges: found }: Neurons): readonly Range[] {
  return written.chain.activations.map((layer, i) => {
    const low = new Float64Array(alive[i].length);
    const high = new Float64Array(alive[i].length);
    for (let j = 0; j < low.length; j++) {
      [low[j], high[j]] = layer.slopeOn(alive[i][j], found[i].low[j], found[i].high[j]);
    }
    return { low, high };
  });
}

/** The chain without the neurons that are off; null where nothing is left of a layer, so that the output is constant. */
export function reduced({ layers: { written }, alive }: Pick<Neurons, "layers" | "alive">): Reduced | null {
  if (alive.some((on) => on.length === 0)) return null;
  const { affine } = written.chain;
  return {
    weights: affine.map(({ weight }, t) => part(weight, alive[t], alive[t - 1])),
    biases: affine.map(({ bias }, t) => (alive[t] ? Float64Array.from(alive[t], (j) => bias[j]) : bias)),
  };
}

/** Has it more than one slope there? */
export function isOpen(layer: ActivationLayer, neuron: number, low: number, high: number): boolean {
  const [a, b] = layer.slopeOn(neuron, low, high);
  return a !== b;
}

/** Ranges on a box by all means at once, of a chain of which some are infinite. */
export const slopesAlone = ({ chain, exact, error, shifts }: WrittenChain, box: Range): readonly Range[] => {
  const rounding = exact ? {} : { rounding: (i: number) => ({ matrix: error(i, "inf"), shift: shifts[i] }) };
  return slopesOn(chain, ranges(chain, { kind: "box", ...box }, rounding) as readonly Range[]);
};

// --- internal ---

function dotOfSizes({ data, cols }: AffineLayer["weight"], row: number, sizes: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < cols; k++) sum += Math.abs(data[row * cols + k]) * sizes[k];
  return sum;
}

/** Neurons that are 0 all over the box are left out; where a layer has other values than 0 on a flat part, none are. */
function withoutOff({ layers, alive, ranges: found }: Neurons): Neurons {
  const { written, kinked } = layers;
  const kept = alive.map((on, i) => {
    if (!kinked[i]) return null;
    const layer = written.chain.activations[i];
    const { low, high } = found[i];
    const places: number[] = [];
    for (let j = 0; j < on.length; j++) {
      const [a, b] = layer.slopeOn(on[j], low[j], high[j]);
      if (a !== 0 || b !== 0) places.push(j);
    }
    return places.length === on.length ? null : places;
  });
  if (kept.every((places) => places === null)) return { layers, alive, ranges: found };
  const pick = (v: Float64Array, places: readonly number[] | null) =>
    places ? Float64Array.from(places, (j) => v[j]) : v;
  return {
    layers,
    alive: alive.map((on, i) => (kept[i] ? Int32Array.from(kept[i], (j) => on[j]) : on)),
    ranges: found.map(({ low, high }, i) => ({ low: pick(low, kept[i]), high: pick(high, kept[i]) })),
  };
}

/** Some rows and columns of a matrix; all where none are named. */
function part(W: Matrix, rows: Int32Array | undefined, cols: Int32Array | undefined): Matrix {
  if ((rows?.length ?? W.rows) === W.rows && (cols?.length ?? W.cols) === W.cols) return W;
  const m = rows?.length ?? W.rows;
  const n = cols?.length ?? W.cols;
  const data = new Float64Array(m * n);
  for (let r = 0; r < m; r++) {
    const from = (rows ? rows[r] : r) * W.cols;
    for (let c = 0; c < n; c++) data[r * n + c] = W.data[from + (cols ? cols[c] : c)];
  }
  return matrix(m, n, data);
}

/** As `linesOf`, of neurons with one kink at 0: those on one side of it are their lines. */
function kinkedLines(layer: ActivationLayer, on: Int32Array, { low, high }: Range): Lines {
  const n = on.length;
  const below = { slope: new Float64Array(n), offset: new Float64Array(n) };
  const above = { slope: new Float64Array(n), offset: new Float64Array(n) };
  for (let j = 0; j < n; j++) {
    const [l, u] = [low[j], high[j]];
    const [a, b] = layer.slopeOn(on[j], l, u);
    if (a === b) {
      below.slope[j] = a;
      above.slope[j] = a;
      continue;
    }
    const left = layer.slopeOn(on[j], Number.NEGATIVE_INFINITY, 0)[0];
    const right = layer.slopeOn(on[j], 0, Number.POSITIVE_INFINITY)[0];
    const m = (right * u - left * l) / (u - l);
    const sign = right > left ? 1 : -1;
    const error = lineError * (1 + Math.abs(left) + Math.abs(right)) * (u - l) + tiny;
    // Both ends on the far side of the chord, however its slope was rounded.
    const offset = Math.max(sign * (left * l - m * l), sign * (right * u - m * u)) + error;
    const [chord, other] = sign > 0 ? [above, below] : [below, above];
    chord.slope[j] = m;
    chord.offset[j] = sign * offset;
    other.slope[j] = u > -l ? right : left;
  }
  return { below, above, size: new Float64Array(n) };
}

/**
 * Upper bounds of sign z_j of layer i for the rows `open`, from the lines of all layers before it. Errors as in `relaxedRange`: going back through layer t, C <- C W_t errs
 * by gamma |C||W_t| entry by entry, and what it multiplies is at most the neuron's size.
 */
function upperOf(
  { written, sizes, spreads }: Layers,
  { weights, biases }: Reduced,
  alive: readonly Int32Array[],
  i: number,
  open: readonly number[],
  sign: number,
  lines: readonly Lines[],
  box: Range,
): Float64Array {
  const rows = open.length;
  const total = Float64Array.from(open, (j) => sign * biases[i][j]);
  const error = total.map(Math.abs);
  let width = weights[i].cols;
  let C = new Float64Array(rows * width);
  for (let r = 0; r < rows; r++) {
    const from = open[r] * width;
    for (let k = 0; k < width; k++) C[r * width + k] = sign * weights[i].data[from + k];
  }
  let terms = 4;
  for (let t = i - 1; t >= 0; t--) {
    const { data: W, cols } = weights[t];
    const { below, above } = lines[t];
    const bias = biases[t];
    const size = sizes[t];
    const spread = spreads[t];
    const on = alive[t];
    const next = new Float64Array(rows * cols);
    for (let r = 0; r < rows; r++) {
      const to = r * cols;
      let [sum, lost] = [0, 0];
      for (let j = 0; j < width; j++) {
        const c = C[r * width + j];
        if (c === 0) continue;
        const line = c > 0 ? above : below;
        const m = c * line.slope[j];
        const o = c * line.offset[j];
        sum += o + m * bias[j] + Math.abs(m) * spread;
        lost += Math.abs(o) + Math.abs(m) * (size[on[j]] + spread);
        if (m === 0) continue;
        const from = j * cols;
        for (let k = 0; k < cols; k++) next[to + k] += m * W[from + k];
      }
      total[r] += sum;
      error[r] += lost;
    }
    C = next;
    width = cols;
    terms += 4 * written.chain.affine[t].weight.rows + written.chain.affine[t].weight.cols;
  }
  const g = 4 * gamma(terms + 4 * width);
  const { low, high } = box;
  return total.map((sum, r) => {
    let value = 0;
    let size = 0;
    for (let k = 0; k < width; k++) {
      const c = C[r * width + k];
      value += c > 0 ? c * high[k] : c * low[k];
      size += Math.abs(c) * Math.max(Math.abs(low[k]), Math.abs(high[k]));
    }
    return up(up(sum + value) + up(g * (error[r] + size) + tiny));
  });
}
