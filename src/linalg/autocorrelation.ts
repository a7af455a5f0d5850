/** @file The Gram matrices of all symbols of a convolution: trigonometric polynomials of known degree, so that a few of them, computed from their symbols, give the others by interpolation. */
import { type Arena, bytesOf } from "./arena.ts";
import { type Hermitian, hermitian, hermitianBytes, type Rows, rowGramOf } from "./hermitian.ts";
import type { Matrix } from "./matrix.ts";
import { type Roots, rootError, rootsOfUnity } from "./roots.ts";
import { gamma, sqrtUp, sumUp, tiny, up } from "./rounding.ts";

/** F(m) = sum over the taps of X_q w^(m . q), X_q of few rows. */
export interface ShiftedTap {
  readonly shift: readonly [number, number];
  readonly X: Matrix;
}

/** Write F F^H of the frequency (row, second) into H. */
export type FillRow = (second: number, H: Hermitian) => void;

export interface SymbolGram {
  /** Rows of the taps, one more of zeros if that is odd. */
  readonly n: number;
  /** Bounds the spectral norm of what a filled matrix may err by. */
  readonly radius: number;
  /** The Gram matrices of the frequencies with this first coordinate. */
  row(first: number): FillRow;
}

/**
 * Set up the Gram matrices of F(m) = sum_q X_q exp(2 pi i (m_1 q_1 / M_1 + m_2 q_2 / M_2)), m on an M_1 x M_2 grid.
 *
 *     F F^H(m) = sum_d C_d w^(m . d),   C_d = (1/L) sum_j G(j) w^(-j . d)   for lags |d_a| < spread of the shifts q_a,
 *
 * G = F F^H on a grid of L = L_1 x L_2 points, L_a = 2 spread_a - 1: as many as there are lags. Where M_1 x M_2 has no more points
 * than that, F F^H is computed point by point.
 *
 * Rounding. Let B = sum_q |X_q|, b = ||B||_F, e = rootError, T taps, X_q of m columns; entries of F, G and sum_d |C_d| are bounded by
 * those of B and B B^T. Frobenius norms of first order: F errs by sqrt(2) (e + gamma_{T+1}) b; G by sqrt(2) gamma_{2m} b^2
 * + 2 b (error of F) =: p; sum_d |error of C_d| by sqrt(2) L (e + gamma_{L+4}) b^2; the last sum, of two products a lag and coordinate
 * with two roots each, by 2 sqrt(2) (2 e + gamma_{L_1+L_2+8}) b^2. What G errs by reaches the result with weights |k_j| where
 * k_j = (1/L) sum_d w^((m - j) . d), sum_j |k_j|^2 = 1, hence sum_j |k_j| <= sqrt(L). Twice the sum of all covers products of errors.
 */
export function symbolGram(taps: readonly ShiftedTap[], grid: readonly [number, number], arena: Arena): SymbolGram {
  const { rows, cols } = taps[0].X;
  const shifts = taps.map(({ shift }) => shift);
  const { n, pitch, spans, lags, L } = layoutOf(shifts, rows, cols);
  const b2 = sizeOf(taps);
  const root2 = sqrtUp(2);
  const symbolError = up(root2 * up(rootError + gamma(taps.length + 1)));
  const pointError = up(up(root2 * gamma(2 * pitch)) + up(2 * symbolError));
  const radiusOf = (relative: number) => up(up(2 * up(relative * b2)) + tiny);
  const symbol = symbolsOf(taps, n, pitch, arena);
  if (grid[0] * grid[1] <= L) {
    const roots = rootsOfUnity(grid[0] * grid[1]);
    const known = new Map<number, Hermitian>();
    const pointAt = (p: number, q: number): Hermitian => {
      const found = known.get(p * grid[1] + q);
      if (found) return found;
      const G = hermitian(arena, n);
      rowGramOf(
        symbol((shift) => turn(roots, grid, [p, q], shift)),
        G,
        arena,
      );
      known.set(p * grid[1] + q, G);
      return G;
    };
    const row = (p: number): FillRow => {
      return (q, H) => {
        const G = pointAt(p, q);
        H.re.set(G.re);
        H.im.set(G.im);
      };
    };
    return { n, radius: radiusOf(pointError), row };
  }
  const lagError = up(up(root2 * L) * up(rootError + gamma(L + 4)));
  const sumError = up(up(2 * root2) * up(2 * rootError + gamma(lags[0] + lags[1] + 8)));
  const C = coefficients(symbol, n, lags, spans, arena);
  const radius = radiusOf(up(up(up(sqrtUp(L) * pointError) + lagError) + sumError));
  return { n, radius, row: interpolation(C, n, lags, [spans[0].unit, spans[1].unit], grid, arena) };
}

