/**
 * @file Backward linear relaxation (CROWN): every activation between two lines over its range, carried back to the input.
 * The lines come from slopes and values at a few points only, and so serve any activation.
 */
import { multiply } from "../../linalg/matrix.ts";
import { gamma, sqrtUp, sumUp, tiny, up } from "../../linalg/rounding.ts";
import type { ActivationLayer, Chain } from "../chain.ts";
import type { Domain, Range } from "../domain.ts";
import { cut, pieces } from "../pieces.ts";

/** below.slope z + below.offset <= act(z) <= above.slope z + above.offset on the range `z`, neuron by neuron. */
export interface Lines {
  readonly below: Line;
  readonly above: Line;
  /** Upper bounds of |z|. */
  readonly size: Float64Array;
}

interface Line {
  readonly slope: Float64Array;
  readonly offset: Float64Array;
}

/** Lines around every activation of a layer; null where a range is infinite. */
export function linesOf(layer: ActivationLayer, z: Range): Lines | null {
  const n = z.low.length;
  const points = Array.from({ length: pieces + 1 }, (_, k) => z.low.map((l, j) => cut(l, z.high[j], k)));
  if (points.some((p) => p.some((v) => !Number.isFinite(v)))) return null;
  const values = points.map((p) => layer.apply(p));
  const below = { slope: new Float64Array(n), offset: new Float64Array(n) };
  const above = { slope: new Float64Array(n), offset: new Float64Array(n) };
  const size = new Float64Array(n);
  for (let j = 0; j < n; j++) {
    const at = points.map((p) => p[j]);
    const act = values.map((v) => v[j]);
    const slopes = Array.from({ length: pieces }, (_, k) => layer.slopeOn(j, at[k], at[k + 1]));
    const [l, u] = [at[0], at[pieces]];
    const middle = (l + u) / 2;
    const chord = u > l ? (act[pieces] - act[0]) / (u - l) : slopes[0][0];
    let [bestAbove, bestBelow] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const s of [chord, slopes[0][0], slopes[0][1], slopes[pieces - 1][0], slopes[pieces - 1][1]]) {
      const top = highest(at, act, slopes, s);
      const bottom = -highest(
        at,
        act.map((v) => -v),
        slopes.map(([a, b]) => [-b, -a]),
        -s,
      );
      if (top + s * middle < bestAbove) {
        bestAbove = top + s * middle;
        [above.slope[j], above.offset[j]] = [s, top];
      }
      if (bottom + s * middle > bestBelow) {
        bestBelow = bottom + s * middle;
        [below.slope[j], below.offset[j]] = [s, bottom];
      }
    }
    if (!Number.isFinite(bestAbove) || !Number.isFinite(bestBelow)) return null;
    size[j] = Math.max(Math.abs(l), Math.abs(u));
  }
  return { below, above, size };
}

/**
 * The pre-activations of layer i >= 1 over a domain (`box` is the box around it), from the lines of all activations before it. In layer t
 * before it they may be off by `spreads[t]`.
 */
export function relaxedRange(
  chain: Chain,
  i: number,
  lines: readonly Lines[],
  domain: Domain,
  box: Range,
  spreads: readonly number[],
): Range {
  const { weight } = chain.affine[i];
  const high = upperOf(chain, i, weight.data, 1, lines, domain, box, spreads);
  const low = upperOf(
    chain,
    i,
    weight.data.map((w) => -w),
    -1,
    lines,
    domain,
    box,
    spreads,
  ).map((v) => -v);
  return { low, high };
}

/** Of the values of activations (2^-44 of value and argument) and of the few operations that follow. */
export const lineError = 2 ** -43;

// --- internal ---

/**
 * An upper bound of g(x) = act(x) - s x on all pieces. Within a piece [p, q] with slopes in [a, b], at distance t from p,
 * g <= g(p) + (b - s) t and g <= g(q) + (s - a)(q - p - t); where one rises and the other falls, both at any t are an upper bound together.
 */
