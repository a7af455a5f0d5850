import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Random, random } from "../tensor/random.ts";
import { compare, type Dyadic, exact, plus, product } from "./exact.ts";
import { gramBound } from "./gram.ts";
import { gramMatrix, identity, type Matrix, matrix, multiply, transpose } from "./matrix.ts";
import { inducedNorm, spectralNorm } from "./norm.ts";
import { matrixOperator } from "./operator.ts";
import { powerIteration } from "./power.ts";
import { singularValues } from "./svd.ts";

const fill = (rows: number, cols: number, entry: (i: number, j: number) => number): Matrix => ({
  rows,
  cols,
  data: Float64Array.from({ length: rows * cols }, (_, at) => entry(Math.floor(at / cols), at % cols)),
});

/** Matrices that break careless code, at any size. */
const kinds: Readonly<Record<string, (rows: number, cols: number, r: Random) => Matrix>> = {
  normal: (m, n, r) => fill(m, n, () => r.normal()),
  small: (m, n, r) => fill(m, n, () => 1e-160 * r.normal()),
  subnormal: (m, n, r) => fill(m, n, () => 1e-310 * r.normal()),
  large: (m, n, r) => fill(m, n, () => 1e150 * r.normal()),
  mixed: (m, n, r) => fill(m, n, () => r.normal() * 10 ** (-200 + 400 * r.uniform())),
  "rows of zeros": (m, n, r) => fill(m, n, (i) => (i % 2 === 0 ? 0 : r.normal())),
  "rank one": (m, n, r) => {
    const [a, b] = [fill(m, 1, () => r.normal()), fill(1, n, () => r.normal())];
    return multiply(a, b);
  },
  duplicates: (m, n, r) => {
    const row = fill(1, n, () => r.normal()).data;
    return fill(m, n, (_, j) => row[j]);
  },
  hilbert: (m, n) => fill(m, n, (i, j) => 1 / (i + j + 1)),
  signs: (m, n, r) => fill(m, n, () => (r.uniform() < 0.5 ? -1 : 1)),
  sparse: (m, n, r) => fill(m, n, () => (r.uniform() < 0.8 ? 0 : r.normal())),
};

const sample = fc.record({
  kind: fc.constantFrom(...Object.keys(kinds)),
  rows: fc.integer({ min: 1, max: 14 }),
  cols: fc.integer({ min: 1, max: 14 }),
  seed: fc.nat(),
});

/** Orthogonal, as a product of reflections. */
function orthogonal(n: number, seed: number): Matrix {
  const r = random(seed);
  let Q = identity(n);
  for (let k = 0; k < 3; k++) {
    const v = fill(n, 1, () => r.normal());
    const length = multiply(transpose(v), v).data[0];
    const outer = multiply(v, transpose(v)).data;
    Q = multiply(
      Q,
      fill(n, n, (i, j) => (i === j ? 1 : 0) - (2 * outer[i * n + j]) / length),
    );
  }
  return Q;
}