/** Bytes of an arena that `symbolGram` takes for taps with these shifts, of `rows` x `cols` numbers. */
export function gramBytes(
  shifts: readonly (readonly [number, number])[],
  [rows, cols]: readonly [number, number],
  grid: readonly [number, number],
): number {
  const { n, pitch, lags, L } = layoutOf(shifts, rows, cols);
  const { matrix } = hermitianBytes(n);
  const symbol = (shifts.length + 2) * bytesOf(n * pitch, 8);
  const points = grid[0] * grid[1];
  return symbol + (points <= L ? points * matrix : (L / 2 + lags[1] + 2) * matrix);
}

// --- internal ---

/** Shifts along one axis are begin + unit * (0 ... spread - 1). */
interface Span {
  readonly begin: number;
  readonly unit: number;
  readonly spread: number;
}

function spanOf(shifts: readonly number[]): Span {
  const begin = Math.min(...shifts);
  const unit = shifts.reduce((g, q) => gcd(q - begin, g), 0) || 1;
  return { begin, unit, spread: (Math.max(...shifts) - begin) / unit + 1 };
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

const modulo = (x: number, n: number): number => ((x % n) + n) % n;

/** Cosine and sine of the angle by which a shift turns a point of a grid. */
function turn(roots: Roots, [M, N]: readonly [number, number], [p, q]: readonly number[], shift: readonly number[]) {
  const at = modulo(((p * shift[0]) % M) * N + ((q * shift[1]) % N) * M, M * N);
  return [roots.cos[at], roots.sin[at]] as const;
}

function layoutOf(shifts: readonly (readonly [number, number])[], rows: number, cols: number) {
  const spans = [0, 1].map((a) => spanOf(shifts.map((shift) => shift[a])));
  const lags = [2 * spans[0].spread - 1, 2 * spans[1].spread - 1] as const;
  return { n: rows + (rows % 2), pitch: cols + (cols % 2), spans, lags, L: lags[0] * lags[1] };
}

/** The cosine and the sine that a tap is turned by. */
type Turn = (shift: readonly [number, number]) => readonly [number, number];

/** Symbols of the taps, each written over the one before. */
function symbolsOf(taps: readonly ShiftedTap[], n: number, pitch: number, arena: Arena) {
  const length = n * pitch;
  const F = { pitch, re: arena.float64(length), im: arena.float64(length) };
  const copies = taps.map(({ X }) => {
    const copy = arena.float64(length);
    for (let i = 0; i < X.rows; i++) copy.set(X.data.subarray(i * X.cols, (i + 1) * X.cols), i * pitch);
    return copy;
  });
  return (turnOf: Turn): Rows<Float64Array> => {
    const turns = taps.map(({ shift }) => turnOf(shift));
    for (const [k, part] of [F.re, F.im].entries()) {
      part.fill(0);
      addAll(
        part,
        copies,
        turns.map((pair) => pair[k]),
        arena,
      );
    }
    return F;
  };
}

/** y += sum of weights times terms, two at a time. */
function addAll(y: Float64Array, terms: readonly Float64Array[], weights: readonly number[], { kernels }: Arena): void {
  for (let k = 0; k < terms.length; k += 2) {
    const [a, b] = [terms[k], terms[Math.min(k + 1, terms.length - 1)]];
    const second = k + 1 < terms.length ? weights[k + 1] : 0;
    kernels.combine(y.byteOffset, a.byteOffset, b.byteOffset, y.byteLength, weights[k], second);
  }
}

/** The lower triangles of all C_d, packed, lag by lag; C_-d is the transpose of C_d, which has the upper triangle. */
function coefficients(
  symbol: (turnOf: Turn) => Rows<Float64Array>,
  n: number,
  lags: readonly [number, number],
  [first, second]: readonly Span[],
  arena: Arena,
): readonly Float64Array[] {
  const [L1, L2] = lags;
  const L = L1 * L2;
  const roots = rootsOfUnity(L);
  const H = hermitian(arena, n);
  const C = Array.from({ length: L }, () => arena.float64((n * (n + 1)) / 2));
  // Both sides are odd: but for the first, points come in pairs of which one has the conjugate of the other.
  const half = Array.from({ length: L }, (_, j) => [Math.floor(j / L2), j % L2] as const).filter(
    ([p, q]) => 2 * p < L1 && (p > 0 || 2 * q < L2),
  );
  for (const [j, point] of half.entries()) {
    const rootOf = (d: readonly number[]) => turn(roots, lags, point, d);
    const inUnits = ([a, b]: readonly number[]) => [(a - first.begin) / first.unit, (b - second.begin) / second.unit];
    rowGramOf(
      symbol((shift) => rootOf(inUnits(shift))),
      H,
      arena,
    );
    const weight = (j === 0 ? 1 : 2) / L;
    // The lags d and -d have the same cosine, and sines of opposite sign; in the middle is lag 0.
    for (let d = 0; 2 * d < L; d++) {
      const [cos, sin] = rootOf(lagOf(d, lags));
      addAll(C[d], [H.re, H.im], [weight * cos, weight * sin], arena);
      if (2 * d + 1 < L) addAll(C[L - 1 - d], [H.re, H.im], [weight * cos, -weight * sin], arena);
    }
  }
  return C;
}

const lagOf = (d: number, [L1, L2]: readonly [number, number]): readonly [number, number] => [
  Math.floor(d / L2) - (L1 - 1) / 2,
  (d % L2) - (L2 - 1) / 2,
];

/** Sum C_d w^(m . d), over the first coordinate of d once for a row of frequencies. What C holds is lost. */
function interpolation(
  C: readonly Float64Array[],
  n: number,
  [L1, L2]: readonly [number, number],
  [unit1, unit2]: readonly [number, number],
  [M1, M2]: readonly [number, number],
  arena: Arena,
): (first: number) => FillRow {
  const [along, across] = [rootsOfUnity(M1), rootsOfUnity(M2)];
  const half = (L2 - 1) / 2;
  // Of second coordinate -half ... half: for d > 0 the sum of those of d and -d, and for d < 0 their difference.
  for (let i = 0; i < L1; i++) {
    for (let d = 1; d <= half; d++) {
      const [plus, minus] = [C[i * L2 + half + d], C[i * L2 + half - d]];
      for (let k = 0; k < plus.length; k++) [plus[k], minus[k]] = [plus[k] + minus[k], plus[k] - minus[k]];
    }
  }
  const sums = Array.from({ length: L2 }, () => hermitian(arena, n));
  return (first) => {
    const turns = Array.from({ length: L1 }, (_, i) => modulo(first * unit1 * (i - (L1 - 1) / 2), M1));
    for (const [j, { re, im }] of sums.entries()) {
      const own = turns.map((_, i) => C[i * L2 + j]);
      re.fill(0);
      im.fill(0);
      addAll(
        re,
        own,
        turns.map((at) => along.cos[at]),
        arena,
      );
      addAll(
        im,
        own,
        turns.map((at) => along.sin[at]),
        arena,
      );
    }
    return (second, H) => {
      const base = sums[half];
      H.re.set(base.re);
      H.im.set(base.im);
      for (let d = 1; d <= half; d++) {
        const at = modulo(second * unit2 * d, M2);
        const [sum, difference] = [sums[half + d], sums[half - d]];
        const [c, s] = [across.cos[at], across.sin[at]];
        // H += cos (a + x) + i sin (a - x).
        addAll(H.re, [sum.re, difference.im], [c, -s], arena);
        addAll(H.im, [sum.im, difference.re], [c, s], arena);
      }
    };
  };
}

/** ||B||_F^2, rounded up. */
function sizeOf(taps: readonly ShiftedTap[]): number {
  const B = new Float64Array(taps[0].X.data.length);
  for (const { X } of taps) for (let k = 0; k < B.length; k++) B[k] += Math.abs(X.data[k]);
  let squares = 0;
  for (const b of B) squares += b * b;
  return up(sumUp(squares, B.length + 2 * taps.length) + tiny);
}
