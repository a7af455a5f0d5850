/** @file The proof that a matrix stretches no vector by more than s: sums of absolute values for l1 and l-inf, one factorisation of s^2 I - A A^T for l2. */
import { provedSemidefinite, type Skyline, skyline } from "./definite.ts";
import { addUp, down, gamma, timesUp, up } from "./rounding.ts";
import { absoluteNorm, longestRow, pickRows, quickNorm, roundingNorm, type Sparse, transposed } from "./sparse.ts";

export type Norm = 1 | 2 | "inf";

/** Prove that the p-norm of A is at most s. False says only that there is no proof. Shapes are those of the tensors, which order the rows. */
export function provedNorm(
  A: Sparse,
  p: Norm,
  s: number,
  shapes: { readonly from: readonly number[]; readonly to: readonly number[] },
): boolean {
  if (!(s >= 0 && s < Number.POSITIVE_INFINITY)) return false;
  if (quickNorm(A, p) <= s) return true;
  if (p !== 2) return false;
  // The exact matrix differs from this one by its rounding.
  const rest = down(s - roundingNorm(A, 2));
  if (!(rest > 2 ** -400 && rest < 2 ** 400)) return false;
  const narrow = A.cols < A.rows;
  const ordered = pickRows(narrow ? transposed(A) : A, placesFirst(narrow ? shapes.from : shapes.to));
  const { S, error } = gram(ordered);
  const square = down(rest * rest);
  for (let i = 0; i < S.n; i++) {
    const row = S.offset[i];
    for (let k = 0; k < i - S.first[i]; k++) S.data[row + k] = -S.data[row + k];
    const d = row + i - S.first[i];
    S.data[d] = down(square - S.data[d]);
  }
  return provedSemidefinite(S, error);
}

/** A A^T as floating point has it, and how far that is from exact in the spectral norm; entries count as exact. */
export function gram(A: Sparse): { readonly S: Skyline; readonly error: number } {
  const columns = transposed(A);
  const starts = Int32Array.from({ length: A.rows }, (_, i) => {
    let first = i;
    for (let k = A.start[i]; k < A.start[i + 1]; k++) {
      const head = columns.start[A.index[k]];
      first = Math.min(first, columns.index[head]);
    }
    return first;
  });
  const S = skyline(starts);
  for (let i = 0; i < A.rows; i++) {
    const row = S.offset[i] - S.first[i];
    for (let k = A.start[i]; k < A.start[i + 1]; k++) {
      const [column, v] = [A.index[k], A.value[k]];
      const end = columns.start[column + 1];
      for (let m = columns.start[column]; m < end && columns.index[m] <= i; m++) {
        S.data[row + columns.index[m]] += v * columns.value[m];
      }
    }
  }
  // |fl(A A^T) - A A^T| <= gamma |A| |A|^T, whose norm is at most ||A||_1 ||A||_inf of the absolute values.
  const size = timesUp(absoluteNorm(A, 1), absoluteNorm(A, "inf"));
  return { S, error: timesUp(gamma(longestRow(A) + 1), size) };
}

/** An upper bound of the length of row y less row j, in l_q. */
export function rowDistance(A: Sparse, y: number, j: number, q: Norm): number {
  const difference = new Map<number, { value: number; size: number }>();
  for (const [row, sign] of [
    [y, 1],
    [j, -1],
  ] as const) {
    for (let k = A.start[row]; k < A.start[row + 1]; k++) {
      const own = difference.get(A.index[k]) ?? { value: 0, size: 0 };
      own.value += sign * A.value[k];
      own.size = up(own.size + Math.abs(A.size[k]));
      difference.set(A.index[k], own);
    }
  }
  let total = 0;
  for (const { value, size } of difference.values()) {
    // One rounding of the difference and those of the entries.
    const v = addUp(Math.abs(value), timesUp(gamma(A.roundings + 1), size));
    total = q === "inf" ? Math.max(total, v) : up(total + (q === 1 ? v : up(v * v)));
  }
  return q === 2 ? up(Math.sqrt(total)) : total;
}

// --- internal ---

/** The order of the numbers of [1, channels, ...space] with the channels of a place side by side: a convolution has narrow bands there. */
function placesFirst(shape: readonly number[]): Int32Array {
  const size = shape.reduce((n, d) => n * d, 1);
  const places = shape.length >= 3 && shape[0] === 1 ? size / shape[1] : 1;
  const channels = size / places;
  return Int32Array.from({ length: size }, (_, k) => (k % channels) * places + Math.floor(k / channels));
}
