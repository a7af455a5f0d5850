/** @file Arithmetic of ranges, rounded outward: squares, products, quotients, and functions of one number with known slopes. */
import type { Node } from "../../graph/graph.ts";
import { down, gamma, tiny, up } from "../../linalg/rounding.ts";
import { isFloat } from "../../tensor/tensor.ts";
import type { Range } from "../domain.ts";
import type { Fixed } from "../fixed.ts";
import { activationRange, both } from "./ranges.ts";

/** Nothing is known. */
export const anything = (size: number): Range => ({
  low: new Float64Array(size).fill(Number.NEGATIVE_INFINITY),
  high: new Float64Array(size).fill(Number.POSITIVE_INFINITY),
});

/** Between which numbers lies what is computed from weights. */
export const fixedRange = ({ data, error }: Fixed): Range =>
  error === 0
    ? { low: data, high: data }
    : { low: data.map((v) => down(v - error * Math.abs(v))), high: data.map((v) => up(v + error * Math.abs(v))) };

/** The largest absolute values in a range. */
export const sizesOf = ({ low, high }: Range): Float64Array =>
  low.map((l, i) => Math.max(Math.abs(l), Math.abs(high[i])));

/** a b, where 0 times an infinite end is 0. */
export const timesEnds = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);

/** What is no number says nothing. */
export const opened = ({ low, high }: Range): Range => ({
  low: low.map((v) => (Number.isNaN(v) ? Number.NEGATIVE_INFINITY : v)),
  high: high.map((v) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : v)),
});

/** Middle and radius: |x - mid| <= radius. */
export function middleOf({ low, high }: Range): { readonly mid: Float64Array; readonly radius: Float64Array } {
  const mid = low.map((l, i) => (l === high[i] ? l : l / 2 + high[i] / 2));
  const radius = mid.map((m, i) => (low[i] === high[i] ? 0 : up(Math.max(high[i] - m, m - low[i]))));
  return { mid, radius };
}

/** x^2, both factors the same node. */
export function squareRange({ low, high }: Range): Range {
  const squares = (k: number) => [low[k] * low[k], high[k] * high[k]];
  return {
    low: low.map((l, k) => (l <= 0 && high[k] >= 0 ? 0 : Math.max(0, down(Math.min(...squares(k)))))),
    high: low.map((_, k) => up(Math.max(...squares(k)))),
  };
}

/** What is monotone in each of two operands: least and largest at the corners. */
export function cornersOf(a: Range, b: Range, of: (x: number, y: number) => number): Range {
  const low = new Float64Array(a.low.length);
  const high = new Float64Array(a.low.length);
  for (let k = 0; k < low.length; k++) {
    const corners = [
      of(a.low[k], b.low[k]),
      of(a.low[k], b.high[k]),
      of(a.high[k], b.low[k]),
      of(a.high[k], b.high[k]),
    ];
    low[k] = down(Math.min(...corners));
    high[k] = up(Math.max(...corners));
  }
  return { low, high };
}

/** a / b where b keeps to one side of 0. */
export function quotientRange(node: Node, a: Range, b: Range): Range {
  if (!isFloat(node.dtype)) return anything(a.low.length);
  const { low, high } = cornersOf(a, b, (x, y) => x / y);
  const apart = (i: number) => b.low[i] > 0 || b.high[i] < 0;
  return {
    low: low.map((v, i) => (apart(i) ? v : Number.NEGATIVE_INFINITY)),
    high: high.map((v, i) => (apart(i) ? v : Number.POSITIVE_INFINITY)),
  };
}

/** Sums of products of two operands, from their middles. */
export function productRange(node: Node, inputs: readonly Range[]): Range {
  const [a, b] = inputs.map(factorOf);
  const at = (x: Float64Array, y: Float64Array) => node.op.evaluate(node, [x, y]);
  const g = gamma(inputs.reduce((n, r) => n + r.low.length, 8));
  // The second sum stands for the rounding of the value in the middle too.
  const moved = at(
    a.most.map((v, i) => up(a.radius[i] + 2 * g * v)),
    b.size,
  );
  const rest = b.still ? null : at(a.most, b.radius);
  const spread = moved.map((v, i) => up((v + (rest?.[i] ?? 0)) * (1 + 4 * g) + tiny));
  const middle = at(a.mid, b.mid);
  return { low: middle.map((v, i) => down(v - spread[i])), high: middle.map((v, i) => up(v + spread[i])) };
}

/** Pieces of a range meet at 0 if it holds that, else in the middle: slopes turn there, and less is lost between the ends. */
export function pointwiseRange(
  apply: (z: Float64Array) => Float64Array,
  slopeOn: (low: number, high: number) => readonly [number, number],
  x: Range,
): Range {
  const layer = { low: x.low, high: x.high, slopeOn: (_: number, l: number, u: number) => slopeOn(l, u), apply };
  const whole = activationRange(layer, x);
  const cut = x.low.map((l, i) => {
    const u = x.high[i];
    if (l < 0 && u > 0) return 0;
    return Number.isFinite(l) && Number.isFinite(u) ? Math.min(u, Math.max(l, l / 2 + u / 2)) : l;
  });
  const left = activationRange(layer, { low: x.low, high: cut });
  const right = activationRange(layer, { low: cut, high: x.high });
  const hull = {
    low: left.low.map((v, i) => Math.min(v, right.low[i])),
    high: left.high.map((v, i) => Math.max(v, right.high[i])),
  };
  return both(whole, hull);
}

// --- internal ---

/** What a product reads of a factor. */
interface Factor {
  readonly mid: Float64Array;
  readonly radius: Float64Array;
  /** |mid|, and |mid| + radius. */
  readonly size: Float64Array;
  readonly most: Float64Array;
  /** Is it one point? */
  readonly still: boolean;
}

/** Of weights, which go into a product for every input of a gain: made once. Nobody writes into a range. */
const stillFactors = new WeakMap<Range, Factor>();

function factorOf(range: Range): Factor {
  const kept = stillFactors.get(range);
  if (kept) return kept;
  const { mid, radius } = middleOf(range);
  const size = mid.map(Math.abs);
  const still = radius.every((r) => r === 0);
  const made = { mid, radius, size, most: size.map((v, i) => up(v + radius[i])), still };
  if (still) stillFactors.set(range, made);
  return made;
}
