/** @file A polynomial in place of an inverse, from above. */
import { down, gamma, unit, up } from "../../linalg/rounding.ts";
import { provedBelowAll } from "./below.ts";
import type { Products } from "./products.ts";
import { combine, frobenius, mirror, plus, type Stack, scaledBy, stack } from "./stack.ts";

/**
 * S >= (1 - x)^-1, from x and the square of x / back^(1/2) that is known; null where x is not proved to be below 1. In Frobenius norms with e2 that of
 * the square, and g of a product: 1 + x + k x^2 errs by k e2 + 4 u (...), the product with x^2 by g |x^2| |U| + e2 |U| + |x^2| e_U.
 */
export async function above(
  products: Products,
  x: Stack,
  known: Stack,
  back: number,
  grown: Float64Array,
  scale: number,
): Promise<Stack | null> {
  const { count, rows: n } = x;
  const bound = provedBelowAll(
    x,
    grown.map((v) => v * scale),
    0.999,
  );
  if (!bound) return null;
  const square = scaledBy(known, back);
  mirror(square);
  const g = up(8 * gamma(2 * n + 8));
  const U = stack(count, n, n, x.im !== null);
  const size = n * n;
  const errors = new Float64Array(count);
  const lengths = (s: Stack) => frobenius(s);
  const [X, Q] = [lengths(x), lengths(square)];
  for (let f = 0; f < count; f++) {
    const k = up(1 / down(1 - bound[f]));
    combine(U.re, x.re, square.re, k, f * size, (f + 1) * size);
    if (U.im && x.im && square.im) combine(U.im, x.im, square.im, k, f * size, (f + 1) * size);
    for (let i = 0; i < n; i++) U.re[f * size + i * (n + 1)] += 1;
    errors[f] = k;
  }
  const L = lengths(U);
  const W = await products.times(square, U);
  mirror(W);
  const P = lengths(W);
  plus(W, x);
  for (let f = 0; f < count; f++) {
    const k = errors[f];
    // What the known square was taken of is x but for a few roundings and what lies on its diagonal.
    const e2 = (g + 128 * n * unit) * X[f] ** 2;
    const own = Math.sqrt(n);
    const eU = k * e2 + 8 * unit * (own + X[f] + k * Q[f]);
    const e = g * Q[f] * L[f] + e2 * (L[f] + eU) + Q[f] * eU + 8 * unit * (own + X[f] + P[f]);
    for (let i = 0; i < n; i++) {
      const at = f * size + i * (n + 1);
      W.re[at] = up(up(W.re[at] + 1) + up(e * (1 + 1e-9)));
    }
  }
  return W;
}
