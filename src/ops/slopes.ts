/**
 * @file The slopes of a function of one number between two points: every difference quotient of points in [low, high] lies in the
 * result, rounded outward. By the mean value theorem that is the range of the derivative; a kink is met only from the sides that the interval has.
 */
import type { Slopes } from "../graph/graph.ts";

/** Covers what exp, tanh and erf may err in a derivative of size 1. */
const error = 2 ** -43;

/** Two half-lines that meet at 0: slope `left` below, `right` above. Exact. */
export const kinkAtZero =
  (left: number, right: number): Slopes =>
  (low, high) =>
    low >= 0 ? [right, right] : high <= 0 ? [left, left] : [Math.min(left, right), Math.max(left, right)];

/**
 * Slope `inside` between two kinks and 0 outside. `error` (relative to the kinks) is how far they may lie from where they are
 * said to; then both sides of a kink count.
 */
export const ramp =
  (from: number, to: number, inside: number, relative = 0): Slopes =>
  (low, high) => {
    const pad = (kink: number) =>
      relative === 0 || !Number.isFinite(kink) ? 0 : relative * Math.max(1, Math.abs(kink));
    const flat = high <= from - pad(from) || low >= to + pad(to);
    const steep = low >= from + pad(from) && high <= to - pad(to);
    return flat ? [0, 0] : steep ? [inside, inside] : [Math.min(0, inside), Math.max(0, inside)];
  };

/** A turning point of a derivative, known to 1e-6, and the derivative there, rounded outward. */
interface Turn {
  readonly at: number;
  readonly value: number;
}

/**
 * A derivative that is monotone between its turning points and has limits at both infinities that it reaches, to 1e-13, by |x| = 700.
 * `size` is how large it gets, for the rounding of its values.
 */
export const betweenTurns =
  (derivative: (x: number) => number, turns: readonly Turn[], size = 1): Slopes =>
  (low, high) => {
    const met = turns.filter(({ at }) => low <= at + 1e-6 && high >= at - 1e-6).map(({ value }) => value);
    const values = [derivative(within(low)), derivative(within(high)), ...met];
    return [Math.min(...values) - size * error, Math.max(...values) + size * error];
  };

/** e^x. */
export const expSlopes: Slopes = (low, high) => relatively(Math.exp(low), Math.exp(high));

/** ln x. */
export const logSlopes: Slopes = (low, high) => (low > 0 ? relatively(1 / high, 1 / low) : nowhere);

/** The square root. */
export const rootSlopes: Slopes = (low, high) =>
  low > 0 ? relatively(0.5 / Math.sqrt(high), 0.5 / Math.sqrt(low)) : nowhere;

/** 1 / x. */
export const reciprocalSlopes: Slopes = (low, high) =>
  low > 0 || high < 0 ? relatively(-1 / low / low, -1 / high / high) : nowhere;

/** x^k for one number k: k x^(k-1) is monotone on each side of 0. A power that is no whole number is one of x > 0 alone. */
export const powerSlopes =
  (k: number): Slopes =>
  (low, high) => {
    if (k === 0) return [0, 0];
    if (!(Number.isInteger(k) ? k > 0 || low > 0 || high < 0 : low > 0)) return nowhere;
    const values = [low, high, ...(low < 0 && high > 0 ? [0] : [])].map((x) => k * x ** (k - 1));
    return relatively(...values);
  };

// --- internal ---

const nowhere = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY] as const;

/** The range of numbers that are known to a few roundings, and to an underflow: 1 / x / x of a large x may be below all numbers. */
function relatively(...values: readonly number[]): readonly [number, number] {
  if (values.some(Number.isNaN)) return nowhere;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return [low - Math.abs(low) * error - 2 ** -1060, high + Math.abs(high) * error + 2 ** -1060];
}

const within = (x: number): number => Math.max(-700, Math.min(700, x));
