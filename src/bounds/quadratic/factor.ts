/**
 * @file Hermitian block matrices [[D, P], [P^*, M]] in floating point: the rows P L^-* of a factor of M, and the proof that the whole is positive
 * semidefinite. M stands first, so that both are one Cholesky factorisation.
 */
import { type Arena, withArena } from "../../linalg/arena.ts";
import { cholesky } from "../../linalg/cholesky.ts";
import {
  eliminated,
  type Hermitian,
  hermitian,
  hermitianBytes,
  provedSemidefinite,
  type Room,
  roomFor,
  semidefiniteShift,
} from "../../linalg/hermitian.ts";
import { down, gamma, sumUp, tiny, up } from "../../linalg/rounding.ts";
import { type Complex, zeros } from "./complex.ts";

/** Factors of matrices of one side, real or complex. */
export interface Factoring {
  /** What the proof takes off a diagonal of numbers near 1, roughly. */
  readonly shift: number;
  /** Rows m.. of the Cholesky factor of the lower triangle of B, before column m; null where one of the first m pivots is not positive. */
  rows(B: Complex, m: number): Complex | null;
  /** Is B, by its lower triangle and exactly as it stands, positive semidefinite? Its diagonal must be near 1. False says only that there was no proof. */
  proved(B: Complex): boolean;
}

/** Use factors of matrices of side n. */
export function withFactoring<T>(n: number, complex: boolean, use: (factoring: Factoring) => T): T {
  if (!complex) return use(realFactoring(n));
  const even = n + (n % 2);
  const bytes = hermitianBytes(even);
  return withArena(bytes.matrix + bytes.room + 1024, (arena) => use(complexFactoring(arena, n, even)));
}

// --- internal ---

/** In place of what is not there yet: nothing that is taken off it matters. */
const huge = 2 ** 400;

function realFactoring(n: number): Factoring {
  const shiftOf = (diagonal: (i: number) => number) => {
    let trace = 0;
    for (let i = 0; i < n; i++) trace += Math.max(0, diagonal(i));
    const g = up(gamma(n + 1) / down(1 - gamma(n + 1)));
    return up(up(g * sumUp(trace, n)) + tiny);
  };
  return {
    shift: shiftOf(() => 2),
    rows(B, m) {
      const data = B.re.slice();
      for (let i = m; i < n; i++) {
        data[i * (n + 1)] = huge;
        data.fill(0, i * n + m, i * n + i);
      }
      const L = cholesky({ rows: n, cols: n, data });
      if (!L) return null;
      const F = zeros(n - m, m, false);
      for (let i = m; i < n; i++) F.re.set(L.data.subarray(i * n, i * n + m), (i - m) * m);
      return F;
    },
    // As in `provedFactor`: L L^T = B - c I + E with |E| <= g tr(B) and c no less.
    proved(B) {
      const data = B.re.slice();
      const c = shiftOf((i) => data[i * (n + 1)]);
      for (let i = 0; i < n; i++) data[i * (n + 1)] = down(data[i * (n + 1)] - c);
      return cholesky({ rows: n, cols: n, data }) !== undefined;
    },
  };
}

function complexFactoring(arena: Arena, n: number, even: number): Factoring {
  const H = hermitian(arena, even);
  const room = roomFor(arena, even);
  const own = new Float64Array(even).fill(1);
  return {
    shift: semidefiniteShift(even, new Float64Array(even).fill(2)),
    rows(B, m) {
      place(H, B, own, m);
      if (!eliminated(H, (i) => (i < m ? own[i] : huge), room, "double")) return null;
      return rowsOf(room, n, m);
    },
    proved(B) {
      place(H, B, own, n);
      return provedSemidefinite(H, own, room);
    },
  };
}

/** The lower triangle of B, negated beside the diagonal; of the rows from m on only what is before column m. A side that is odd gets a 1. */
function place({ n: even, re, im }: Hermitian, B: Complex, own: Float64Array, m: number): void {
  const n = B.rows;
  const complex = B.im as Float64Array;
  for (let i = 0, at = 0; i < even; i++) {
    for (let j = 0; j <= i; j++, at++) {
      const there = i < n && (j < m || i === j);
      re[at] = there && i !== j ? -B.re[i * n + j] : 0;
      im[at] = there && i !== j ? -complex[i * n + j] : 0;
    }
    own[i] = i < n ? B.re[i * (n + 1)] : 1;
  }
}

function rowsOf({ double: { pitch, re, im } }: Room, n: number, m: number): Complex {
  const F = zeros(n - m, m, true);
  for (let i = m; i < n; i++) {
    F.re.set(re.subarray(i * pitch, i * pitch + m), (i - m) * m);
    (F.im as Float64Array).set(im.subarray(i * pitch, i * pitch + m), (i - m) * m);
  }
  return F;
}
