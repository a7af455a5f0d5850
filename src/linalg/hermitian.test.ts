import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import { type Arena, withArena } from "./arena.ts";
import { symbolGram } from "./autocorrelation.ts";
import { symmetricEigen } from "./eigh.ts";
import { hermitian, inverseSteps, powerSteps, provedBelow, roomFor } from "./hermitian.ts";
import { matrix } from "./matrix.ts";
import { rootsOfUnity } from "./roots.ts";

/** Far more than any of these matrices takes; what is left in the memory by one is there for the next. */
const inArena = <T>(use: (arena: Arena) => T): T => withArena(2 ** 23, use);

interface Drawing {
  readonly seed: number;
  /** Whether the largest eigenvalue is asked for; default true. */
  readonly eigen?: boolean;
  /** Rows and columns of the taps. */
  readonly sides?: readonly [number, number];
  readonly shifts?: readonly (readonly [number, number])[];
  readonly grid?: readonly [number, number];
  readonly at?: readonly [number, number];
}

/** A symbol of normal taps, and its Gram matrix at one frequency: from `symbolGram`, and by its definition. */
function drawn(
  arena: Arena,
  {
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
    eigen = true,
  }: Drawing,
) {
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
  const gram = symbolGram(taps, [M1, M2], arena);
  const H = hermitian(arena, gram.n);
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
  return { gram, H, product, largest: eigen ? symmetricEigen(matrix(side, side, real)).values[0] : Number.NaN };
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
        inArena((arena) => {
          const { gram, H, product } = drawn(arena, d);
          const [n, m] = d.sides!;
          // Relative to what the norm of sum |X_q| would be squared.
          expect(gram.radius).toBeLessThan(1e-10 * d.shifts!.length ** 2 * H.n * m);
          for (let i = 0, at = 0; i < H.n; i++) {
            for (let j = 0; j <= i; j++, at++) {
              const [re, im] = i < n ? product(i, j) : [0, 0];
              expect(Math.abs(H.re[at] - re)).toBeLessThan(gram.radius + 1e-13);
              expect(Math.abs(H.im[at] - im)).toBeLessThan(gram.radius + 1e-13);
            }
          }
        });
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
        inArena((arena) => {
          const { H, gram, largest } = drawn(arena, { seed, sides: [n, m] });
          const sigma = Math.sqrt(largest);
          const room = roomFor(arena, H.n);
          for (const [precision, hair] of [
            ["double", 1e-10],
            ["single", 1e-4],
          ] as const) {
            const below = (radius: number, s: number) => provedBelow(H, radius, s, room, precision);
            expect(below(gram.radius, sigma * (1 + hair))).toBe(true);
            expect(below(gram.radius, sigma * (1 - 1e-10))).toBe(false);
            expect(below(0.1 * largest, sigma * (1 + hair))).toBe(false);
            expect(below(gram.radius, 0)).toBe(false);
          }
        });
      }
    }
  });

  it("counts in what numbers of 32 bits may be off by, and not much more", () => {
    inArena((arena) => {
      const { H, gram, largest } = drawn(arena, { seed: 1, sides: [60, 64] });
      const room = roomFor(arena, H.n);
      const proved = (gap: number) => provedBelow(H, gram.radius, Math.sqrt(largest) * (1 + gap), room, "single");
      expect(proved(1e-6)).toBe(false);
      expect(proved(2e-4)).toBe(true);
    });
  });
});

describe("the factor", () => {
  it.each([
    ["double", 1e-14],
    ["single", 1e-6],
  ] as const)("times its adjoint is the matrix, in %s precision", (precision, error) => {
    // Sides that end within a vector, a block of vectors, and past one.
    for (const n of [1, 2, 3, 6, 9, 31, 40, 70]) {
      inArena((arena) => {
        const { H, gram } = drawn(arena, { seed: n, sides: [n, n + 3], eigen: false });
        const room = roomFor(arena, H.n);
        let square = 0;
        for (let i = 0; i < H.n; i++) square += 2 * H.re[(i * (i + 3)) / 2];
        expect(provedBelow(H, gram.radius, Math.sqrt(square), room, precision)).toBe(true);
        const { pitch, re, im } = room[precision];
        for (let i = 0, at = 0; i < H.n; i++) {
          for (let j = 0; j <= i; j++, at++) {
            let [x, y] = [i === j ? H.re[at] - square : H.re[at], i === j ? 0 : H.im[at]];
            for (let k = 0; k <= j; k++) {
              const [a, b] = [i * pitch + k, j * pitch + k];
              x += re[a] * re[b] + im[a] * im[b];
              y += im[a] * re[b] - re[a] * im[b];
            }
            // On the diagonal the proof has taken its own error off.
            expect(Math.abs(x)).toBeLessThan(error * square * (i === j ? 50 * H.n : 1));
            expect(Math.abs(y)).toBeLessThan(error * square);
          }
        }
      });
    }
  });
});

describe("powerSteps() and inverseSteps()", () => {
  it("near the largest eigenvalue from below", () => {
    inArena((arena) => {
      // A side of 5 is one of 6 here, with a row of zeros.
      for (const sides of [
        [5, 7],
        [6, 9],
      ] as const) {
        const { H, gram, largest } = drawn(arena, { seed: 8, sides });
        const vector = Float64Array.from({ length: 2 * H.n }, (_, k) => 1 + k / 10);
        const room = roomFor(arena, H.n);
        const rough = powerSteps(H, room, vector, 3);
        expect(provedBelow(H, gram.radius, Math.sqrt(largest) * 1.01, room, "double")).toBe(true);
        const turned = Float64Array.from(vector);
        for (const value of [powerSteps(H, room, turned, 300), inverseSteps(H, room, vector, 6)]) {
          expect(value).toBeLessThanOrEqual(largest * (1 + 1e-12));
          expect(value).toBeGreaterThan(largest * (1 - 1e-6));
          expect(value).toBeGreaterThan(rough);
        }
      }
    });
  });
});