function highest(
  at: readonly number[],
  act: readonly number[],
  slopes: readonly (readonly [number, number])[],
  s: number,
): number {
  let best = Number.NEGATIVE_INFINITY;
  for (let k = 0; k < pieces; k++) {
    const [p, q] = [at[k], at[k + 1]];
    const [a, b] = slopes[k];
    const width = q - p;
    const [gp, gq] = [act[k] - s * p, act[k + 1] - s * q];
    const crossing = b > a ? (gq - gp + (s - a) * width) / (b - a) : 0;
    const t = Math.min(width, Math.max(0, crossing));
    const peak = b <= s ? gp : a >= s ? gq : Math.max(gp + (b - s) * t, gq + (s - a) * (width - t));
    const size = Math.abs(act[k]) + Math.abs(act[k + 1]) + (1 + Math.abs(s) + b - a) * (Math.abs(p) + Math.abs(q));
    best = Math.max(best, peak + size * lineError + tiny);
  }
  return best;
}

/**
 * Upper bounds of A a_(i-1) + sign b_i, A = sign W_i. Going back through layer t, C <- C W_t errs by gamma |C||W_t| entry by entry, and what it multiplies is at most
 * `spread`, hence the error of a row is at most gamma sum_j |C_j| (|W_t| spread + |b_t|)_j.
 */
function upperOf(
  chain: Chain,
  i: number,
  A: Float64Array,
  sign: number,
  lines: readonly Lines[],
  domain: Domain,
  box: Range,
  spreads: readonly number[],
): Float64Array {
  const { rows } = chain.affine[i].weight;
  const total = chain.affine[i].bias.map((b) => sign * b);
  const error = total.map(Math.abs);
  let C = A;
  let terms = 4;
  for (let t = i - 1; t >= 0; t--) {
    const { weight, bias } = chain.affine[t];
    const { below, above } = lines[t];
    const n = weight.rows;
    const sizes = largestValues(chain, t, lines, box);
    const next = new Float64Array(rows * n);
    for (let r = 0; r < rows; r++) {
      for (let j = 0; j < n; j++) {
        const c = C[r * n + j];
        const line = c > 0 ? above : below;
        const m = c * line.slope[j];
        next[r * n + j] = m;
        total[r] += c * line.offset[j] + m * bias[j] + Math.abs(m) * spreads[t];
        error[r] += Math.abs(c * line.offset[j]) + Math.abs(m) * (sizes[j] + spreads[t]);
      }
    }
    C = multiply({ rows, cols: n, data: next }, weight).data;
    terms += 4 * n + weight.cols;
  }
  const cols = box.low.length;
  const result = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    const row = C.subarray(r * cols, (r + 1) * cols);
    const { value, size } = over(row, domain, box);
    const g = gamma(terms + 4 * cols);
    result[r] = up(up(total[r] + value) + up(4 * g * (error[r] + size) + tiny));
  }
  return result;
}

/** The largest sums that meet in layer t: |W_t| |a_(t-1)| + |b_t|, and |z_t|. */
function largestValues(chain: Chain, t: number, lines: readonly Lines[], box: Range): Float64Array {
  const { weight, bias } = chain.affine[t];
  const before =
    t === 0
      ? box.low.map((l, k) => Math.max(Math.abs(l), Math.abs(box.high[k])))
      : lines[t - 1].size.map((z, k) => {
          const { below, above } = lines[t - 1];
          return Math.max(
            Math.abs(below.slope[k]) * z + Math.abs(below.offset[k]),
            Math.abs(above.slope[k]) * z + Math.abs(above.offset[k]),
          );
        });
  return bias.map((b, j) => {
    let sum = Math.abs(b) + lines[t].size[j];
    for (let k = 0; k < weight.cols; k++) sum += Math.abs(weight.data[j * weight.cols + k]) * before[k];
    return sum;
  });
}

/** The largest value of c . x over the domain, up to a rounding error of gamma times `size`. */
function over(c: Float64Array, domain: Domain, box: Range): { readonly value: number; readonly size: number } {
  let inBox = 0;
  let size = 0;
  for (let k = 0; k < c.length; k++) {
    inBox += Math.max(c[k] * box.low[k], c[k] * box.high[k]);
    size += Math.abs(c[k]) * Math.max(Math.abs(box.low[k]), Math.abs(box.high[k]));
  }
  if (domain.kind !== "ball" || domain.norm !== 2) return { value: inBox, size };
  let inBall = 0;
  let square = 0;
  for (let k = 0; k < c.length; k++) {
    inBall += c[k] * domain.center[k];
    square += c[k] * c[k];
  }
  const spread = up(sqrtUp(up(sumUp(square, c.length) + tiny)) * domain.radius);
  return { value: Math.min(inBox, up(inBall + spread)), size };
}
