/** @file Gram iteration: an upper bound of the spectral norm from repeated squaring. Rounding is counted in, so that the floating result itself is a bound. */
import { UsageError } from "../tensor/errors.ts";
import { frobeniusUp, gramEnclosure, normalised, squared } from "./enclosure.ts";
import { checkFinite, type Matrix } from "./matrix.ts";
import { scaleUp, sqrtUp, sumUp, tiny, up } from "./rounding.ts";

export interface GramOptions {
  /** Most squarings t, default 24. */
  readonly iterations?: number;
  /** Stop where two squarings in a row improve the bound by less than this, relatively; default 1e-9. */
  readonly tolerance?: number;
}

/**
 * Bound sigma1(W) from above by Gram iteration.
 *
 *     G_1 = W^T W,  G_{t+1} = G_t^2:  sigma1(W) <= min(||G_t||_F, ||G_t||_inf)^(2^-t) <= sigma1(W) rank^(2^-(t+1))
 *
 * Why: G_t is symmetric with largest eigenvalue sigma1^(2^t). Rounding: every G_t is carried as mid + D with ||D||_F <= r
 * (see `squared`), and sigma1(mid + D) <= min(||mid||_F, ||mid||_inf) + r. The relative radius doubles with each squaring and the
 * root halves its effect, hence the loss stays near gamma_m ||W||_F^2 / sigma1^2. Scaling is by powers of two: 2^(e 2^-t) is
 * taken apart into exact halvings of e and t square roots rounded up.
 *
 * Reference: Delattre, Barthelemy, Araujo, Allauzen 2023, Theorem 1 (rounding added here).
 */
export function gramBound(W: Matrix, options: GramOptions = {}): number {
  const { iterations = 24, tolerance = 1e-9 } = options;
  if (!Number.isInteger(iterations) || iterations < 1 || iterations > 32) {
    throw new UsageError(`gramBound: iterations must be a whole number from 1 to 32, got ${iterations}`);
  }
  checkFinite("gramBound", W.data);
  const { data, exponent } = normalised(W.data);
  if (data.every((x) => x === 0)) return 0;
  let best = frobeniusUp(data);
  let G = gramEnclosure({ ...W, data });
  let idle = 0;
  for (let t = 1; ; t++) {
    const bound = root(up(symmetricUp(G.mid) + G.radius), G.exponent, t);
    idle = best - bound <= tolerance * best ? idle + 1 : 0;
    best = Math.min(best, bound);
    if (t === iterations || idle === 2) break;
    G = squared(G);
  }
  return scaleUp(best, exponent);
}

/** An upper bound of the spectral norm of a symmetric matrix with entries of moderate size: the smaller of ||.||_F and ||.||_inf. */
export function symmetricUp({ rows, cols, data }: Matrix): number {
  let widest = 0;
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < cols; j++) sum += Math.abs(data[i * cols + j]);
    widest = Math.max(widest, sum);
  }
  return Math.min(up(sumUp(widest, cols) + tiny), frobeniusUp(data));
}

// --- internal ---

/** An upper bound of (x 2^e)^(2^-t): an even e is halved exactly, an odd one lends a factor of 2 to x. */
function root(x: number, e: number, t: number): number {
  let value = x;
  let exponent = e;
  for (let i = 0; i < t; i++) {
    const odd = Math.abs(exponent % 2);
    value = sqrtUp(odd === 1 ? 2 * value : value);
    exponent = (exponent - odd) / 2;
  }
  return scaleUp(value, exponent);
}
