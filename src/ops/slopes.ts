/**
 * @file The slopes of a function of one number between two points: every difference quotient of points in [low, high] lies in the
 * result, rounded outward. By the mean value theorem that is the range of the derivative; a kink is met only from the sides that the interval has.
 */
import type { Slopes } from "../graph/graph.ts";

/** Covers what exp, tanh and erf may err in a derivative of size 1. */
const error = 2 ** -43;

/** Two half-lines that meet at 0: slope `left` below, `right` above. Exact. */
export const bentAtZero =
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

// --- internal ---

const within = (x: number): number => Math.max(-700, Math.min(700, x));
