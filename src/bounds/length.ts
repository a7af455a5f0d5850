/** @file Lengths of vectors in the three norms, and the vectors that attain them: what the power method alternates between. */
import type { Norm } from "./bound.ts";

/** ||v||_p, rounded to nearest. */
export function lengthOf(v: ArrayLike<number>, norm: Norm): number {
  let total = 0;
  if (norm === 1) for (let i = 0; i < v.length; i++) total += Math.abs(v[i]);
  else if (norm === "inf") for (let i = 0; i < v.length; i++) total = Math.max(total, Math.abs(v[i]));
  else {
    for (let i = 0; i < v.length; i++) total += v[i] * v[i];
    total = Math.sqrt(total);
  }
  return total;
}

/** The norm q with 1/p + 1/q = 1: a linear form a . x has constant ||a||_q in ||.||_p. */
export const dualNorm = (norm: Norm): Norm => (norm === 1 ? "inf" : norm === "inf" ? 1 : 2);

/** A vector v of length 1 in norm p with v . w = ||w||_q; zero for w = 0. */
export function attaining(w: Float64Array, norm: Norm): Float64Array {
  if (norm === "inf") return w.map(Math.sign);
  if (norm === 2) {
    const length = lengthOf(w, 2);
    return length > 0 && Number.isFinite(length) ? w.map((x) => x / length) : new Float64Array(w.length);
  }
  const top = w.reduce((best, x, i) => (Math.abs(x) > Math.abs(w[best]) ? i : best), 0);
  const v = new Float64Array(w.length);
  v[top] = Math.sign(w[top]);
  return v;
}
