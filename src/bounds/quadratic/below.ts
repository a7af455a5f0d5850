/** @file Numbers that the matrices of a stack are proved to be below. */
import { withArena } from "../../linalg/arena.ts";
import { hermitian, hermitianBytes, provedBelow, roomFor } from "../../linalg/hermitian.ts";
import { down } from "../../linalg/rounding.ts";
import type { Complex } from "./complex.ts";
import { withFactoring } from "./factor.ts";
import type { Stack } from "./stack.ts";

/** Numbers r, each with x <= r proved of its matrix, a little above what it is thought to be and at most `most`; null where there is none. */
export function provedBelowAll(x: Stack, thought: Float64Array, most = Number.POSITIVE_INFINITY): Float64Array | null {
  const { count, rows: n, re, im } = x;
  const found = new Float64Array(count);
  const search = (f: number, holds: (r: number) => boolean): boolean => {
    for (const slack of slacks) {
      const r = Math.min(most, Math.max(thought[f], 1e-3) * slack);
      if (holds(r)) {
        found[f] = r;
        return true;
      }
      if (r === most) return false;
    }
    return false;
  };
  if (!im) {
    const done = withFactoring(n, false, (factoring) => {
      for (let f = 0; f < count; f++) {
        const own = re.subarray(f * n * n, (f + 1) * n * n);
        const under = (r: number): Complex => {
          // What a division rounds is paid for on the diagonal, as in top.ts.
          const B = own.map((v) => -v / r);
          for (let i = 0; i < n; i++) {
            const y = own[i * (n + 1)] / r;
            B[i * (n + 1)] = 1 - y - y * (4 * n + 8) * Number.EPSILON - 2 * Number.EPSILON;
          }
          return { rows: n, cols: n, re: B, im: null };
        };
        if (!search(f, (r) => factoring.proved(under(r)))) return false;
      }
      return true;
    });
    return done ? found : null;
  }
  const even = n + (n % 2);
  const { matrix, room } = hermitianBytes(even);
  const done = withArena(matrix + room + 1024, (arena) => {
    const H = hermitian(arena, even);
    const own = roomFor(arena, even);
    for (let f = 0; f < count; f++) {
      for (let i = 0, at = 0; i < even; i++) {
        for (let j = 0; j <= i; j++, at++) {
          H.re[at] = i < n ? re[(f * n + i) * n + j] : 0;
          H.im[at] = i < n && i !== j ? im[(f * n + i) * n + j] : 0;
        }
      }
      if (!search(f, (r) => provedBelow(H, 0, Math.sqrt(down(r)), own, "single"))) return false;
    }
    return true;
  });
  return done ? found : null;
}

// --- internal ---

/** Factors above what is thought: power iterations end below an eigenvalue, and 32 bits cost a little. */
const slacks: readonly number[] = [1.02, 1.06, 1.15, 1.35, 2, 4, 64];
