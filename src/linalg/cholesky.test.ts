import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import { cholesky, choleskySolve, verifiedNorm } from "./cholesky.ts";
import { compare, exact, exactlyBelow, product } from "./exact.ts";
import { gramMatrix, identity, type Matrix, matrix, multiply, transpose } from "./matrix.ts";
import { down, up } from "./rounding.ts";
import { singularValues } from "./svd.ts";

const normal = (rows: number, cols: number, seed: number): Matrix => {
  const r = random(seed);
  return { rows, cols, data: Float64Array.from({ length: rows * cols }, () => r.normal()) };
};

describe("cholesky()", () => {
  it("gives L with L L^T = A, and solves", () => {
    for (let n = 1; n <= 14; n++) {
      const A = gramMatrix(normal(n, n + 5, n));
      const L = cholesky(A);
      if (L === undefined) throw new Error(`no factor at n = ${n}`);
      const back = multiply(L, transpose(L));
      const x = normal(n, 1, 3).data;
      const b = multiply(A, { rows: n, cols: 1, data: x }).data;
      const solved = choleskySolve(L, b);
      for (let i = 0; i < n * n; i++) expect(Math.abs(back.data[i] - A.data[i])).toBeLessThan(1e-12);
      for (let i = 0; i < n; i++) expect(Math.abs(solved[i] - x[i])).toBeLessThan(1e-9);
    }
  });

  it("has none for a matrix that is not positive definite, or not finite", () => {
    expect(cholesky(matrix(2, 2, [1, 2, 2, 1]))).toBeUndefined();
    expect(cholesky(matrix(1, 1, [0]))).toBeUndefined();
    expect(cholesky(matrix(1, 1, [Number.POSITIVE_INFINITY]))).toBeUndefined();
    expect(cholesky(matrix(2, 2, [1, 0, Number.NaN, 1]))).toBeUndefined();
    expect(
      cholesky(
        matrix(
          6,
          6,
          Array.from({ length: 36 }, (_, i) => (i === 35 ? -1 : i % 7 === 0 ? 1 : 0)),
        ),
      ),
    ).toBeUndefined();
    expect(() => cholesky(matrix(1, 2, [1, 2]))).toThrow("cholesky: the matrix must be square, got [1,2]");
  });
});

describe("verifiedNorm()", () => {
  it("proves a number a little above the norm and refuses one a little below", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const [rows, cols] = [1 + (seed % 9), 1 + ((seed * 5) % 13)];
      const W = normal(rows, cols, seed);
      const sigma = singularValues(W)[0];
      expect(verifiedNorm(W, sigma * (1 + 1e-11))).toBe(true);
      expect(verifiedNorm(W, sigma * (1 - 1e-9))).toBe(false);
      expect(verifiedNorm(W, sigma * (1 - 1e-12))).toBe(false);
      expect(verifiedNorm(W, sigma * 0.9)).toBe(false);
    }
  });

  it("works on larger sides", () => {
    for (const [rows, cols] of [
      [60, 90],
      [90, 60],
    ]) {
      const W = normal(rows, cols, 5);
      const sigma = singularValues(W)[0];
      expect(verifiedNorm(W, sigma * (1 + 1e-10))).toBe(true);
      expect(verifiedNorm(W, sigma * (1 - 1e-10))).toBe(false);
    }
  });

  it("never proves a number below the exact norm of a rank-one matrix, one rounding away", () => {
    // sigma^2 = |a|^2 |b|^2 is a whole number, known exactly; floating Cholesky without the shift passes many of these.
    const whole = fc.array(fc.integer({ min: -999, max: 999 }), { minLength: 2, maxLength: 9 });
    const square = (v: readonly number[]) => v.reduce((sum, x) => sum + x * x, 0);
    fc.assert(
      fc.property(whole, whole, (a, b) => {
        const W = matrix(
          a.length,
          b.length,
          a.flatMap((x) => b.map((y) => x * y)),
        );
        const truth = exact(square(a) * square(b));
        let s = Math.sqrt(square(a) * square(b));
        while (s > 0 && compare(product(exact(s), exact(s)), truth) >= 0) s = down(s);
        for (let below = 0; below < 4 && s > 0; below++, s = down(s)) expect(verifiedNorm(W, s)).toBe(false);
        const above = Math.sqrt(square(a) * square(b)) * (1 + 1e-11);
        expect(verifiedNorm(W, above)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it("claims nothing that exact elimination denies, within roundings of the norm", () => {
    // Equal entries in a row of 3000 err in one direction: without the radius in the shift c some of these are claimed wrongly.
    const shapes = [
      [2, 3000, 12],
      [3, 3, 40],
      [6, 6, 40],
      [9, 12, 12],
    ];
    for (const [rows, cols, seeds] of shapes) {
      for (let seed = 1; seed <= seeds; seed++) {
        const r = random(seed);
        const W = { rows, cols, data: Float64Array.from({ length: rows * cols }, () => r.uniform()) };
        if (rows === 2) W.data.fill(W.data[0], 0, cols).fill(W.data[cols], cols);
        const list = Array.from({ length: rows }, (_, i) => [...W.data.subarray(i * cols, (i + 1) * cols)]);
        const sigma = singularValues(W)[0];
        // The least number that is claimed, to the last digit.
        let [low, least] = [sigma * (1 - 1e-9), sigma * (1 + 1e-9)];
        expect(verifiedNorm(W, least)).toBe(true);
        for (let middle = low; ; ) {
          middle = low + (least - low) / 2;
          if (middle === low || middle === least) break;
          if (verifiedNorm(W, middle)) least = middle;
          else low = middle;
        }
        expect(exactlyBelow(list, least)).toBe(true);
        expect(exactlyBelow(list, sigma * (1 - 1e-12))).toBe(false);
      }
    }
  });

  it("knows the ends of the range", () => {
    const tiny = matrix(1, 1, [Number.MIN_VALUE]);
    expect(verifiedNorm(tiny, 0)).toBe(false);
    expect(verifiedNorm(tiny, 1)).toBe(true);
    expect(verifiedNorm(matrix(2, 2, [1e308, 1e308, 1e308, 1e308]), Number.MAX_VALUE)).toBe(false);
    expect(verifiedNorm(matrix(2, 2, [1e308, 1e308, 1e308, 1e308]), Number.POSITIVE_INFINITY)).toBe(true);
    expect(verifiedNorm(matrix(2, 2, [0, 0, 0, 0]), 0)).toBe(true);
    expect(verifiedNorm(identity(3), -1)).toBe(false);
    expect(verifiedNorm(identity(3), up(1 + 1e-13))).toBe(true);
    expect(() => verifiedNorm(identity(3), Number.NaN)).toThrow("verifiedNorm: the bound must be a number, got NaN");
    expect(() => verifiedNorm(matrix(1, 2, [1, Number.NaN]), 3)).toThrow("verifiedNorm: entries must be finite");
  });
});
