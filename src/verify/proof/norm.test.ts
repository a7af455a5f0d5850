import { describe, expect, it } from "vitest";
import { spectralNorm } from "../../linalg/norm.ts";
import { random } from "../../tensor/random.ts";
import { plus, product, transposed } from "../algebra/compose.ts";
import { provedSemidefinite, skyline } from "../algebra/definite.ts";
import { down, up } from "../algebra/rounding.ts";
import { type Sparse, sparse } from "../algebra/sparse.ts";
import { quickNorm } from "../algebra/sparseNorm.ts";
import { runAtOnce } from "../task.ts";
import { provedNorm } from "./norm.ts";

const source = random(3);

function normal(rows: number, cols: number, fill = 1): Sparse {
  return sparse(rows, cols, (_, put) => {
    for (let j = 0; j < cols; j++) if (source.uniform() < fill) put(j, source.normal());
  });
}

function dense({ rows, cols, start, index, value }: Sparse): Float64Array {
  const data = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) for (let k = start[i]; k < start[i + 1]; k++) data[i * cols + index[k]] = value[k];
  return data;
}

const flat = (n: number) => ({ from: [n], to: [n] });

describe("provedNorm()", () => {
  it.each([
    [5, 5, 1],
    [30, 12, 1],
    [12, 40, 0.3],
    [60, 60, 0.1],
  ])("accepts just above the norm and nothing below: %i x %i, %d full", (rows, cols, fill) => {
    const A = normal(rows, cols, fill);
    const { lower, upper } = spectralNorm({ rows, cols, data: dense(A) }, { tolerance: 1e-12 });
    const shapes = { from: [cols], to: [rows] };
    expect(runAtOnce(provedNorm(A, 2, upper * (1 + 1e-11), shapes))).toBe(true);
    expect(runAtOnce(provedNorm(A, 2, lower * (1 - 1e-13), shapes))).toBe(false);
    expect(runAtOnce(provedNorm(A, 2, 0, shapes))).toBe(false);
    expect(runAtOnce(provedNorm(A, 2, Number.NaN, shapes))).toBe(false);
    expect(runAtOnce(provedNorm(A, 2, Number.POSITIVE_INFINITY, shapes))).toBe(false);
  });

  it("orders channels beside one another without a change", () => {
    // A moving average over 4 x 4 places of 2 channels.
    const A = sparse(32, 32, (i, put) => {
      put(i, 1);
      if (i % 4 < 3) put(i + 1, 0.5);
      put((i + 16) % 32, -0.25);
    });
    const { upper } = spectralNorm({ rows: 32, cols: 32, data: dense(A) }, { tolerance: 1e-12 });
    const shape = [1, 2, 4, 4];
    expect(runAtOnce(provedNorm(A, 2, upper * (1 + 1e-10), { from: shape, to: shape }))).toBe(true);
    expect(runAtOnce(provedNorm(A, 2, upper * (1 - 1e-10), { from: shape, to: shape }))).toBe(false);
  });

  it("knows the sums of l1 and l-inf", () => {
    const A = sparse(2, 2, (i, put) => {
      put(0, i === 0 ? 1 : -2);
      put(1, 4);
    });
    for (const [p, exact] of [
      [1, 8],
      ["inf", 6],
    ] as const) {
      expect(runAtOnce(provedNorm(A, p, exact * (1 + 1e-12), flat(2)))).toBe(true);
      expect(runAtOnce(provedNorm(A, p, exact * (1 - 1e-12), flat(2)))).toBe(false);
    }
  });

  it("allows for the rounding of what was multiplied out", () => {
    const [A, B] = [normal(8, 9), normal(9, 7)];
    const AB = product(A, B);
    expect(AB.roundings).toBeGreaterThan(0);
    const { lower, upper } = spectralNorm({ rows: 8, cols: 7, data: dense(AB) }, { tolerance: 1e-12 });
    expect(runAtOnce(provedNorm(AB, 2, lower, { from: [7], to: [8] }))).toBe(false);
    expect(runAtOnce(provedNorm(AB, 2, upper * (1 + 1e-10), { from: [7], to: [8] }))).toBe(true);
  });
});

describe("sparse matrices", () => {
  it("add, multiply and turn", () => {
    const [A, B, C] = [normal(4, 6, 0.5), normal(6, 5, 0.5), normal(4, 5, 0.5)];
    const [a, b, c] = [A, B, C].map(dense);
    const made = dense(plus(product(A, B), C));
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 5; j++) {
        let sum = c[i * 5 + j];
        for (let k = 0; k < 6; k++) sum += a[i * 6 + k] * b[k * 5 + j];
        expect(made[i * 5 + j]).toBeCloseTo(sum, 12);
        expect(dense(transposed(C))[j * 4 + i]).toBe(c[i * 5 + j]);
      }
    }
    expect(quickNorm(A, 2)).toBeGreaterThanOrEqual(spectralNorm({ rows: 4, cols: 6, data: a }).lower);
  });
});

describe("provedSemidefinite()", () => {
  it("tells the sign of the smallest eigenvalue", () => {
    // 2 on the diagonal and -1 beside it: the smallest eigenvalue is 2 - 2 cos(pi / (n + 1)).
    const n = 20;
    const least = 2 - 2 * Math.cos(Math.PI / (n + 1));
    const chain = (shift: number) => {
      const S = skyline(Int32Array.from({ length: n }, (_, i) => Math.max(0, i - 1)));
      for (let i = 0; i < n; i++) {
        S.data[S.offset[i] + i - S.first[i]] = 2 - shift;
        if (i > 0) S.data[S.offset[i]] = -1;
      }
      return S;
    };
    expect(runAtOnce(provedSemidefinite(chain(least - 1e-12), 0))).toBe(true);
    expect(runAtOnce(provedSemidefinite(chain(least + 1e-14), 0))).toBe(false);
    expect(runAtOnce(provedSemidefinite(chain(least - 1e-3), 2e-3))).toBe(false);
  });
});

describe("rounding", () => {
  it("goes one number up and down", () => {
    for (const x of [1, -1, 0.1, -2.5e-300, 5e-324, -5e-324, 0, 1e308]) {
      expect(up(x)).toBeGreaterThan(x);
      expect(down(x)).toBeLessThan(x);
      expect(down(up(x)) === x || x === 0).toBe(true);
    }
    expect(up(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    expect(up(Number.NaN)).toBeNaN();
  });
});
