/** @file The Gram matrices of all symbols of a convolution at once: their entries are trigonometric polynomials, whose coefficients are products of taps and need to be found only once. */
import type { Hermitian } from "./hermitian.ts";
import { gramMatrix, type Matrix, multiply, transpose } from "./matrix.ts";
import { rootError } from "./roots.ts";
import { gamma, sqrtUp, sumUp, tiny, up } from "./rounding.ts";

/** F(m) = sum over the taps of X_q w^(m . q), X_q of few rows. */
export interface ShiftedTap {
  readonly shift: readonly [number, number];
  readonly X: Matrix;
}

export interface SymbolGram {
  readonly n: number;
  /** Bounds the spectral norm of what `fill` may err by. */
  readonly radius: number;
  /** How many multiplications `fill` makes per entry. */
  readonly terms: number;
  /** Write F(m) F(m)^H; `root` gives cosine and sine of the angle m . d. */
  fill(H: Hermitian, root: (shift: readonly [number, number]) => readonly [number, number]): void;
}

/**
 * Set up the Gram matrices of F(m) = sum_q X_q w^(m . q).
 *
 *     F F^H = C_0 + sum over d > 0 of  cos(m . d) (C_d + C_d^T) + i sin(m . d) (C_d - C_d^T),   C_d = sum over q - q' = d of X_q X_q'^T
 *
 * Every coordinate of an entry errs by at most (e + gamma_k (1 + e)) W, e = rootError, k all additions on the way,
 * W = B B^T and B = sum_q |X_q|; thus the error has a norm of at most sqrt(2) (e + gamma_k (1 + e)) ||B||_F^2.
 */
export function symbolGram(taps: readonly ShiftedTap[]): SymbolGram {
  const n = taps[0].X.rows;
  const m = taps[0].X.cols;
  const still = new Float64Array(n * n);
  const moving = new Map<string, { readonly shift: readonly [number, number]; readonly data: Float64Array }>();
  for (const [i, a] of taps.entries()) {
    addTo(still, n <= m ? gramMatrix(a.X).data : multiply(a.X, transpose(a.X)).data);
    for (const b of taps.slice(0, i)) {
      const shift = [a.shift[0] - b.shift[0], a.shift[1] - b.shift[1]] as const;
      const forward = shift[0] > 0 || (shift[0] === 0 && shift[1] > 0);
      const [p, q, d] = forward ? [a, b, shift] : [b, a, [-shift[0], -shift[1]] as const];
      const own = moving.get(d.join()) ?? { shift: d, data: new Float64Array(n * n) };
      moving.set(d.join(), own);
      addTo(own.data, multiply(p.X, transpose(q.X)).data);
    }
  }
  const parts = Array.from(moving.values(), ({ shift, data }) => ({ shift, ...halves(data, n) }));
  const terms = m + taps.length ** 2 + 2 * parts.length + 8;
  const relative = up(rootError + up(gamma(terms) * up(1 + rootError)));
  const radius = up(up(up(sqrtUp(2) * relative) * sizeOf(taps)) + tiny);
  return {
    n,
    radius,
    terms: parts.length,
    fill({ re, im }, root) {
      re.set(still);
      im.fill(0);
      // Two coefficients in one pass over the matrix.
      for (let p = 0; p < parts.length; p += 2) {
        const one = parts[p];
        const two = parts[Math.min(p + 1, parts.length - 1)];
        const [c, s] = root(one.shift);
        const [d, t] = p + 1 < parts.length ? root(two.shift) : [0, 0];
        const { sum: sums, difference: differences } = one;
        const { sum: moreSums, difference: moreDifferences } = two;
        for (let i = 0, at = 0; i < n; i++) {
          for (let k = i * n; k <= i * n + i; k++, at++) {
            re[k] += c * sums[at] + d * moreSums[at];
            im[k] += s * differences[at] + t * moreDifferences[at];
          }
        }
      }
    },
  };
}

// --- internal ---

function addTo(total: Float64Array, data: Float64Array): void {
  for (let k = 0; k < total.length; k++) total[k] += data[k];
}

/** C + C^T and C - C^T, their lower triangles packed. */
function halves(C: Float64Array, n: number): { readonly sum: Float64Array; readonly difference: Float64Array } {
  const sum = new Float64Array((n * (n + 1)) / 2);
  const difference = new Float64Array(sum.length);
  for (let i = 0, at = 0; i < n; i++) {
    for (let j = 0; j <= i; j++, at++) {
      sum[at] = C[i * n + j] + C[j * n + i];
      difference[at] = C[i * n + j] - C[j * n + i];
    }
  }
  return { sum, difference };
}

/** ||B||_F^2, rounded up. */
function sizeOf(taps: readonly ShiftedTap[]): number {
  const B = new Float64Array(taps[0].X.data.length);
  for (const { X } of taps) for (let k = 0; k < B.length; k++) B[k] += Math.abs(X.data[k]);
  let squares = 0;
  for (const b of B) squares += b * b;
  return up(sumUp(squares, B.length + 2 * taps.length) + tiny);
}
