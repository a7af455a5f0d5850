/** @file Complex Hermitian matrices, for the symbols of convolutions: half the work of their real form, and the same proof, because the factor of the real form has the form of a complex matrix itself. */
import { down, gamma, tiny, up } from "./rounding.ts";

/** The lower triangle of a Hermitian matrix, row by row in a full square; the diagonal is real. */
export interface Hermitian {
  readonly n: number;
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/**
 * Prove H + D <= s^2 I for every Hermitian D with ||D|| <= radius; false says only that the proof did not succeed.
 *
 * Write each entry a + ib of a matrix as the block [[a, -b], [b, a]]. The floating Cholesky factor of the real matrix has this form
 * again, if the sums are taken in the order used here: the entry beside the diagonal is a sum of products x y - y x, which vanish in
 * floating point too. What is computed below is therefore a factor of a real matrix of side 2 n, and the proof is that of
 * `provedFactor` with 2 n in place of n. `work` holds the factor.
 */
export function provedBelow(H: Hermitian, radius: number, s: number, work: Hermitian): boolean {
  const { n } = H;
  const square = down(s * s);
  const g = up(gamma(2 * n + 1) / down(1 - gamma(2 * n + 1)));
  const c = up(up(up(g * up(2 * n * up(s * s))) + radius) + tiny);
  const [lr, li] = [work.re, work.im];
  for (let i = 0; i < n; i++) {
    const row = i * n;
    for (let j = 0; j < i; j += 2) eliminatePair(H, lr, li, i, j);
    let pivot = down(down(square - H.re[row + i]) - c);
    for (let k = 0; k < i; k++) pivot -= lr[row + k] * lr[row + k] + li[row + k] * li[row + k];
    // The comparison also refuses NaN, and infinity stands for an overflow.
    if (!(pivot > 0 && pivot < Number.POSITIVE_INFINITY)) return false;
    lr[row + i] = Math.sqrt(pivot);
    li[row + i] = 0;
  }
  return true;
}

/** Power steps on a Hermitian matrix from a vector [re, im] that is overwritten; an estimate of the largest eigenvalue. */
export function powerSteps({ n, re, im }: Hermitian, vector: Float64Array, steps: number): number {
  let value = 0;
  const next = new Float64Array(2 * n);
  for (let step = 0; step < steps; step++) {
    next.fill(0);
    for (let i = 0; i < n; i++) {
      const row = i * n;
      const [xr, xi] = [vector[i], vector[n + i]];
      let yr = re[row + i] * xr;
      let yi = re[row + i] * xi;
      for (let j = 0; j < i; j++) {
        const [a, b] = [re[row + j], im[row + j]];
        yr += a * vector[j] - b * vector[n + j];
        yi += a * vector[n + j] + b * vector[j];
        next[j] += a * xr + b * xi;
        next[n + j] += a * xi - b * xr;
      }
      next[i] += yr;
      next[n + i] += yi;
    }
    let size = 0;
    for (let k = 0; k < 2 * n; k++) size += next[k] * next[k];
    value = Math.sqrt(size);
    if (!(value > 0)) return 0;
    for (let k = 0; k < 2 * n; k++) vector[k] = next[k] / value;
  }
  return value;
}

// --- internal ---

/** Entries j and j + 1 of row i of the factor. */
function eliminatePair(H: Hermitian, lr: Float64Array, li: Float64Array, i: number, j: number): void {
  const { n } = H;
  const row = i * n;
  const first = j * n;
  const both = j + 1 < i;
  const second = both ? first + n : first;
  let sr = -H.re[row + j];
  let si = -H.im[row + j];
  let tr = both ? -H.re[row + j + 1] : 0;
  let ti = both ? -H.im[row + j + 1] : 0;
  for (let k = 0; k < j; k++) {
    const x = lr[row + k];
    const y = li[row + k];
    sr -= x * lr[first + k] + y * li[first + k];
    si -= y * lr[first + k] - x * li[first + k];
    tr -= x * lr[second + k] + y * li[second + k];
    ti -= y * lr[second + k] - x * li[second + k];
  }
  const pivot = lr[first + j];
  const x = sr / pivot;
  const y = si / pivot;
  lr[row + j] = x;
  li[row + j] = y;
  if (!both) return;
  tr -= x * lr[second + j] + y * li[second + j];
  ti -= y * lr[second + j] - x * li[second + j];
  lr[row + j + 1] = tr / lr[second + j + 1];
  li[row + j + 1] = ti / lr[second + j + 1];
}
