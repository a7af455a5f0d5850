/** @file Slopes on a box of a network without kinks: those in its middle, and how far the second derivatives let them turn. As boxes shrink what is too much goes with the square of their size. */
import { gamma, tiny, up } from "../../linalg/rounding.ts";
import type { Range } from "../domain.ts";
import type { Enclosure } from "./product.ts";

export interface Turning {
  /** d output / d neuron, layer by layer: outputs x neurons. */
  readonly behind: readonly Enclosure[];
  /** d neuron / d input, transposed: inputs x neurons. */
  readonly before: readonly Enclosure[];
  /** Between what the second derivatives of the neurons are. */
  readonly curvatures: readonly Range[];
  /** Inputs that vary, and how far from the middle the box goes along each input. */
  readonly free: readonly number[];
  readonly reach: Float64Array;
}

/**
 * How far each partial slope may be from that in the middle, outputs x inputs:
 *
 *     |J_oi(x) - J_oi(c)| <= sum over k of |H_oik| |x_k - c_k|,   H_oik = sum over neurons of (d o / d a) s''(z) (d z / d x_i) (d z / d x_k)
 *
 * for s'' without jumps; where it jumps, both sides have to be in its range.
 */
export function turning({ behind, before, curvatures, free, reach }: Turning): Float64Array {
  const { rows: outputs } = behind[0];
  const inputs = reach.length;
  const n = free.length;
  const low = new Float64Array(outputs * n * n);
  const high = new Float64Array(outputs * n * n);
  const size = new Float64Array(outputs * n * n);
  let neurons = 0;
  for (const [t, { low: dl, high: dh }] of curvatures.entries()) {
    const [B, Z] = [behind[t], before[t]];
    neurons += dl.length;
    for (let j = 0; j < dl.length; j++) {
      if (dl[j] === 0 && dh[j] === 0) continue;
      for (let a = 0; a < n; a++) {
        const i = free[a] * Z.cols + j;
        for (let b = a; b < n; b++) {
          const k = free[b] * Z.cols + j;
          // d z / d x_i times d z / d x_k, a square where they are the same.
          let [pl, ph] = hull(Z.low[i], Z.high[i], Z.low[k], Z.high[k]);
          if (a === b && pl < 0) pl = 0;
          [pl, ph] = hull(pl, ph, dl[j], dh[j]);
          if (pl === 0 && ph === 0) continue;
          for (let o = 0; o < outputs; o++) {
            const at = o * B.cols + j;
            const [l, h] = hull(pl, ph, B.low[at], B.high[at]);
            const to = (o * n + a) * n + b;
            low[to] += l;
            high[to] += h;
            size[to] += Math.max(Math.abs(l), Math.abs(h));
          }
        }
      }
    }
  }
  const g = 2 * gamma(neurons + 16);
  const spread = new Float64Array(outputs * inputs);
  for (let o = 0; o < outputs; o++) {
    for (let a = 0; a < n; a++) {
      for (let b = a; b < n; b++) {
        const at = (o * n + a) * n + b;
        const steep = up(Math.max(Math.abs(low[at]), Math.abs(high[at])) + up(g * size[at] + tiny));
        const add = (i: number, k: number) => {
          const to = o * inputs + i;
          spread[to] = up(spread[to] + up(steep * reach[k]));
        };
        add(free[a], free[b]);
        if (a !== b) add(free[b], free[a]);
      }
    }
  }
  return spread.map((v) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : v));
}

// --- internal ---

/** The products of two intervals. */
function hull(a: number, b: number, c: number, d: number): readonly [number, number] {
  const [p, q, r, s] = [a * c, a * d, b * c, b * d];
  return [Math.min(p, q, r, s), Math.max(p, q, r, s)];
}
