/** @file The error function, twice: in plain float64 as the judge, and as graph for readers that have no kernel for it. */
import type { Node } from "../graph/graph.ts";
import { add, cast, div, less, mul, neg, sub } from "./arith.ts";

/** erf(x) to 1e-15: the Maclaurin series up to |x| = 2.5, beyond it 1 - erfc(x). */
export function erfNumber(x: number): number {
  if (Math.abs(x) > 2.5) return Math.sign(x) * (1 - erfcTail(Math.abs(x)));
  // erf x = 2/sqrt(pi) e^(-x^2) sum_n 2^n x^(2n+1) / (2n+1)!!: all terms of one sign, so nothing cancels.
  let term = x;
  let total = x;
  for (let n = 1; n < 100 && Math.abs(term) > 1e-18 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return Number.isNaN(x) ? Number.NaN : (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

/** The standard normal distribution function, to a relative 1e-13 in its lower tail too. */
export function normalCdf(x: number): number {
  const z = x / Math.SQRT2;
  return z < -2.5 ? erfcTail(-z) / 2 : (1 + erfNumber(z)) / 2;
}

/**
 * erf as graph of elementary functions, to a few units in the last place.
 * With s = sign(x), a = |x|, t = 2 / (2 + a): erf x = s (1 - t e^(-a^2) P(2t - 1)), P of degree 23 from the Chebyshev
 * interpolant of e^(a^2) erfc(a) / t on all of a >= 0. Below a = 1/2 the difference would cancel, and the Maclaurin series of `erfNumber` takes its place.
 */
export function erfGraph(x: Node, abs: (x: Node) => Node, sign: (x: Node) => Node, exp: (x: Node) => Node): Node {
  const a = abs(x);
  const t = div(2, add(a, 2));
  const u = sub(mul(t, 2), 1);
  let p = add(mul(u, coefficients[coefficients.length - 1]), coefficients[coefficients.length - 2]);
  for (let i = coefficients.length - 3; i >= 0; i--) p = add(mul(p, u), coefficients[i]);
  const far = sub(1, mul(mul(t, exp(neg(mul(a, a)))), p));
  // Old operator sets have no Where: one of the two is times 0.
  const isNear = cast(less(a, 0.5), x.dtype);
  const small = mul(a, isNear);
  const square = mul(small, small);
  let series = add(mul(square, 2 / (2 * terms + 1)), 1);
  for (let n = terms - 1; n >= 1; n--) series = add(mul(mul(square, 2 / (2 * n + 1)), series), 1);
  const near = mul(mul(mul(small, 2 / Math.sqrt(Math.PI)), exp(neg(square))), series);
  return mul(sign(x), add(near, mul(far, sub(1, isNear))));
}

// --- internal ---

/** erfc(x) for x >= 2.5 by its continued fraction, evaluated from the far end. */
function erfcTail(x: number): number {
  let tail = 0;
  for (let k = 60; k >= 1; k--) tail = k / 2 / (x + tail);
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * (x + tail));
}

/** Of the series up to 1/2, where the next is below 2^-56. */
const terms = 12;

/** Powers of u, lowest first. */
const coefficients = [
  0.5107913526210116, 0.3435803422069117, 0.13973604627798308, 0.018221115752832306, -0.010755330942286399,
  -0.0032395925169676353, 0.0015453059772219688, 0.0004186478150027446, -0.00033153618355747467, -1.7184185226765448e-5,
  7.223175739267688e-5, -1.708107805249792e-5, -1.083359095052782e-5, 8.078865791285063e-6, -6.012525842908573e-7,
  -1.8553576113791766e-6, 1.0697365774901823e-6, 3.8374820126867854e-8, -3.6876140040541297e-7, 1.3392042007542454e-7,
  6.502481359567833e-8, -4.5216094323399624e-8, -4.777282697564049e-9, 5.531235803914391e-9,
];
