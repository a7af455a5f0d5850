/** @file Roots of unity with a proved error. Math.cos and Math.sin differ between engines; a Taylor polynomial on an eighth of a turn does not. */

/** The L-th roots of unity: cos[k] + i sin[k] = exp(2 pi i k / L). */
export interface Roots {
  readonly cos: Float64Array;
  readonly sin: Float64Array;
}

/** Bounds |cos[k] - cos(2 pi k / L)|, and the same for the sine. */
export const rootError = 8 * (Number.EPSILON / 2);

/**
 * The L-th roots of unity, each coordinate within `rootError` = 8u of the truth.
 *
 * The turn is cut into eighths in whole numbers, so that only angles x in [0, pi/4] are rounded: pi/4 as a number errs by 0.36u,
 * the division and the product by u each, which moves x by at most 2.4u * 0.79 < 1.9u, and cosine and sine by no more.
 * Horner's form 1 - x^2/(2k(2k-1)) (1 - ...) errs by e <= u + q (e' + 3.1u), e' the error of the inner bracket and q <= 0.31, thus
 * by less than 3u; the terms left out are below 1e-21; the last product of the sine adds u. Together less than 6u.
 */
export function rootsOfUnity(L: number): Roots {
  const cos = new Float64Array(L);
  const sin = new Float64Array(L);
  for (let k = 0; k < L; k++) {
    const octant = Math.floor((8 * k) / L);
    const rest = 8 * k - octant * L;
    // Odd octants are measured from their far end, which mirrors sine and cosine.
    const x = (Math.PI / 4) * ((octant % 2 === 0 ? rest : L - rest) / L);
    const [c, s] = (octant + 1) % 4 < 2 ? [cosine(x), sine(x)] : [sine(x), cosine(x)];
    cos[k] = octant >= 2 && octant < 6 ? -c : c;
    sin[k] = octant >= 4 ? -s : s;
  }
  return { cos, sin };
}

// --- internal ---

function cosine(x: number): number {
  let value = 1;
  for (let k = 20; k > 0; k -= 2) value = 1 - ((x * x) / (k * (k - 1))) * value;
  return value;
}

function sine(x: number): number {
  let value = 1;
  for (let k = 21; k > 1; k -= 2) value = 1 - ((x * x) / (k * (k - 1))) * value;
  return x * value;
}
