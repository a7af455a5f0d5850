/**
 * @file Lines below and above a function of one number on a range, from its slopes and its values at a few points. A range is cut at 0, where
 * activations turn: on the two pieces one has lines of its own, and on the whole range one has a line of any slope.
 */
import type { Slopes } from "../../graph/graph.ts";
import { tiny } from "../../linalg/rounding.ts";
import { cut, pieces } from "../pieces.ts";

/** What a batch of samples has for one nonlinearity, [samples, size] each. On the range  below.slope z + below.offset <= s(z) <= above.slope z + above.offset. */
export interface Lines {
  readonly belowSlope: Float64Array;
  readonly belowOffset: Float64Array;
  readonly aboveSlope: Float64Array;
  readonly aboveOffset: Float64Array;
  /** Of every sample the largest |slope| |z| + |offset|; Infinity where a range is. */
  readonly size: Float64Array;
}

/** A function of one number for every number of a sample. */
export interface Function1 {
  readonly size: number;
  readonly slopeOn: Slopes;
  apply(z: Float64Array): Float64Array;
}

/** Values of an activation (2^-44 of value and argument), and the few operations that follow. */
const lineError = 2 ** -43;

/** Lines for [samples, size] ranges. Where a range is infinite, the line is NaN: nothing is then proved by it. */
export function linesOn(f: Function1, low: Float64Array, high: Float64Array): Lines {
  const n = low.length;
  const belowSlope = new Float64Array(n);
  const belowOffset = new Float64Array(n);
  const aboveSlope = new Float64Array(n);
  const aboveOffset = new Float64Array(n);
  const size = new Float64Array(n / f.size);
  for (let from = 0; from < n; from += f.size) {
    const samples = sampled(f, low.subarray(from, from + f.size), high.subarray(from, from + f.size));
    for (let j = 0; j < f.size; j++) {
      const i = from + j;
      samples.take(j);
      const below = samples.bestBelow();
      const above = samples.bestAbove();
      belowSlope[i] = below.slope;
      belowOffset[i] = below.offset;
      aboveSlope[i] = above.slope;
      aboveOffset[i] = above.offset;
      const z = Math.max(Math.abs(low[i]), Math.abs(high[i]));
      const own = Math.max(
        Math.abs(below.slope) * z + Math.abs(below.offset),
        Math.abs(above.slope) * z + Math.abs(above.offset),
      );
      const s = from / f.size;
      // Not Math.max: NaN counts as no bound.
      if (!(own <= size[s])) size[s] = Number.isNaN(own) ? Number.POSITIVE_INFINITY : own;
    }
  }
  return { belowSlope, belowOffset, aboveSlope, aboveOffset, size };
}

/** A range cut at 0, with lines for each piece; all [samples, size]. */
export interface Pieces {
  readonly low: Float64Array;
  readonly high: Float64Array;
  /** Where the pieces meet: 0, or the end of the range that is nearest to it. */
  readonly cut: Float64Array;
  readonly left: Lines;
  readonly right: Lines;
  /** Between these a slope of the whole range is sought. */
  readonly least: Float64Array;
  readonly most: Float64Array;
  /** Of every sample the largest |z|. */
  readonly extent: Float64Array;
}

/** Cut ranges and take the lines of their pieces: those of a ReLU are the function itself. */
export function piecesOn(f: Function1, low: Float64Array, high: Float64Array): Pieces {
  const cut = low.map((l, i) => Math.min(Math.max(l, 0), high[i]));
  const least = new Float64Array(low.length);
  const most = new Float64Array(low.length);
  const extent = new Float64Array(low.length / f.size);
  for (let i = 0; i < low.length; i++) {
    [least[i], most[i]] = f.slopeOn(low[i], high[i]);
    const s = Math.floor(i / f.size);
    extent[s] = Math.max(extent[s], Math.abs(low[i]), Math.abs(high[i]));
  }
  return { low, high, cut, left: linesOn(f, low, cut), right: linesOn(f, cut, high), least, most, extent };
}

