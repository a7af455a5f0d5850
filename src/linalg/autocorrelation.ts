/** @file The Gram matrices of all symbols of a convolution: trigonometric polynomials of known degree, so that a few of them, computed from their symbols, give the others by interpolation. */
import { type Hermitian, rowGramOf } from "./hermitian.ts";
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
export function symbolGram(taps: readonly ShiftedTap[], grid: readonly [number, number]): SymbolGram {
  const { rows: n, cols: m } = taps[0].X;
  const [first, second] = [0, 1].map((a) => spanOf(taps.map(({ shift }) => shift[a])));
  const lags = [2 * first.spread - 1, 2 * second.spread - 1] as const;
  const L = lags[0] * lags[1];
  const b2 = sizeOf(taps);
  const root2 = sqrtUp(2);
  const symbolError = up(root2 * up(rootError + gamma(taps.length + 1)));
  const pointError = up(up(root2 * gamma(2 * m)) + up(2 * symbolError));
  const radiusOf = (relative: number) => up(up(2 * up(relative * b2)) + tiny);
  const F = { re: new Float64Array(n * m), im: new Float64Array(n * m) };
  if (grid[0] * grid[1] <= L) {
    const roots = rootsOfUnity(grid[0] * grid[1]);
    const known = new Map<number, Hermitian>();
    const pointAt = (p: number, q: number): Hermitian => {
      const G = known.get(p * grid[1] + q) ?? { n, re: new Float64Array(n * n), im: new Float64Array(n * n) };
      if (known.has(p * grid[1] + q)) return G;
      symbolAt(taps, F, (shift) => turn(roots, grid, [p, q], shift));
      rowGramOf(F, m, G);
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
  const C = coefficients(taps, lags, [first, second], F, m);
  const radius = radiusOf(up(up(up(sqrtUp(L) * pointError) + lagError) + sumError));
  return { n, radius, row: interpolation(C, n, lags, [first.unit, second.unit], grid) };
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

function symbolAt(
  taps: readonly ShiftedTap[],
  { re, im }: { readonly re: Float64Array; readonly im: Float64Array },
  root: (shift: readonly [number, number]) => readonly [number, number],
): void {
  re.fill(0);
  im.fill(0);
  for (const { shift, X } of taps) {
    const [c, s] = root(shift);
    const { data } = X;
    for (let k = 0; k < data.length; k++) {
      re[k] += c * data[k];
      im[k] += s * data[k];
    }
  }
}

/** The lower triangles of all C_d, packed, lag by lag; C_-d is the transpose of C_d, which has the upper triangle. */
function coefficients(
  taps: readonly ShiftedTap[],
  lags: readonly [number, number],
  [first, second]: readonly Span[],
  F: { readonly re: Float64Array; readonly im: Float64Array },
  m: number,
): readonly Float64Array[] {
  const [L1, L2] = lags;
  const L = L1 * L2;
  const n = F.re.length / m;
  const roots = rootsOfUnity(L);
  const H: Hermitian = { n, re: new Float64Array(n * n), im: new Float64Array(n * n) };
  const C = Array.from({ length: L }, () => new Float64Array((n * (n + 1)) / 2));
  // Both sides are odd: but for the first, points come in pairs of which one has the conjugate of the other.
  const half = Array.from({ length: L }, (_, j) => [Math.floor(j / L2), j % L2] as const).filter(
    ([p, q]) => 2 * p < L1 && (p > 0 || 2 * q < L2),
  );
  for (const [j, point] of half.entries()) {
    const rootOf = (d: readonly number[]) => turn(roots, lags, point, d);
    const inUnits = ([a, b]: readonly number[]) => [(a - first.begin) / first.unit, (b - second.begin) / second.unit];
    symbolAt(taps, F, (shift) => rootOf(inUnits(shift)));
    rowGramOf(F, m, H);
    const weight = (j === 0 ? 1 : 2) / L;
    // The lags d and -d have the same cosine, and sines of opposite sign; in the middle is lag 0.
    for (let d = 0; 2 * d < L; d++) {
      const [cos, sin] = rootOf(lagOf(d, lags));
      addPair(H, C[d], 2 * d + 1 < L ? C[L - 1 - d] : null, weight * cos, weight * sin);
    }
  }
  return C;
}

/** c Re H + s Im H to one lag, c Re H - s Im H to its mirror. */
function addPair({ n, re, im }: Hermitian, own: Float64Array, mirror: Float64Array | null, c: number, s: number): void {
  for (let i = 0, at = 0; i < n; i++) {
    for (let k = i * n; k <= i * n + i; k++, at++) {
      const x = c * re[k];
      const y = s * im[k];
      own[at] += x + y;
      if (mirror) mirror[at] += x - y;
    }
  }
}

const lagOf = (d: number, [L1, L2]: readonly [number, number]): readonly [number, number] => [
  Math.floor(d / L2) - (L1 - 1) / 2,
  (d % L2) - (L2 - 1) / 2,
];

/** Sum C_d w^(m . d), over the first coordinate of d once for a row of frequencies. */
function interpolation(
  C: readonly Float64Array[],
  n: number,
  [L1, L2]: readonly [number, number],
  [unit1, unit2]: readonly [number, number],
  [M1, M2]: readonly [number, number],
): (first: number) => FillRow {
  const [along, across] = [rootsOfUnity(M1), rootsOfUnity(M2)];
  const size = C[0].length;
  const half = (L2 - 1) / 2;
  const zeros = () => ({ re: new Float64Array(size), im: new Float64Array(size) });
  // Of second coordinate -half ... half; then for d > 0 the sum of those of d and -d, and for d < 0 their difference.
  const sums = Array.from({ length: L2 }, zeros);
  return (first) => {
    for (const [j, { re, im }] of sums.entries()) {
      re.fill(0);
      im.fill(0);
      for (let i = 0; i < L1; i++) {
        const at = modulo(first * unit1 * (i - (L1 - 1) / 2), M1);
        const [c, s] = [along.cos[at], along.sin[at]];
        const own = C[i * L2 + j];
        for (let k = 0; k < size; k++) {
          re[k] += c * own[k];
          im[k] += s * own[k];
        }
      }
    }
    for (let d = 1; d <= half; d++) {
      const [plus, minus] = [sums[half + d], sums[half - d]];
      for (let k = 0; k < size; k++) {
        const [a, b, x, y] = [plus.re[k], plus.im[k], minus.re[k], minus.im[k]];
        plus.re[k] = a + x;
        plus.im[k] = b + y;
        minus.re[k] = a - x;
        minus.im[k] = b - y;
      }
    }
    return (second, H) => {
      const base = sums[half];
      for (let i = 0, at = 0; i < n; at += i + 1, i++) {
        H.re.set(base.re.subarray(at, at + i + 1), i * n);
        H.im.set(base.im.subarray(at, at + i + 1), i * n);
      }
      for (let d = 1; d <= half; d++) {
        const at = modulo(second * unit2 * d, M2);
        addTurned(H, sums[half + d], sums[half - d], across.cos[at], across.sin[at]);
      }
    };
  };
}

interface Packed {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** H += cos (a + x) + i sin (a - x). */
function addTurned({ n, re, im }: Hermitian, sum: Packed, difference: Packed, c: number, s: number): void {
  const [sr, si, dr, di] = [sum.re, sum.im, difference.re, difference.im];
  for (let i = 0, at = 0; i < n; i++) {
    for (let k = i * n; k <= i * n + i; k++, at++) {
      re[k] += c * sr[at] - s * di[at];
      im[k] += c * si[at] + s * dr[at];
    }
  }
}

/** ||B||_F^2, rounded up. */
function sizeOf(taps: readonly ShiftedTap[]): number {
  const B = new Float64Array(taps[0].X.data.length);
  for (const { X } of taps) for (let k = 0; k < B.length; k++) B[k] += Math.abs(X.data[k]);
  let squares = 0;
  for (const b of B) squares += b * b;
  return up(sumUp(squares, B.length + 2 * taps.length) + tiny);
}
