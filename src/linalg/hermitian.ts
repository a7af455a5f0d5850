/** @file Complex Hermitian matrices, for the symbols of convolutions: half the work of their real form, and the same proof, because the factor of the real form has the form of a complex matrix itself. */
import { type Arena, bytesOf } from "./arena.ts";
import { down, gamma, sumUp, tiny, up } from "./rounding.ts";

/** The lower triangle of a Hermitian matrix of even side n, row by row, in an arena; the diagonal is real. */
export interface Hermitian {
  readonly n: number;
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** Full rows of complex numbers in an arena, `pitch` apart. */
export interface Rows<T extends Float32Array | Float64Array> {
  readonly pitch: number;
  readonly re: T;
  readonly im: T;
}

/** Room for the factors of Hermitian matrices of side n. */
export interface Room {
  readonly arena: Arena;
  readonly double: Rows<Float64Array>;
  readonly single: Rows<Float32Array>;
  readonly sums: Float64Array;
  readonly vectors: readonly [Float64Array, Float64Array];
}

export type Precision = "single" | "double";

/** A matrix of zeros. */
export function hermitian(arena: Arena, n: number): Hermitian {
  const length = (n * (n + 1)) / 2;
  return { n, re: arena.float64(length), im: arena.float64(length) };
}

/** Room for the factors of matrices of even side n. */
export function roomFor(arena: Arena, n: number): Room {
  const wide = 4 * Math.ceil(n / 4);
  return {
    arena,
    double: { pitch: n, re: arena.float64(n * n), im: arena.float64(n * n) },
    single: { pitch: wide, re: arena.float32(n * wide), im: arena.float32(n * wide) },
    sums: arena.float64(8),
    vectors: [arena.float64(2 * n), arena.float64(2 * n)],
  };
}

/** Bytes of an arena that a matrix takes, and that its room takes. */
export function hermitianBytes(n: number): { readonly matrix: number; readonly room: number } {
  const wide = 4 * Math.ceil(n / 4);
  return {
    matrix: 2 * bytesOf((n * (n + 1)) / 2, 8),
    room: 2 * bytesOf(n * n, 8) + 2 * bytesOf(n * wide, 4) + bytesOf(8, 8) + 2 * bytesOf(2 * n, 8),
  };
}

/**
 * Prove H + D <= s^2 I for every Hermitian D with ||D|| <= radius; false says only that the proof did not succeed.
 *
 * Write each entry a + ib of a matrix as the block [[a, -b], [b, a]]. The floating Cholesky factor of the real matrix has this form
 * again, if the sums are taken in the order used here: the entry beside the diagonal is a sum of products x y - y x, which vanish in
 * floating point too. What is computed below is therefore a factor of a real matrix of side 2 n, and the proof is that of
 * `provedFactor` with 2 n in place of n, and the trace itself in place of its bound.
 *
 * With "single" the factor is one of 32 bits, u = 2^-24, in half of the time. A product is rounded at most `blockVectors` + 2 times
 * before its block goes over to 64 bits, an entry once more when it is stored and one on the diagonal twice as often in its square:
 * e = gamma_{blockVectors + 4}, where one u more covers all that is rounded in 64 bits, is in the place of gamma_{2 n + 1}. Underflow
 * is of 2^-150 in each of at most 4 n steps and of s 2^-149 in a quotient; `tinySingle` covers it for n and s up to 2^20.
 */
export function provedBelow(H: Hermitian, radius: number, s: number, room: Room, precision: Precision): boolean {
  const { n } = H;
  const single = precision === "single";
  if (single && !(n <= largestSingle && s <= largestSingle)) return false;
  const square = down(s * s);
  let trace = 0;
  for (let i = 0; i < n; i++) {
    const entry = up(s * s) - H.re[diagonal(i)];
    if (!(entry > 0)) return false;
    trace += entry;
  }
  const { blockVectors } = room.arena.kernels;
  const e = single ? up(((blockVectors.value + 4) * unitSingle) / (1 - 64 * unitSingle)) : gamma(2 * n + 8);
  const g = up(e / down(1 - e));
  const c = up(up(up(g * up(2 * sumUp(trace, 2 * n))) + radius) + (single ? tinySingle : tiny));
  return eliminated(H, (i) => down(down(square - H.re[diagonal(i)]) - c), room, precision);
}

/**
 * Prove that a Hermitian matrix of side n, exactly as it stands, is positive semidefinite; its diagonal is between 0 and 2 or so. `negated` is
 * given -B beside the diagonal, whatever is on its own, and `own` the diagonal of B. The proof is that of `provedBelow` in 64 bits.
 */
export function provedSemidefinite(negated: Hermitian, own: Float64Array, room: Room): boolean {
  const { n } = negated;
  const c = semidefiniteShift(n, own);
  return eliminated(negated, (i) => down(own[i] - c), room, "double");
}

/** What `provedSemidefinite` takes off the diagonal: more than all rounding of the factorisation of a complex matrix of side n. */
export function semidefiniteShift(n: number, own: Float64Array): number {
  let trace = 0;
  for (const b of own) trace += Math.max(0, b);
  const e = gamma(2 * n + 8);
  const g = up(e / down(1 - e));
  return up(up(g * up(2 * sumUp(trace, 2 * n))) + tiny);
}

/** The floating Cholesky factor of the matrix with -H beside the diagonal and these pivots on it, row by row into the room; false where a pivot is not positive. */
export function eliminated(H: Hermitian, pivot: (i: number) => number, room: Room, precision: Precision): boolean {
  const { n } = H;
  const single = precision === "single";
  const { eliminate32, eliminate64 } = room.arena.kernels;
  const { pitch, re, im } = single ? room.single : room.double;
  const { sums } = room;
  const eliminate = single ? eliminate32 : eliminate64;
  const gap = im.byteOffset - re.byteOffset;
  const gapOfH = H.im.byteOffset - H.re.byteOffset;
  for (let i = 0; i < n; i += 2) {
    const row = (i * (i + 1)) / 2;
    const bytes = pitch * re.BYTES_PER_ELEMENT;
    eliminate(re.byteOffset, bytes, gap, i, H.re.byteOffset + 8 * row, gapOfH, sums.byteOffset);
    const own = i * (pitch + 1);
    // The comparison also refuses NaN, and infinity stands for an overflow.
    const first = pivot(i) - sums[0];
    if (!(first > 0 && first < Number.POSITIVE_INFINITY)) return false;
    re[own] = Math.sqrt(first);
    im[own] = 0;
    const beside = diagonal(i + 1) - 1;
    re[own + pitch] = (-H.re[beside] - sums[4]) / re[own];
    im[own + pitch] = (-H.im[beside] - sums[5]) / re[own];
    const [x, y] = [re[own + pitch], im[own + pitch]];
    const second = pivot(i + 1) - sums[6] - (x * x + y * y);
    if (!(second > 0 && second < Number.POSITIVE_INFINITY)) return false;
    re[own + pitch + 1] = Math.sqrt(second);
    im[own + pitch + 1] = 0;
  }
  return true;
}

/** Steps of inverse iteration with the factor that `provedBelow` left in 64 bits, from a vector [re, im] that is overwritten; gives the Rayleigh quotient of H. */
export function inverseSteps(H: Hermitian, room: Room, vector: Float64Array, steps: number): number {
  const { n } = H;
  const { re, im } = room.double;
  for (let step = 0; step < steps; step++) {
    for (let i = 0; i < n; i++) {
      let x = vector[i];
      let y = vector[n + i];
      for (let k = 0; k < i; k++) {
        const [a, b] = [re[i * n + k], im[i * n + k]];
        x -= a * vector[k] - b * vector[n + k];
        y -= a * vector[n + k] + b * vector[k];
      }
      vector[i] = x / re[i * (n + 1)];
      vector[n + i] = y / re[i * (n + 1)];
    }
    for (let i = n - 1; i >= 0; i--) {
      vector[i] /= re[i * (n + 1)];
      vector[n + i] /= re[i * (n + 1)];
      const [x, y] = [vector[i], vector[n + i]];
      for (let k = 0; k < i; k++) {
        const [a, b] = [re[i * n + k], im[i * n + k]];
        vector[k] -= a * x + b * y;
        vector[n + k] -= a * y - b * x;
      }
    }
    let size = 0;
    for (const x of vector) size += x * x;
    size = Math.sqrt(size);
    for (let k = 0; k < 2 * n; k++) vector[k] /= size;
  }
  return powerSteps(H, room, vector, 1);
}

/** Power steps on a Hermitian matrix from a vector [re, im] that is overwritten; an estimate of the largest eigenvalue. */
export function powerSteps(H: Hermitian, room: Room, vector: Float64Array, steps: number): number {
  const { n, re, im } = H;
  const [from, to] = room.vectors;
  from.set(vector);
  let value = 0;
  for (let step = 0; step < steps; step++) {
    to.fill(0);
    room.arena.kernels.multiply(re.byteOffset, im.byteOffset - re.byteOffset, n, from.byteOffset, to.byteOffset);
    let size = 0;
    for (let k = 0; k < 2 * n; k++) size += to[k] * to[k];
    value = Math.sqrt(size);
    if (!(value > 0)) return 0;
    for (let k = 0; k < 2 * n; k++) from[k] = to[k] / value;
  }
  vector.set(from);
  return value;
}

/** H = F F^H of a complex matrix in an arena, rows of an even pitch; each coordinate of an entry is one sum of 2 pitch products. */
export function rowGramOf({ pitch, re, im }: Rows<Float64Array>, H: Hermitian, { kernels }: Arena): void {
  const gap = im.byteOffset - re.byteOffset;
  const gapOfH = H.im.byteOffset - H.re.byteOffset;
  for (let i = 0; i < H.n; i += 2) {
    const row = H.re.byteOffset + 4 * i * (i + 1);
    kernels.gram(re.byteOffset, 8 * pitch, gap, 8 * pitch, i, row, gapOfH);
  }
}

// --- internal ---

/** Unit roundoff of 32 bits, and more than the underflow of a factorisation in them. */
const unitSingle = 2 ** -24;
const tinySingle = 2 ** -100;
const largestSingle = 2 ** 20;

/** Where the diagonal entry of row i is. */
const diagonal = (i: number): number => (i * (i + 3)) / 2;
