import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import { symmetricEigen } from "./eigh.ts";
import { gramMatrix, identity, type Matrix, matrix, multiply, transpose } from "./matrix.ts";
import { singularValues } from "./svd.ts";

const normal = (rows: number, cols: number, seed: number): Matrix => {
  const r = random(seed);
  return { rows, cols, data: Float64Array.from({ length: rows * cols }, () => r.normal()) };
};

describe("symmetricEigen()", () => {
  it("diagonalises, with orthonormal vectors, largest value first", () => {
    for (const n of [1, 2, 5, 20]) {
      const B = normal(n, n, n);
      const A = { ...B, data: B.data.map((x, at) => x + transpose(B).data[at]) };
      const { values, vectors } = symmetricEigen(A);
      const AV = multiply(A, vectors).data;
      const VV = multiply(transpose(vectors), vectors).data;
      for (let i = 0; i < n; i++) {
        for (let k = 0; k < n; k++) {
          expect(AV[i * n + k]).toBeCloseTo(values[k] * vectors.data[i * n + k], 10);
          expect(VV[i * n + k]).toBeCloseTo(i === k ? 1 : 0, 12);
        }
      }
      expect([...values]).toEqual([...values].sort((a, b) => b - a));
    }
  });

  it("handles zeros on the diagonal and refuses rectangles", () => {
    expect([...symmetricEigen(matrix(2, 2, [0, 1, 1, 0])).values]).toEqual([
      expect.closeTo(1, 14),
      expect.closeTo(-1, 14),
    ]);
    expect([...symmetricEigen(matrix(2, 2, [0, 0, 0, 0])).values]).toEqual([0, 0]);
    expect(() => symmetricEigen(matrix(1, 2, [1, 2]))).toThrow("symmetricEigen: the matrix must be square, got [1,2]");
  });
});

describe("singularValues()", () => {
  it("are the roots of the eigenvalues of the Gram matrix", () => {
    for (const [rows, cols] of [
      [3, 8],
      [8, 3],
      [6, 6],
      [1, 4],
    ]) {
      const W = normal(rows, cols, rows);
      const roots = symmetricEigen(gramMatrix(W)).values.map((x) => Math.sqrt(Math.max(0, x)));
      singularValues(W).forEach((s, i) => {
        expect(s).toBeCloseTo(roots[i], 10);
      });
    }
  });

  it("keep small values that the Gram matrix loses", () => {
    const values = singularValues(matrix(2, 2, [1, 1, 1, 1 + 1e-10]));
    expect(values[0] * values[1]).toBeCloseTo(1e-10, 16);
    expect([...singularValues(identity(3))]).toEqual([1, 1, 1]);
    expect(singularValues(matrix(1, 2, [3e-200, 4e-200]))[0] / 5e-200).toBeCloseTo(1, 14);
    expect([...singularValues(matrix(2, 2, [0, 0, 0, 0]))]).toEqual([0, 0]);
  });
});
