/** @file The error radii against exact products in BigInt: the true Gram matrix and its square lie inside. */
import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import { type Enclosure, frobeniusUp, gramEnclosure, normalised, squared } from "./enclosure.ts";
import { compare, type Dyadic, exact, minus, plus, product } from "./exact.ts";
import type { Matrix } from "./matrix.ts";

const zero = exact(0);
const normal = (rows: number, cols: number, seed: number): Matrix => {
  const r = random(seed);
  // Positive entries of one scale make the rounding errors of a sum add up instead of cancelling.
  const data = Float64Array.from({ length: rows * cols }, () => (seed % 2 ? r.normal() : 1 + r.uniform()));
  return { rows, cols, data: normalised(data).data };
};

function exactProduct(a: readonly Dyadic[], b: readonly Dyadic[], n: number, m: number): Dyadic[] {
  return Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    let sum = zero;
    for (let k = 0; k < m; k++) sum = plus(sum, product(a[i * m + k], b[j * m + k]));
    return sum;
  });
}

/** Whether truth = 2^exponent (mid + D) with ||D||_F <= radius, exactly; and how much of the radius D takes. */
function inside(truth: readonly Dyadic[], G: Enclosure): { readonly holds: boolean; readonly share: number } {
  const unit: Dyadic = { top: 1n << BigInt(Math.max(0, G.exponent)), bits: Math.max(0, -G.exponent) };
  const error = truth
    .map((t, i) => minus(t, product(unit, exact(G.mid.data[i]))))
    .map((d) => product(d, d))
    .reduce(plus, zero);
  const limit = product(product(unit, unit), product(exact(G.radius), exact(G.radius)));
  return {
    holds: compare(error, limit) <= 0,
    share: Math.sqrt(
      Number((error.top << 200n) / (1n << BigInt(error.bits))) /
        Number((limit.top << 200n) / (1n << BigInt(limit.bits))),
    ),
  };
}

describe("gramEnclosure() and squared()", () => {
  it("contain the exact matrices through four squarings", () => {
    for (let seed = 1; seed <= 12; seed++) {
      const [n, m] = [1 + (seed % 4), 3 + 2 * seed];
      const W = normal(n, m, seed);
      const w = Array.from(W.data, exact);
      let truth = exactProduct(w, w, n, m);
      let G = gramEnclosure(W);
      for (let t = 1; t <= 4; t++) {
        const { holds, share } = inside(truth, G);
        expect(holds).toBe(true);
        // Not vacuous: rounding happened, and the radius is not orders of magnitude beyond it.
        expect(G.radius / frobeniusUp(G.mid.data)).toBeLessThan(1e-12);
        if (n > 1) expect(share).toBeGreaterThan(1e-4);
        truth = exactProduct(truth, truth, n, n);
        G = squared(G);
      }
    }
  });
});

describe("normalised()", () => {
  it("puts the largest entry in [1/2, 1) without changing a digit", () => {
    for (const top of [Number.MAX_VALUE, 1, 3, 1e-300, Number.MIN_VALUE]) {
      const { data, exponent } = normalised(Float64Array.of(top, -top, top / 2));
      expect(data[0]).toBeGreaterThanOrEqual(0.5);
      expect(data[0]).toBeLessThan(1);
      const back = product(exact(data[0]), { top: 1n << BigInt(Math.max(0, exponent)), bits: Math.max(0, -exponent) });
      expect(compare(back, exact(top))).toBe(0);
    }
    expect(normalised(Float64Array.of(0, 0))).toEqual({ data: Float64Array.of(0, 0), exponent: 0 });
  });
});
