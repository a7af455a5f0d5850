/** @file Outward rounding: the next double above or below, by the bits of the number. Only + - * / and sqrt are used where it counts, which every machine rounds alike. */

const float = new Float64Array(1);
const bits = new BigInt64Array(float.buffer);

/** 2^-53: every + - * / and sqrt of doubles errs by at most this, relatively, short of underflow. */
export const unit64 = 2 ** -53;

/** The same of float32. */
export const unit32 = 2 ** -24;

/** The same of float16. */
export const unit16 = 2 ** -11;

/** More than all underflow together of a computation of fewer than 2^60 operations on numbers below 2^60. */
export const underflow = 2 ** -950;

/** The next double above; NaN and Infinity stay. */
export function up(x: number): number {
  if (x === 0) return Number.MIN_VALUE;
  if (!Number.isFinite(x)) return x === Number.NEGATIVE_INFINITY ? -Number.MAX_VALUE : x;
  float[0] = x;
  bits[0] += x > 0 ? 1n : -1n;
  return float[0];
}

/** The next double below. */
export const down = (x: number): number => -up(-x);

/** a + b, not below the exact sum. */
export const addUp = (a: number, b: number): number => (a === 0 ? b : b === 0 ? a : up(a + b));

/** a b for a, b >= 0, not below the exact product; 0 times Infinity is 0, because what does not pass does not matter. */
export const timesUp = (a: number, b: number): number =>
  a === 0 || b === 0 ? 0 : a === 1 ? b : b === 1 ? a : up(a * b);

/** sqrt(x), not below. */
export const sqrtUp = (x: number): number => (x === 0 ? 0 : up(Math.sqrt(x)));

/** n u / (1 - n u), not below: the relative error of n roundings, or of a dot product of n terms summed in any order. */
export function gamma(n: number, unit: number = unit64): number {
  const part = n * unit;
  return part < 0.5 ? up(part / down(1 - part)) : Number.POSITIVE_INFINITY;
}

/** An upper bound of an exact sum of `terms` numbers >= 0 from its floating value. */
export const sumUp = (sum: number, terms: number): number =>
  sum === 0 ? 0 : up(up(sum * up(1 + gamma(terms + 1))) + underflow);