describe("spectralNorm()", () => {
  it("encloses the largest singular value of any matrix, tightly", () => {
    fc.assert(
      fc.property(sample, ({ kind, rows, cols, seed }) => {
        const W = kinds[kind](rows, cols, random(seed));
        const sigma = singularValues(W)[0];
        const { lower, upper } = spectralNorm(W);
        const slack = 1e-13 * sigma + 1e-322;
        expect(upper).toBeGreaterThanOrEqual(sigma - slack);
        expect(lower).toBeLessThanOrEqual(sigma + slack);
        expect(lower).toBeLessThanOrEqual(upper);
        expect(upper).toBeLessThanOrEqual(lower * (1 + 1e-8) + 1e-322);
      }),
      { numRuns: 600 },
    );
  });

  it("is tight where singular values cluster at the top", () => {
    const r = random(9);
    const cases = [
      identity(1),
      identity(70),
      orthogonal(60, 1),
      fill(50, 50, (i, j) => (i === j ? 1 - 1e-7 * i : 0)),
      multiply(
        orthogonal(40, 2),
        multiply(
          fill(40, 40, (i, j) => (i === j ? 2 - i * 1e-4 : 0)),
          orthogonal(40, 3),
        ),
      ),
      multiply(
        fill(90, 1, () => r.normal()),
        fill(1, 30, () => r.normal()),
      ),
      fill(1, 500, () => r.normal()),
      fill(500, 1, () => r.normal()),
      fill(200, 20, () => r.normal()),
      fill(20, 200, () => r.normal()),
    ];
    for (const W of cases) {
      const { lower, upper } = spectralNorm(W);
      const sigma = singularValues(W)[0];
      expect(upper / lower - 1).toBeLessThan(1e-8);
      expect(upper / sigma - 1).toBeGreaterThan(-1e-14);
      expect(lower / sigma - 1).toBeLessThan(1e-14);
    }
  });

  it("finds the top even from a start without it", () => {
    // Power iteration begins in the kernel of the leading direction and cannot leave it.
    const W = fill(3, 3, (i, j) => (i === j ? [3, 2, 1][i] : 0));
    const stuck = powerIteration(matrixOperator(W), { start: Float64Array.of(0, 1, 0) });
    expect(stuck.value).toBeCloseTo(2, 10);
    const none = spectralNorm(W, { iterations: 0 });
    expect(none.upper / none.lower - 1).toBeLessThan(1e-8);
    expect(none.upper).toBeGreaterThanOrEqual(3);
  });

  it("never falls below an exactly known norm, by either method", () => {
    const whole = fc.array(fc.integer({ min: -999, max: 999 }), { minLength: 1, maxLength: 9 });
    const square = (v: readonly number[]) => v.reduce((sum, x) => sum + x * x, 0);
    const squareOf = (x: number): Dyadic => product(exact(x), exact(x));
    fc.assert(
      fc.property(whole, whole, (a, b) => {
        const W = matrix(
          a.length,
          b.length,
          a.flatMap((x) => b.map((y) => x * y)),
        );
        const truth = exact(square(a) * square(b));
        const { lower, upper } = spectralNorm(W);
        expect(compare(squareOf(upper), truth)).toBeGreaterThanOrEqual(0);
        expect(compare(squareOf(lower), truth)).toBeLessThanOrEqual(0);
        expect(compare(squareOf(gramBound(W)), truth)).toBeGreaterThanOrEqual(0);
        expect(compare(squareOf(gramBound(W, { iterations: 1 })), truth)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 300 },
    );
  });

  it("is exactly 0 for zeros, Infinity above the range, and refuses what is no number", () => {
    expect(spectralNorm(matrix(2, 3, new Float64Array(6)))).toEqual({ lower: 0, upper: 0, method: "frobenius" });
    const huge = spectralNorm(fill(5, 4, () => 1.5e308));
    expect(huge.upper).toBe(Number.POSITIVE_INFINITY);
    expect(huge.lower).toBeLessThan(Number.POSITIVE_INFINITY);
    const least = spectralNorm(matrix(1, 1, [Number.MIN_VALUE]));
    expect(least.upper).toBeGreaterThanOrEqual(Number.MIN_VALUE);
    expect(least.lower).toBeLessThanOrEqual(Number.MIN_VALUE);
    expect(() => spectralNorm(matrix(1, 2, [1, Number.NaN]))).toThrow("spectralNorm: entries must be finite, got NaN");
    expect(() => spectralNorm(matrix(1, 1, [Number.NEGATIVE_INFINITY]))).toThrow(
      "spectralNorm: entries must be finite",
    );
    expect(() => spectralNorm(identity(2), { tolerance: 0 })).toThrow("spectralNorm: tolerance");
  });

  it("falls back on Gram iteration where no factorisation is allowed", () => {
    const W = fill(30, 20, (i, j) => Math.cos(i * j));
    const sigma = singularValues(W)[0];
    const { lower, upper, method } = spectralNorm(W, { factorisations: 0 });
    expect(method).toBe("gram");
    expect(upper).toBeGreaterThanOrEqual(sigma * (1 - 1e-14));
    expect(upper / lower - 1).toBeLessThan(1e-6);
  });
});

describe("gramBound()", () => {
  it("is an upper bound after any number of squarings, within rank^(2^-(t+1))", () => {
    fc.assert(
      fc.property(sample, fc.integer({ min: 1, max: 30 }), ({ kind, rows, cols, seed }, iterations) => {
        const W = kinds[kind](rows, cols, random(seed));
        const sigma = singularValues(W)[0];
        const bound = gramBound(W, { iterations, tolerance: 0 });
        expect(bound).toBeGreaterThanOrEqual(sigma * (1 - 1e-14) - 1e-322);
        const worst = Math.min(rows, cols) ** (2 ** -(Math.min(iterations, 24) + 1));
        expect(bound).toBeLessThanOrEqual(sigma * worst * (1 + 1e-11) + 1e-322);
      }),
      { numRuns: 400 },
    );
  });

  it("is no rounding below the exact norm of a long row", () => {
    for (let seed = 1; seed <= 20; seed++) {
      const r = random(seed);
      const W = fill(1, 2000, () => r.uniform());
      const truth = [...W.data].map((x) => product(exact(x), exact(x))).reduce(plus);
      for (const bound of [gramBound(W), gramBound({ ...W, rows: 2000, cols: 1 }), spectralNorm(W).upper]) {
        expect(compare(product(exact(bound), exact(bound)), truth)).toBeGreaterThanOrEqual(0);
      }
      const { lower } = spectralNorm(W);
      expect(compare(product(exact(lower), exact(lower)), truth)).toBeLessThanOrEqual(0);
    }
  });

  it("refuses a number of squarings that it cannot count", () => {
    expect(() => gramBound(identity(2), { iterations: 0 })).toThrow("gramBound: iterations must be a whole number");
    expect(() => gramBound(matrix(1, 1, [Number.NaN]))).toThrow("gramBound: entries must be finite");
  });
});

describe("powerIteration()", () => {
  it("converges to the leading pair from below", () => {
    const W = fill(12, 7, (i, j) => Math.sin(1 + i * 7 + j * j));
    const sigma = singularValues(W)[0];
    const { value, left, right, status } = powerIteration(matrixOperator(W), { iterations: 1000, tolerance: 1e-14 });
    expect(status).toBe("converged");
    expect(value).toBeLessThanOrEqual(sigma * (1 + 1e-15));
    expect(value).toBeGreaterThan(sigma * (1 - 1e-9));
    const image = matrixOperator(W).apply(right);
    for (let i = 0; i < 12; i++) expect(image[i]).toBeCloseTo(value * left[i], 8);
  });

  it("says so where it stops early, repeats itself, and checks the start", () => {
    const W = matrixOperator(gramMatrix(fill(9, 9, (i, j) => Math.cos(i + 3 * j * j))));
    const first = powerIteration(W, { iterations: 2, tolerance: 0 });
    expect(first.status).toBe("iterations exhausted");
    expect(powerIteration(W, { iterations: 2, tolerance: 0 })).toEqual(first);
    expect(powerIteration(W, { iterations: 2, random: random(7) }).right).not.toEqual(first.right);
    expect(() => powerIteration(W, { start: Float64Array.of(1) })).toThrow(
      "powerIteration: the start must have 9 entries",
    );
  });
});

describe("inducedNorm()", () => {
  it("encloses exact row and column sums", () => {
    const cell = fc.integer({ min: -(2 ** 20), max: 2 ** 20 });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 8 }), (rows) => {
        // Thirds of 2^-22 are not numbers; whole multiples of 2^-22 are, and their sums too.
        const W = matrix(
          rows.length,
          3,
          rows.flat().map((x) => x * 2 ** -22),
        );
        const row = Math.max(...rows.map((r) => r.reduce((sum, x) => sum + Math.abs(x), 0))) * 2 ** -22;
        const column = Math.max(...[0, 1, 2].map((j) => rows.reduce((sum, r) => sum + Math.abs(r[j]), 0))) * 2 ** -22;
        for (const [p, truth] of [
          ["inf", row],
          [1, column],
        ] as const) {
          const { lower, upper } = inducedNorm(W, p);
          expect(upper).toBeGreaterThanOrEqual(truth);
          expect(lower).toBeLessThanOrEqual(truth);
          expect(upper - lower).toBeLessThanOrEqual(1e-14 * truth);
        }
      }),
    );
    expect(inducedNorm(identity(3), 2).upper).toBeGreaterThanOrEqual(1);
    expect(
      inducedNorm(
        fill(1, 3, () => 1e308),
        "inf",
      ).upper,
    ).toBe(Number.POSITIVE_INFINITY);
    expect(() => inducedNorm(matrix(1, 1, [Number.NaN]), 1)).toThrow("inducedNorm: entries must be finite");
  });

  it("rounds sums upwards", () => {
    // 1 + 2^-60 added in floating point is 1.
    const W = matrix(1, 2, [1, 2 ** -60]);
    expect(inducedNorm(W, "inf").upper).toBeGreaterThan(1);
    expect(inducedNorm(transpose(W), 1).upper).toBeGreaterThan(1);
  });
});
