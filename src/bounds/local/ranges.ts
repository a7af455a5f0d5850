/**
 * @file Between which numbers the pre-activations of a chain lie on a domain, and with them the slopes of every neuron there.
 * Rounding is counted in, so that the ranges hold for the exact network.
 */
import { down, gamma, sqrtUp, sumUp, tiny, up } from "../../linalg/rounding.ts";
import type { ActivationLayer, AffineLayer, Chain } from "../chain.ts";
import { boxAround, type Domain, type Range } from "../domain.ts";
import { type Lines, linesOf, relaxedRange } from "./relax.ts";

export interface RangeOptions {
  /** Intersect intervals with backward linear relaxation; default true. */
  readonly relax?: boolean;
  /** What else is known of layer i: a smaller range, or null where nothing is left of it. */
  narrow?(layer: number, range: Range): Range | null;
  /** How far the layers of the network may be from those of the chain. Default: not at all. */
  rounding?(layer: number): Rounding;
}

/** |E x + e| <= matrix max |x| + shift, for each number of a layer W + E, b + e. */
export interface Rounding {
  readonly matrix: number;
  readonly shift: number;
}

/**
 * Bound z_i = W_i a_(i-1) + b_i of every hidden layer i over a domain; null where `narrow` left nothing.
 *
 * The first layer is exact but for rounding: |z - (W c + b)| <= r ||w||_q in a ball of the dual norm, interval sums in a box. Each further
 * layer takes intervals, and (where everything is finite) linear bounds of the activations carried back to the input.
 */
export function ranges(chain: Chain, domain: Domain, options: RangeOptions = {}): readonly Range[] | null {
  const { relax = true, narrow, rounding } = options;
  const box = boxAround(domain, chain.affine[0].weight.cols);
  const found: Range[] = [];
  const lines: Lines[] = [];
  const spreads: number[] = [];
  let before = box;
  for (let i = 0; i < chain.activations.length; i++) {
    spreads.push(rounding ? spreadOf(rounding(i), before) : 0);
    let range = affineRange(chain.affine[i], before);
    if (i === 0 && domain.kind === "ball") range = both(range, ballRange(chain.affine[0], domain));
    if (i > 0 && relax && lines.length === i) range = both(range, relaxedRange(chain, i, lines, domain, box, spreads));
    const spread = spreads[i];
    if (spread > 0)
      range = { low: range.low.map((v) => down(v - spread)), high: range.high.map((v) => up(v + spread)) };
    const narrowed = narrow ? narrow(i, range) : range;
    if (!narrowed) return null;
    found.push(narrowed);
    before = activationRange(chain.activations[i], narrowed);
    if (relax && lines.length === i && i + 1 < chain.activations.length) {
      const line = linesOf(chain.activations[i], narrowed);
      if (line) lines.push(line);
    }
  }
  return found;
}

/** The slopes of every neuron of a chain on given ranges: difference quotients between points of the domain lie in them. */
export function slopesOn(chain: Chain, found: readonly Range[]): readonly Range[] {
  return chain.activations.map((layer, i) => {
    const n = layer.low.length;
    const low = new Float64Array(n);
    const high = new Float64Array(n);
    for (let j = 0; j < n; j++) [low[j], high[j]] = layer.slopeOn(j, found[i].low[j], found[i].high[j]);
    return { low, high };
  });
}

/** The parts that two ranges of the same numbers share. Rounding never parts two ranges that hold the same number. */
export function both(a: Range, b: Range): Range {
  return {
    low: a.low.map((v, i) => Math.max(v, b.low[i])),
    high: a.high.map((v, i) => Math.min(v, b.high[i])),
  };
}

