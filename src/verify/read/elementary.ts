/** @file Elementary functions in doubles, and the slopes of those that are made of several. */

export const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** log(1 + e^x). */
export const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** The slope of erf. */
export const bell = (x: number): number => (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);

/** 2 / sqrt(pi) e^(-x^2) sum of 2^n x^(2n+1) / (1 3 5 ... (2n+1)): nothing cancels. Beyond 6 it is 1 to more than a double has. */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 2 ** -56; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** tanh(s) + x (1 - tanh(s)^2) sigmoid(x), s = softplus(x). */
export function mishSlope(x: number): number {
  const t = Math.tanh(softplus(x));
  return t + x * (1 - t * t) * sigmoid(x);
}

export const tanhGelu = (x: number): number => (x / 2) * (1 + Math.tanh(inside(x)));

export function tanhGeluSlope(x: number): number {
  const t = Math.tanh(inside(x));
  return (1 + t) / 2 + (x / 2) * (1 - t * t) * ROOT * (1 + 3 * CUBIC * x * x);
}

// --- internal ---

/** sqrt(2 / pi). */
const ROOT = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

const inside = (x: number): number => ROOT * (x + CUBIC * x * x * x);