interface Line {
  readonly slope: number;
  readonly offset: number;
}

// --- internal ---

/** The values and slopes at the points of every range of a sample, and lines for the range that was taken last. */
function sampled(f: Function1, low: Float64Array, high: Float64Array) {
  const points = Array.from({ length: pieces + 1 }, (_, k) => low.map((l, j) => cut(l, high[j], k)));
  const values = points.map((p) => f.apply(p));
  const at = new Float64Array(pieces + 1);
  const act = new Float64Array(pieces + 1);
  const least = new Float64Array(pieces);
  const most = new Float64Array(pieces);
  let finite = true;
  let straight: Line | null = null;
  const none = { slope: Number.NaN, offset: Number.NaN };
  return {
    take(j: number) {
      finite = Number.isFinite(low[j]) && Number.isFinite(high[j]);
      straight = null;
      if (!finite) return;
      for (let k = 0; k <= pieces; k++) {
        at[k] = points[k][j];
        act[k] = values[k][j];
      }
      const [a, b] = f.slopeOn(at[0], at[pieces]);
      for (let k = 0; k < pieces; k++) {
        if (a === b) least[k] = most[k] = a;
        else [least[k], most[k]] = f.slopeOn(at[k], at[k + 1]);
      }
      // One slope everywhere: the function is its line.
      if (a === b) straight = { slope: a, offset: 0 };
    },
    bestBelow(): Line {
      if (!finite) return none;
      return best(-1);
    },
    bestAbove(): Line {
      if (!finite) return none;
      return best(1);
    },
  };

  function best(sign: number): Line {
    const u = at[pieces];
    const l = at[0];
    const middle = l / 2 + u / 2;
    if (straight) return { slope: straight.slope, offset: offsetOf(straight.slope, sign) };
    const chord = (act[pieces] - act[0]) / (u - l);
    let found: Line = none;
    let lowest = Number.POSITIVE_INFINITY;
    for (const s of [chord, least[0], most[0], least[pieces - 1], most[pieces - 1]]) {
      const offset = offsetOf(s, sign);
      const here = sign * (offset + s * middle);
      if (here < lowest) {
        lowest = here;
        found = { slope: s, offset };
      }
    }
    return found;
  }

  /** The offset of a line of slope s above (sign 1) or below the function. */
  function offsetOf(s: number, sign: number): number {
    return sign * highest(at, act, least, most, s, sign);
  }
}

/**
 * An upper bound of g(x) = sign (act(x) - s x) on all pieces. Within a piece [p, q] with slopes of g in [a, b], at distance t from p,
 * g <= g(p) + b t and g <= g(q) - a (q - p - t); where one rises and the other falls, both at any t are an upper bound together.
 */
function highest(
  at: Float64Array,
  act: Float64Array,
  least: Float64Array,
  most: Float64Array,
  s: number,
  sign: number,
): number {
  let best = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < pieces; k++) {
    const p = at[k];
    const q = at[k + 1];
    const a = sign > 0 ? least[k] - s : s - most[k];
    const b = sign > 0 ? most[k] - s : s - least[k];
    const width = q - p;
    const gp = sign * (act[k] - s * p);
    const gq = sign * (act[k + 1] - s * q);
    let peak = b <= 0 ? gp : a >= 0 ? gq : 0;
    if (b > 0 && a < 0) {
      const t = Math.min(width, Math.max(0, (gq - gp - a * width) / (b - a)));
      peak = Math.max(gp + b * t, gq - a * (width - t));
    }
    const size = Math.abs(act[k]) + Math.abs(act[k + 1]) + (1 + Math.abs(s) + (b - a)) * (Math.abs(p) + Math.abs(q));
    const own = peak + size * lineError + tiny;
    // Around a pole slopes are infinite and nothing is known, whatever the other pieces say.
    if (Number.isNaN(own)) return Number.POSITIVE_INFINITY;
    best = Math.max(best, own);
  }
  return best;
}