/** W x + b for x between two vectors, by interval sums. */
export function affineRange({ weight, bias }: AffineLayer, x: Range): Range {
  const { rows, cols, data } = weight;
  const low = new Float64Array(rows);
  const high = new Float64Array(rows);
  const g = gamma(cols + 2);
  for (let i = 0; i < rows; i++) {
    let [least, most] = [bias[i], bias[i]];
    let [leastSize, mostSize] = [Math.abs(bias[i]), Math.abs(bias[i])];
    for (let j = 0; j < cols; j++) {
      const w = data[i * cols + j];
      // 0 times infinity is 0 here.
      if (w === 0) continue;
      const a = w * (w > 0 ? x.low[j] : x.high[j]);
      const b = w * (w > 0 ? x.high[j] : x.low[j]);
      least += a;
      most += b;
      leastSize += Math.abs(a);
      mostSize += Math.abs(b);
    }
    low[i] = least === Number.NEGATIVE_INFINITY ? least : down(least - (2 * g * leastSize + tiny));
    high[i] = most === Number.POSITIVE_INFINITY ? most : up(most + (2 * g * mostSize + tiny));
  }
  return { low, high };
}

/** act(z) for z in a range: by the values at both ends, and the slopes between. */
export function activationRange(layer: ActivationLayer, z: Range): Range {
  const atLow = layer.apply(z.low);
  const atHigh = layer.apply(z.high);
  const low = new Float64Array(atLow.length);
  const high = new Float64Array(atLow.length);
  for (let j = 0; j < low.length; j++) {
    const [l, u] = [z.low[j], z.high[j]];
    const [least, most] = layer.slopeOn(j, l, u);
    const width = up(u - l);
    // On a half-line only a slope of one sign keeps a value on its side, and that at infinity is a limit.
    const from = (end: number, slope: number) => (slope === 0 ? end : end + slope * width);
    const lows = [from(atLow[j], Math.min(least, 0)), from(atHigh[j], -Math.max(most, 0))];
    const highs = [from(atLow[j], Math.max(most, 0)), from(atHigh[j], -Math.min(least, 0))];
    const spread =
      valueError *
      (size(l) + size(u) + size(atLow[j]) + size(atHigh[j]) + (width < Number.POSITIVE_INFINITY ? size(width) : 0));
    low[j] = down(Math.max(...lows.map((v) => (Number.isNaN(v) ? Number.NEGATIVE_INFINITY : v))) - spread);
    high[j] = up(Math.min(...highs.map((v) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : v))) + spread);
  }
  return { low, high };
}

/** What the computed value of an activation may err by, relative to its argument and itself. */
export const valueError = 2 ** -44;

// --- internal ---

function spreadOf({ matrix, shift }: Rounding, { low, high }: Range): number {
  const largest = low.reduce((top, l, k) => Math.max(top, Math.abs(l), Math.abs(high[k])), 0);
  if (matrix === 0 || largest === 0) return shift;
  return up(up(matrix * largest) + shift);
}

/** Infinite ends add no error of their own: what is computed from them is infinite, or a limit. */
const size = (x: number): number => (Number.isFinite(x) ? Math.abs(x) : 0);

function ballRange({ weight, bias }: AffineLayer, ball: Domain & { readonly kind: "ball" }): Range {
  const { rows, cols, data } = weight;
  const low = new Float64Array(rows);
  const high = new Float64Array(rows);
  const g = gamma(cols + 2);
  for (let i = 0; i < rows; i++) {
    let z = bias[i];
    let absolute = Math.abs(bias[i]);
    let dual = 0;
    for (let j = 0; j < cols; j++) {
      const w = data[i * cols + j];
      z += w * ball.center[j];
      absolute += Math.abs(w * ball.center[j]);
      dual += ball.norm === 2 ? w * w : Math.abs(w);
    }
    const length = ball.norm === 2 ? sqrtUp(up(sumUp(dual, cols) + tiny)) : up(sumUp(dual, cols) + tiny);
    const spread = up(up(length * ball.radius) + up(2 * g * absolute + tiny));
    low[i] = down(z - spread);
    high[i] = up(z + spread);
  }
  return { low, high };
}
