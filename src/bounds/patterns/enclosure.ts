/**
 * @file Real numbers between two doubles, for the constants of compositions: they are folded here, and two that cancel in doubles need
 * not cancel in truth. An operation that rounds nothing widens nothing, so that what is exact in a file stays exact.
 */
import { down, exponentOf, powerOfTwo, up } from "../../linalg/rounding.ts";
import type { Fixed } from "../fixed.ts";

/** The least and the greatest that a number may be. */
export type Enclosure = readonly [low: number, high: number];

/** A number that is known. */
export const exactly = (v: number): Enclosure => [v, v];

export const isExactly = ([low, high]: Enclosure, v: number): boolean => low === v && high === v;

/** Does a number surely differ from 0? */
export const isNonZero = ([low, high]: Enclosure): boolean => low > 0 || high < 0;

export const isBounded = (e: Enclosure): boolean => e.every(Number.isFinite);

/** Not below the absolute value. */
export const sizeOf = ([low, high]: Enclosure): number => Math.max(Math.abs(low), Math.abs(high));

/** a + b. */
export const plus = (a: Enclosure, b: Enclosure): Enclosure => [sum(a[0], b[0])[0], sum(a[1], b[1])[1]];

export const negative = ([low, high]: Enclosure): Enclosure => [-high, -low];

/** a - b. */
export const minus = (a: Enclosure, b: Enclosure): Enclosure => plus(a, negative(b));

/** a b; ends may be infinite, and 0 times an infinite end is 0. */
export const times = (a: Enclosure, b: Enclosure): Enclosure =>
  hull(product(a[0], b[0]), product(a[0], b[1]), product(a[1], b[0]), product(a[1], b[1]));

/** a / b, where b is not 0. */
export const over = (a: Enclosure, b: Enclosure): Enclosure =>
  hull(quotient(a[0], b[0]), quotient(a[0], b[1]), quotient(a[1], b[0]), quotient(a[1], b[1]));

/** The least enclosure with all of these in it. */
export const hull = (...all: readonly Enclosure[]): Enclosure => [
  Math.min(...all.map(([low]) => low)),
  Math.max(...all.map(([, high]) => high)),
];

/** Element k of values that do not vary, with what it may be off. */
export function fixedAt({ data, error }: Fixed, k: number): Enclosure {
  const v = data[k];
  if (error === 0) return exactly(v);
  if (!Number.isFinite(error)) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  const off = up(Math.abs(v) * error);
  return [down(v - off), up(v + off)];
}

/** The one number that all values are; null where they differ. */
export function numberOf(fixed: Fixed): Enclosure | null {
  const { data } = fixed;
  return data.length > 0 && data.every((v) => v === data[0]) ? fixedAt(fixed, 0) : null;
}

// --- internal ---

/** a + b, and what rounding took of it (Knuth): exact while nothing overflows. */
function sum(a: number, b: number): Enclosure {
  const s = a + b;
  const part = s - a;
  const lost = a - (s - part) + (b - part);
  if (Number.isNaN(s)) return [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  if (!Number.isFinite(s)) return [down(s), up(s)];
  return [lost < 0 ? down(s) : s, lost > 0 ? up(s) : s];
}

function product(a: number, b: number): Enclosure {
  if (a === 0 || b === 0) return [0, 0];
  const p = a * b;
  return isExact(a, b) ? [p, p] : [down(p), up(p)];
}

function quotient(a: number, b: number): Enclosure {
  const q = a / b;
  return a === 0 || (isExact(q, b) && q * b === a) ? [q, q] : [down(q), up(q)];
}

/** Does a product surely round nothing: of two float32 numbers, or with a power of two that takes no number out of its range? */
function isExact(a: number, b: number): boolean {
  const size = Math.abs(a * b);
  if (!(size > 2 ** -900 && size < 2 ** 1000)) return false;
  return (Math.fround(a) === a && Math.fround(b) === b) || isPower(a) || isPower(b);
}

function isPower(v: number): boolean {
  const size = Math.abs(v);
  return size >= 2 ** -1000 && size <= 2 ** 1000 && powerOfTwo(exponentOf(size) - 1) === size;
}
