/** @file Gates that are ramps, clip(r x + t, low, high) however it is written, and their product with a line: hard-swish and its relatives. */
import type { Behaviour, Node, Slopes } from "../../graph/graph.ts";
import type { Composition } from "./composition.ts";
import {
  type Enclosure,
  exactly,
  hull,
  isBounded,
  isExactly,
  isNonZero,
  minus,
  numberOf,
  plus,
  sizeOf,
  times,
} from "./enclosure.ts";
import { isLeftOf, type Polynomials } from "./polynomial.ts";

/** The product (start + rise x) (scale g(x) + offset) around a gate g. */
export interface Gate {
  readonly start: Enclosure;
  readonly rise: Enclosure;
  readonly scale: Enclosure;
  readonly offset: Enclosure;
}

/** clip(rate x + shift, low, high). */
export interface Ramp {
  readonly rate: Enclosure;
  readonly shift: Enclosure;
  readonly low: Enclosure;
  readonly high: Enclosure;
  /** Is its argument computed as it is known? */
  readonly steady: boolean;
}

/** A node as a ramp; null for anything else. */
export function rampOf(composition: Composition, read: Polynomials, node: Node): Ramp | null {
  const limits = limitsOf(composition, node);
  if (!limits) return null;
  const deeper = rampOf(composition, read, limits.of);
  if (deeper && isExactly(limits.rate, 1) && isExactly(limits.shift, 0)) {
    const clamp = (v: Enclosure) => smaller(limits.high, larger(limits.low, v));
    return { ...deeper, low: clamp(deeper.low), high: clamp(deeper.high) };
  }
  const line = read.of(limits.of);
  if (line?.length !== 2) return null;
  const moved = times(line[0], limits.rate);
  const shift = plus(moved, limits.shift);
  return {
    rate: times(line[1], limits.rate),
    shift,
    low: limits.low,
    high: limits.high,
    steady: read.isSteady(limits.of) && isLeftOf(shift, sizeOf(moved) + sizeOf(limits.shift)),
  };
}

/**
 * f = (a + b x) (c clip(v, low, high) + d), v = r x + t: two half-lines and a parabola between, of slopes
 *
 *     b (c limit + d)   and   b (c (2 v - t) + d) + a c r.
 */
export function rampBehaviour(
  { rate, shift, low, high }: Ramp,
  { start, rise, scale, offset }: Gate,
): { readonly name: string; readonly behaviour: Behaviour } | null {
  if (![rate, shift, low, high].every(isBounded) || !isNonZero(rate) || !(low[1] < high[0])) return null;
  const flat = (limit: Enclosure) => times(rise, plus(times(scale, limit), offset));
  const own = times(start, times(scale, rate));
  const bowed = (v: Enclosure) => plus(flat(minus(times(exactly(2), v), shift)), own);
  const whole = hull(flat(low), flat(high), bowed(low), bowed(high));
  if (!isBounded(whole)) return null;
  const slopeOn: Slopes = (from, to) => {
    const [a, b] = plus(times([from, to], rate), shift);
    // Where the argument is within its own rounding of a kink, both sides count.
    const found: Enclosure[] = [];
    if (a < low[1]) found.push(flat(low));
    if (b > high[0]) found.push(flat(high));
    if (b > low[0] && a < high[1]) {
      for (const v of [a, b]) found.push(bowed(exactly(Math.min(high[1], Math.max(low[0], v)))));
    }
    return found.length > 0 ? hull(...found) : whole;
  };
  const behaviour = { kind: "pointwise", slope: whole, slopeOn, curvature: Number.POSITIVE_INFINITY } as const;
  return { name: "HardSwish", behaviour };
}

// --- internal ---

const larger = (a: Enclosure, b: Enclosure): Enclosure => [Math.max(a[0], b[0]), Math.max(a[1], b[1])];
const smaller = (a: Enclosure, b: Enclosure): Enclosure => [Math.min(a[0], b[0]), Math.min(a[1], b[1])];

/** One op as clip(rate of + shift, low, high); either limit may be infinite. */
function limitsOf({ x, inner, fixed }: Composition, node: Node) {
  const bare = {
    rate: exactly(1),
    shift: exactly(0),
    low: exactly(Number.NEGATIVE_INFINITY),
    high: exactly(Number.POSITIVE_INFINITY),
  };
  const { computes } = node.op;
  const attrs = node.attrs as Readonly<Record<string, number>> | null;
  if (computes === "clip" && attrs) {
    return { ...bare, low: exactly(attrs.low), high: exactly(attrs.high), of: node.inputs[0] };
  }
  if (computes === "relu") return { ...bare, low: exactly(0), of: node.inputs[0] };
  if (computes === "hard sigmoid" && attrs) {
    const [rate, shift] = [exactly(attrs.alpha), exactly(attrs.beta)];
    return { rate, shift, low: exactly(0), high: exactly(1), of: node.inputs[0] };
  }
  if (computes !== "larger" && computes !== "smaller") return null;
  const varying = node.inputs.filter((i) => i === x || inner.includes(i));
  const still = node.inputs.filter((i) => !varying.includes(i));
  if (varying.length !== 1 || still.length !== 1) return null;
  const c = numberOf(fixed(still[0]));
  return c && { ...bare, ...(computes === "larger" ? { low: c } : { high: c }), of: varying[0] };
}
