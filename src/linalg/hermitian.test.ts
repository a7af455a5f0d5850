import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import { symbolGram } from "./autocorrelation.ts";
import { symmetricEigen } from "./eigh.ts";
import { type Hermitian, powerSteps, provedBelow } from "./hermitian.ts";
import { matrix } from "./matrix.ts";
import { rootsOfUnity } from "./roots.ts";

const square = (n: number): Hermitian => ({ n, re: new Float64Array(n * n), im: new Float64Array(n * n) });

/** Four taps of a symbol of 5 rows and 7 columns, with their Gram matrix at the angle of 3 of 11 and 4 of 11. */
function drawn(seed: number) {
  const r = random(seed);
  const taps = (
    [
      [0, 0],
      [0, 1],
      [1, -1],
      [1, 0],
    ] as const
  ).map((shift) => ({
    shift,
    X: matrix(
      5,
      7,
      Float64Array.from({ length: 35 }, () => r.normal()),
    ),
  }));
  const { cos, sin } = rootsOfUnity(11);
  const root = ([a, b]: readonly [number, number]) => {
    const turn = (((3 * a + 4 * b) % 11) + 11) % 11;
    return [cos[turn], sin[turn]] as const;
  };
  const gram = symbolGram(taps);
  const H = square(5);
  gram.fill(H, root);
  // The symbol itself, and its largest singular value by the real form.
  const F = { re: new Float64Array(35), im: new Float64Array(35) };
  for (const { shift, X } of taps) {
    const [c, s] = root(shift);
    X.data.forEach((x, k) => {
      F.re[k] += c * x;
      F.im[k] += s * x;
    });
  }
  const product = (i: number, j: number) => {
    let [re, im] = [0, 0];
    for (let k = 0; k < 7; k++) {
      const [a, b] = [i * 7 + k, j * 7 + k];
      re += F.re[a] * F.re[b] + F.im[a] * F.im[b];
      im += F.im[a] * F.re[b] - F.re[a] * F.im[b];
    }
    return [re, im] as const;
  };
  const real = new Float64Array(100);
  for (let i = 0; i < 5; i++) {
    for (let j = 0; j < 5; j++) {
      const [re, im] = product(i, j);
      real.set([re], i * 10 + j);
      real.set([-im], i * 10 + j + 5);
      real.set([im], (i + 5) * 10 + j);
      real.set([re], (i + 5) * 10 + j + 5);
    }
  }
  return { gram, H, product, largest: symmetricEigen(matrix(10, 10, real)).values[0] };
}

describe("symbolGram()", () => {
  it("gives F F^H within its radius", () => {
    for (const seed of [1, 2, 3]) {
      const { gram, H, product } = drawn(seed);
      expect(gram.radius).toBeLessThan(1e-10);
      for (let i = 0; i < 5; i++) {
        for (let j = 0; j <= i; j++) {
          const [re, im] = product(i, j);
          expect(Math.hypot(H.re[i * 5 + j] - re, H.im[i * 5 + j] - im)).toBeLessThan(gram.radius + 1e-12);
        }
      }
    }
  });
});

describe("provedBelow()", () => {
  it("proves what is true by a hair, and nothing that is not", () => {
    for (const seed of [4, 5, 6, 7]) {
      const { H, gram, largest } = drawn(seed);
      const sigma = Math.sqrt(largest);
      expect(provedBelow(H, gram.radius, sigma * (1 + 1e-10), square(5))).toBe(true);
      expect(provedBelow(H, gram.radius, sigma * (1 - 1e-10), square(5))).toBe(false);
      expect(provedBelow(H, 0.1 * largest, sigma * (1 + 1e-10), square(5))).toBe(false);
      expect(provedBelow(H, gram.radius, 0, square(5))).toBe(false);
    }
  });
});

describe("powerSteps()", () => {
  it("nears the largest eigenvalue from below", () => {
    const { H, largest } = drawn(8);
    const vector = Float64Array.from({ length: 10 }, (_, k) => 1 + k / 10);
    const value = powerSteps(H, vector, 300);
    expect(value).toBeLessThanOrEqual(largest * (1 + 1e-12));
    expect(value).toBeGreaterThan(largest * (1 - 1e-6));
  });
});
