import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import { withArena } from "./arena.ts";

describe("withArena()", () => {
  it("gives zeros, whatever the user before has left", () => {
    for (let round = 0; round < 2; round++) {
      withArena(1000, (arena) => {
        for (const numbers of [arena.float64(7), arena.float32(9)]) {
          expect(numbers.every((x) => x === 0)).toBe(true);
          numbers.fill(round + 1);
        }
      });
    }
  });

  it("keeps users apart, one inside the other", () => {
    withArena(1000, (outer) => {
      const own = outer.float64(100).fill(3);
      withArena(1000, (inner) => inner.float64(100).fill(5));
      expect(own.every((x) => x === 3)).toBe(true);
    });
  });

  it("refuses what 32 bits cannot address", () => {
    expect(() => withArena(2 ** 32, () => 0)).toThrow(/less than 4 GiB, got 4294967296/);
  });
});

describe("kernels", () => {
  it("combine and multiply as plain loops do", () => {
    const r = random(5);
    for (const n of [2, 4, 6, 18]) {
      withArena(2 ** 16, ({ float64, kernels }) => {
        const drawn = (length: number) => {
          const numbers = float64(length);
          for (let k = 0; k < length; k++) numbers[k] = r.normal();
          return numbers;
        };
        const length = (n * (n + 1)) / 2;
        const [re, im, x, y] = [drawn(length), drawn(length), drawn(2 * n), drawn(2 * n)];
        const full = (i: number, j: number): readonly [number, number] => {
          if (i < j) return [full(j, i)[0], -full(j, i)[1]];
          const at = (i * (i + 1)) / 2 + j;
          return [re[at], i === j ? 0 : im[at]];
        };
        for (let i = 0; i < n; i++) im[(i * (i + 3)) / 2] = 0;
        const expected = Array.from(y);
        for (let i = 0; i < n; i++) {
          for (let j = 0; j < n; j++) {
            const [a, b] = full(i, j);
            expected[i] += a * x[j] - b * x[n + j];
            expected[n + i] += a * x[n + j] + b * x[j];
          }
        }
        kernels.multiply(re.byteOffset, im.byteOffset - re.byteOffset, n, x.byteOffset, y.byteOffset);
        for (const [k, value] of expected.entries()) expect(y[k]).toBeCloseTo(value, 12);
        const sum = Array.from(y, (v, k) => v + (0.3 * x[k] - 7 * x[k]));
        kernels.combine(y.byteOffset, x.byteOffset, x.byteOffset, y.byteLength, 0.3, -7);
        expect(Array.from(y)).toEqual(sum);
      });
    }
  });
});
