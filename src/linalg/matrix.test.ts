import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import {
  checkFinite,
  frobeniusNorm,
  gramMatrix,
  identity,
  type Matrix,
  matrix,
  multiply,
  transpose,
} from "./matrix.ts";

const normal = (rows: number, cols: number, seed = 1): Matrix => {
  const r = random(seed);
  return matrix(
    rows,
    cols,
    Array.from({ length: rows * cols }, () => r.normal()),
  );
};

const naive = (A: Matrix, B: Matrix): number[] =>
  Array.from({ length: A.rows * B.cols }, (_, at) => {
    let sum = 0;
    for (let k = 0; k < A.cols; k++) {
      sum += A.data[Math.floor(at / B.cols) * A.cols + k] * B.data[k * B.cols + (at % B.cols)];
    }
    return sum;
  });

const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.max(...Array.from({ length: a.length }, (_, i) => Math.abs(a[i] - b[i])));

describe("multiply()", () => {
  it("agrees with the definition at all sides around the tile and the strip", () => {
    for (const rows of [1, 2, 3, 5, 8]) {
      for (const cols of [1, 3, 4, 6, 9]) {
        for (const inner of [1, 7, 511, 512, 513, 1030]) {
          const [A, B] = [normal(rows, inner), normal(inner, cols, 2)];
          expect(distance(multiply(A, B).data, naive(A, B))).toBeLessThan(1e-11);
        }
      }
    }
  });

  it("refuses sides that do not fit", () => {
    expect(() => multiply(normal(2, 3), normal(2, 3))).toThrow("multiply: inner sides must match, got [2,3] and [2,3]");
  });
});

describe("gramMatrix()", () => {
  it("is the smaller of W W^T and W^T W, exactly symmetric", () => {
    for (const [rows, cols] of [
      [1, 9],
      [9, 1],
      [5, 7],
      [7, 5],
      [6, 6],
      [13, 600],
      [600, 13],
    ]) {
      const W = normal(rows, cols);
      const G = gramMatrix(W);
      const expected = rows <= cols ? naive(W, transpose(W)) : naive(transpose(W), W);
      expect(G.rows).toBe(Math.min(rows, cols));
      expect(distance(G.data, expected)).toBeLessThan(1e-11);
      expect(transpose(G).data).toEqual(G.data);
    }
  });
});

describe("frobeniusNorm()", () => {
  it("survives numbers whose squares do not", () => {
    expect(frobeniusNorm(matrix(1, 2, [3e-200, 4e-200])) / 5e-200).toBeCloseTo(1, 14);
    expect(frobeniusNorm(matrix(2, 1, [3e200, 4e200])) / 5e200).toBeCloseTo(1, 14);
    expect(frobeniusNorm(identity(4))).toBe(2);
    expect(frobeniusNorm(matrix(1, 2, [0, 0]))).toBe(0);
  });
});

describe("matrix()", () => {
  it("checks sides and numbers", () => {
    expect(() => matrix(2, 2, [1, 2, 3])).toThrow("matrix: sides must be positive and fit the data, got [2,2] and 3");
    expect(() => matrix(0, 2, [])).toThrow("matrix:");
    expect(() => checkFinite("me", Float64Array.of(1, Number.NaN))).toThrow(
      "me: entries must be finite, got NaN at position 1",
    );
  });
});
