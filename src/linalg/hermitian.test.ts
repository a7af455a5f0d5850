import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import { symbolGram } from "./autocorrelation.ts";
import { symmetricEigen } from "./eigh.ts";
import { type Hermitian, inverseSteps, powerSteps, provedBelow } from "./hermitian.ts";
import { matrix } from "./matrix.ts";
import { rootsOfUnity } from "./roots.ts";

const square = (n: number): Hermitian => ({ n, re: new Float64Array(n * n), im: new Float64Array(n * n) });

interface Drawing {
  readonly seed: number;
  /** Rows and columns of the taps. */
  readonly sides?: readonly [number, number];
  readonly shifts?: readonly (readonly [number, number])[];
  readonly grid?: readonly [number, number];
  readonly at?: readonly [number, number];
}

/** A symbol of normal taps, and its Gram matrix at one frequency: from `symbolGram`, and by its definition. */
function drawn({
  seed,
  sides: [n, m] = [5, 7],
  shifts = [
    [0, 0],
    [0, 1],
    [1, -1],
    [1, 0],
  ],
  grid: [M1, M2] = [11, 11],
  at: [m1, m2] = [3, 4],
}: Drawing) {
  const r = random(seed);
  const taps = shifts.map((shift) => ({
    shift,
    X: matrix(
      n,
      m,
      Float64Array.from({ length: n * m }, () => r.normal()),
    ),
  }));
  const { cos, sin } = rootsOfUnity(M1 * M2);
  const gram = symbolGram(taps, [M1, M2]);
  const H = square(n);
  gram.row(m1)(m2, H);
  const F = { re: new Float64Array(n * m), im: new Float64Array(n * m) };
  for (const { shift, X } of taps) {
    const turn = (m1 * shift[0] * M2 + m2 * shift[1] * M1) % (M1 * M2);
    const [c, s] = [cos, sin].map((all) => all[(turn + M1 * M2) % (M1 * M2)]);
    X.data.forEach((x, k) => {
      F.re[k] += c * x;
      F.im[k] += s * x;
    });
  }
  const product = (i: number, j: number) => {
    let [re, im] = [0, 0];
    for (let k = 0; k < m; k++) {
      const [a, b] = [i * m + k, j * m + k];
      re += F.re[a] * F.re[b] + F.im[a] * F.im[b];
      im += F.im[a] * F.re[b] - F.re[a] * F.im[b];
    }
    return [re, im] as const;
  };
  const side = 2 * n;
  const real = new Float64Array(side * side);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const [re, im] = product(i, j);
      real[i * side + j] = re;
      real[i * side + j + n] = -im;
      real[(i + n) * side + j] = im;
      real[(i + n) * side + j + n] = re;
    }
  }
  return { gram, H, product, largest: symmetricEigen(matrix(side, side, real)).values[0] };
}

const whole = (min: number, max: number) => fc.integer({ min, max });
const drawing: fc.Arbitrary<Drawing> = fc
  .record({
    seed: fc.nat(),
    sides: fc.tuple(whole(1, 7), whole(1, 9)),
    // Units of 2 and 3 as strides and dilations give, and grids both smaller and larger than the number of lags.
    shifts: fc
      .tuple(
        whole(1, 3),
        whole(1, 3),
        fc.uniqueArray(fc.tuple(whole(-2, 2), whole(-2, 2)), { minLength: 1, selector: String }),
      )
      .map(([a, b, list]) => list.map(([x, y]) => [a * x, b * y] as const)),
    grid: fc.tuple(whole(1, 14), whole(1, 14)),
    at: fc.tuple(fc.nat(), fc.nat()),
  })
  .map((d) => ({ ...d, at: [d.at[0] % d.grid[0], d.at[1] % d.grid[1]] as const }));

describe("symbolGram()", () => {
  it("gives F F^H within its radius, computed or interpolated", () => {
    fc.assert(
      fc.property(drawing, (d) => {
        const { gram, H, product } = drawn(d);
        // Relative to what the norm of sum |X_q| would be squared.
        expect(gram.radius).toBeLessThan(1e-10 * d.shifts!.length ** 2 * H.n * d.sides![1]);
        for (let i = 0; i < H.n; i++) {
          for (let j = 0; j <= i; j++) {
            const [re, im] = product(i, j);
            expect(Math.abs(H.re[i * H.n + j] - re)).toBeLessThan(gram.radius + 1e-13);
            expect(Math.abs(H.im[i * H.n + j] - im)).toBeLessThan(gram.radius + 1e-13);
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("provedBelow()", () => {
  it("proves what is true by a hair, and nothing that is not", () => {
    for (const [n, m] of [
      [1, 3],
      [2, 2],
      [3, 4],
      [4, 4],
      [5, 7],
      [8, 9],
    ] as const) {
      for (const seed of [4, 5, 6, 7]) {
        const { H, gram, largest } = drawn({ seed, sides: [n, m] });
        const sigma = Math.sqrt(largest);
        expect(provedBelow(H, gram.radius, sigma * (1 + 1e-10), square(n))).toBe(true);
        expect(provedBelow(H, gram.radius, sigma * (1 - 1e-10), square(n))).toBe(false);
        expect(provedBelow(H, 0.1 * largest, sigma * (1 + 1e-10), square(n))).toBe(false);
        expect(provedBelow(H, gram.radius, 0, square(n))).toBe(false);
      }
    }
  });
});

describe("powerSteps() and inverseSteps()", () => {
  it("near the largest eigenvalue from below", () => {
    const { H, gram, largest } = drawn({ seed: 8 });
    const vector = Float64Array.from({ length: 10 }, (_, k) => 1 + k / 10);
    const rough = powerSteps(H, vector, 3);
    const factor = square(5);
    expect(provedBelow(H, gram.radius, Math.sqrt(largest) * 1.01, factor)).toBe(true);
    for (const value of [powerSteps(H, Float64Array.from(vector), 300), inverseSteps(H, factor, vector, 6)]) {
      expect(value).toBeLessThanOrEqual(largest * (1 + 1e-12));
      expect(value).toBeGreaterThan(largest * (1 - 1e-6));
      expect(value).toBeGreaterThan(rough);
    }
  });
});
