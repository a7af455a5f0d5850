/** @file Exact arithmetic of dyadic numbers, which all doubles are: sums and products without rounding. For tests that claims are held to. */

/** m 2^e. */
export interface Dyadic {
  readonly m: bigint;
  readonly e: number;
}

export const zero: Dyadic = { m: 0n, e: 0 };

/** A double as it is. */
export function exact(v: number): Dyadic {
  if (!Number.isFinite(v)) throw new Error(`exact: ${v} is no number`);
  let [m, e] = [v, 0];
  // Doubling and halving are exact away from the ends of the range.
  for (; !Number.isInteger(m); e--) m *= 2;
  return { m: BigInt(m), e };
}

const aligned = (a: Dyadic, b: Dyadic): readonly [bigint, bigint, number] => {
  const e = Math.min(a.e, b.e);
  return [a.m << BigInt(a.e - e), b.m << BigInt(b.e - e), e];
};

export function plus(a: Dyadic, b: Dyadic): Dyadic {
  const [x, y, e] = aligned(a, b);
  return { m: x + y, e };
}

export const times = (a: Dyadic, b: Dyadic): Dyadic => ({ m: a.m * b.m, e: a.e + b.e });
export const minus = (a: Dyadic, b: Dyadic): Dyadic => plus(a, { m: -b.m, e: b.e });
export const size = (a: Dyadic): Dyadic => ({ m: a.m < 0n ? -a.m : a.m, e: a.e });

export function larger(a: Dyadic, b: Dyadic): Dyadic {
  const [x, y] = aligned(a, b);
  return x >= y ? a : b;
}

export function atLeast(a: Dyadic, b: Dyadic): boolean {
  const [x, y] = aligned(a, b);
  return x >= y;
}

/** ||v|| in l1 and l-inf, ||v||^2 in l2. */
export function measure(v: readonly Dyadic[], norm: 1 | 2 | "inf"): Dyadic {
  if (norm === "inf") return v.map(size).reduce(larger, zero);
  return v.map((c) => (norm === 1 ? size(c) : times(c, c))).reduce(plus, zero);
}
