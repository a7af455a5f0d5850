/** @file Exact arithmetic on dyadic rationals, which all float64 numbers are. Slow: for checking what the fast code claims. */
import { UsageError } from "../tensor/errors.ts";
import { exponentOf, scale } from "./rounding.ts";

/** top 2^-bits. */
export interface Dyadic {
  readonly top: bigint;
  readonly bits: number;
}

/** The exact value of a finite float64 number. */
export function exact(x: number): Dyadic {
  if (!Number.isFinite(x)) throw new UsageError(`exact: the number must be finite, got ${x}`);
  if (x === 0) return { top: 0n, bits: 0 };
  const bits = 53 - exponentOf(Math.abs(x));
  const top = BigInt(scale(x, bits));
  return bits >= 0 ? { top, bits } : { top: top << BigInt(-bits), bits: 0 };
}

/** a + b. */
export function plus(a: Dyadic, b: Dyadic): Dyadic {
  const bits = Math.max(a.bits, b.bits);
  return { top: (a.top << BigInt(bits - a.bits)) + (b.top << BigInt(bits - b.bits)), bits };
}

/** a - b. */
export function minus(a: Dyadic, b: Dyadic): Dyadic {
  return plus(a, { top: -b.top, bits: b.bits });
}

/** a b. */
export function product(a: Dyadic, b: Dyadic): Dyadic {
  return { top: a.top * b.top, bits: a.bits + b.bits };
}

/** The sign of a - b. */
export function compare(a: Dyadic, b: Dyadic): -1 | 0 | 1 {
  const { top } = minus(a, b);
  return top > 0n ? 1 : top < 0n ? -1 : 0;
}

/** Whether s^2 I - W W^T is positive definite, W given by rows: exactly, by elimination without fractions (Bareiss). */
export function exactlyBelow(rows: readonly (readonly number[])[], s: number): boolean {
  const n = rows.length;
  const entries = rows.map((row) => row.map(exact));
  const dot = (i: number, j: number) =>
    entries[i].map((x, k) => product(x, entries[j][k])).reduce(plus, { top: 0n, bits: 0 });
  const square = product(exact(s), exact(s));
  const A = rows.map((_, i) => rows.map((_, j) => minus(i === j ? square : { top: 0n, bits: 0 }, dot(i, j))));
  const bits = Math.max(...A.flat().map((x) => x.bits));
  const a = A.map((row) => row.map((x) => x.top << BigInt(bits - x.bits)));
  // The pivots are the leading minors.
  let previous = 1n;
  for (let k = 0; k < n; k++) {
    if (a[k][k] <= 0n) return false;
    for (let i = k + 1; i < n; i++) {
      for (let j = k + 1; j < n; j++) a[i][j] = (a[i][j] * a[k][k] - a[i][k] * a[k][j]) / previous;
    }
    previous = a[k][k];
  }
  return true;
}
