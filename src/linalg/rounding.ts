/** @file Directed rounding by hand: every number that an upper bound touches passes through here. JavaScript rounds + - * / sqrt to nearest, so that one step outwards after each operation gives a true bound; exp, log, pow, sin and cos are not exact and are not used. */

/** Eight bytes to look at a number's sign and exponent; written before each reading. */
const bits = new DataView(new ArrayBuffer(8));

/** Unit roundoff u = 2^-53: fl(a op b) = (a op b)(1 + d), |d| <= u, short of underflow. */
export const unit = Number.EPSILON / 2;

/**
 * 2^-1000, more than all underflow together in an algorithm on normalised data.
 * Underflow adds at most 2^-1075 to an operation; with entries below 1 and fewer than 2^60 operations the total is below 2^-1015.
 */
export const tiny = powerOfTwo(-1000);

/** The number itself or one to two steps above it: x <= result, and result > x unless x is infinite. */
export function up(x: number): number {
  // |x| 2^-52 is at least the spacing at x, and the smallest number takes over where that underflows.
  return x === Number.NEGATIVE_INFINITY ? -Number.MAX_VALUE : x + (Math.abs(x) * Number.EPSILON + Number.MIN_VALUE);
}

/** The mirror of `up`: result < x. An overflowed x gives the largest finite number, which is still below the true value. */
export function down(x: number): number {
  return -up(-x);
}

/** An upper bound of sqrt(x), exact at 0. */
export function sqrtUp(x: number): number {
  return x === 0 ? 0 : up(Math.sqrt(x));
}

/** gamma_n = n u / (1 - n u), rounded up: the relative error of a dot product of length n, summed in any order. */
export function gamma(n: number): number {
  return up((n * unit) / down(1 - n * unit));
}

/** An upper bound of a sum of non-negative numbers (or products) from its floating value: the exact sum is <= S / (1 - gamma_n). */
export function sumUp(floating: number, terms: number): number {
  return floating === 0 ? 0 : up(floating / down(1 - gamma(terms)));
}

/** A lower bound of a sum of non-negative numbers from its floating value: the exact sum is >= S / (1 + gamma_n). */
export function sumDown(floating: number, terms: number): number {
  return floating === 0 ? 0 : down(floating / up(1 + gamma(terms)));
}

/** 2^e exactly, -1022 <= e <= 1023. The operator ** promises no exactness. */
export function powerOfTwo(e: number): number {
  bits.setUint32(0, (e + 1023) << 20);
  bits.setUint32(4, 0);
  return bits.getFloat64(0);
}

/** The whole number e with 2^(e-1) <= x < 2^e, for finite x > 0. */
export function exponentOf(x: number): number {
  bits.setFloat64(0, x);
  const biased = (bits.getUint32(0) >>> 20) & 0x7ff;
  return biased === 0 ? exponentOf(x * powerOfTwo(60)) - 60 : biased - 1022;
}

/** x 2^e: exact unless the result leaves the range of normal numbers; then within one spacing, or infinite. */
export function scale(x: number, e: number): number {
  let result = x;
  let rest = e;
  for (; rest > 1000; rest -= 1000) result *= powerOfTwo(1000);
  for (; rest < -1000; rest += 1000) result *= powerOfTwo(-1000);
  return result * powerOfTwo(rest);
}

/** An upper bound of x 2^e for x >= 0: exact where x 2^e is a number, Infinity on overflow. */
export function scaleUp(x: number, e: number): number {
  const result = scale(x, e);
  return scale(result, -e) === x ? result : up(result);
}

/** A lower bound of x 2^e for x >= 0: never below 0, the largest finite number on overflow. */
export function scaleDown(x: number, e: number): number {
  const result = scale(x, e);
  return scale(result, -e) === x ? result : Math.max(0, down(result));
}
