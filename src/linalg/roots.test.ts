import { describe, expect, it } from "vitest";
import { compare, exact, minus } from "./exact.ts";
import { rootError, rootsOfUnity } from "./roots.ts";

const bits = 160;
const one = 1n << BigInt(bits);
const pi = (31415926535897932384626433832795028841971693993751n * one) / 10n ** 49n;

/** cos and sin of 2 pi k / L in fixed point, by Taylor series long enough for a whole turn. */
function truth(k: number, L: number): readonly [bigint, bigint] {
  const x = (2n * pi * BigInt(k)) / BigInt(L);
  let [cos, sin, term] = [0n, 0n, one];
  for (let n = 1n; n < 90n; n++) {
    const sign = (n - 1n) % 4n < 2n ? 1n : -1n;
    if (n % 2n === 1n) cos += sign * term;
    else sin += sign * term;
    term = (term * x) / one / n;
  }
  return [cos, sin];
}

describe("rootsOfUnity()", () => {
  it("errs by less than the stated bound, and not by far less", () => {
    let worst = 0n;
    for (const L of [1, 2, 3, 4, 5, 7, 8, 12, 17, 24, 33, 100, 256, 1089]) {
      const { cos, sin } = rootsOfUnity(L);
      for (let k = 0; k < L; k++) {
        truth(k, L).forEach((top, i) => {
          const error = minus(exact(i === 0 ? cos[k] : sin[k]), { top, bits });
          const size = error.top < 0n ? { ...error, top: -error.top } : error;
          expect(compare(size, exact(rootError))).toBe(-1);
          const scaled = (size.top << 100n) >> BigInt(size.bits);
          if (scaled > worst) worst = scaled;
        });
      }
    }
    expect(Number(worst) / 2 ** 100).toBeGreaterThan(rootError / 32);
  });

  it("is exact on the axes", () => {
    const { cos, sin } = rootsOfUnity(4);
    expect([...cos].map((x) => x + 0)).toEqual([1, 0, -1, 0]);
    expect([...sin].map((x) => x + 0)).toEqual([0, 1, 0, -1]);
  });
});
