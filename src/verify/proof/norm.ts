/**
 * @file The proof that a matrix stretches no vector by more than s: sums of absolute values for l1 and l-inf; for l2 one factorisation of
 * s^2 I - A A^T, or for a convolution one of each of its symbols.
 */

import { pickRows, transposed } from "../algebra/compose.ts";
import { factorWork, provedSemidefinite, type Skyline, skyline } from "../algebra/definite.ts";
import { addUp, down, gamma, timesUp, up } from "../algebra/rounding.ts";
import type { Sparse } from "../algebra/sparse.ts";
import { absoluteNorm, longestRow, quickNorm, roundingNorm } from "../algebra/sparseNorm.ts";
import type { Kernel } from "../read/step.ts";
import { slice, type Task } from "../task.ts";
import { provedSymbols, symbolsOf } from "./fourier.ts";

export type Norm = 1 | 2 | "inf";

/** What is known of where a matrix comes from. */
export interface Origin {
  /** The shapes of the tensors, which order the rows. */
  readonly from: readonly number[];
  readonly to: readonly number[];
  /** Where the matrix is a convolution. */
  readonly kernel?: Kernel | null;
}

/** Multiplications of a proof that are soon done, and the most. */
const most = { quick: 3e8, long: 3e9 };

/** Prove that the p-norm of A is at most s. False says only that there is no proof, or none in a few seconds. */
export function* provedNorm(A: Sparse, p: Norm, s: number, origin: Origin): Task<boolean> {
  if (!(s >= 0 && s < Number.POSITIVE_INFINITY)) return false;
  if (quickNorm(A, p) <= s) return true;
  if (p !== 2) return false;
  const way = wayOf(A, origin);
  if (way.kind === "symbols") {
    return yield* provedSymbols(way.symbols, s, (symbol, rest) =>
      provedMatrix(orderedRows(symbol, flat(symbol)), rest),
    );
  }
  return way.kind === "matrix" && (yield* provedMatrix(way.ordered, s));
}

/** How a norm in l2 is proved: of a matrix as it is where that is quick, else by its symbols, else as it is where that does not take too long. */
export function wayOf(A: Sparse, origin: Origin) {
  const ordered = orderedRows(A, origin);
  const work = factorWork(rowStarts(ordered, transposed(ordered)));
  if (work > most.quick && origin.kernel) {
    const symbols = symbolsOf(origin.kernel);
    if (symbols.work <= most.long) return { kind: "symbols", symbols } as const;
  }
  return work <= most.long ? ({ kind: "matrix", ordered } as const) : ({ kind: "none" } as const);
}

/** A A^T as floating point has it, and how far that is from exact in the spectral norm; entries count as exact. */
export function* gram(A: Sparse): Task<{ readonly S: Skyline; readonly error: number }> {
  const columns = transposed(A);
  const S = skyline(rowStarts(A, columns));
  if (A.index.length > 0.2 * A.rows * A.cols && A.rows * A.cols < 5e7) yield* denseGram(A, S);
  else yield* sparseGram(A, columns, S);
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

const flat = (A: Sparse): Origin => ({ from: [A.cols], to: [A.rows] });

/** With the fewer rows, in an order that makes A A^T narrow. */
function orderedRows(A: Sparse, origin: Origin): Sparse {
  const narrow = A.cols < A.rows;
  return pickRows(narrow ? transposed(A) : A, placesFirst(narrow ? origin.from : origin.to));
}

function* provedMatrix(A: Sparse, s: number): Task<boolean> {
  // The exact matrix differs from this one by its rounding.
  const rest = down(s - roundingNorm(A, 2));
  if (!(rest > 2 ** -400 && rest < 2 ** 400)) return false;
  const { S, error } = yield* gram(A);
  const square = down(rest * rest);
  for (let i = 0; i < S.n; i++) {
    const row = S.offset[i];
    for (let k = 0; k < i - S.first[i]; k++) S.data[row + k] = -S.data[row + k];
    const d = row + i - S.first[i];
    S.data[d] = down(square - S.data[d]);
  }
  return yield* provedSemidefinite(S, error);
}

function* sparseGram(A: Sparse, columns: Sparse, S: Skyline): Task<void> {
  for (let i = 0; i < A.rows; i++) {
    if (i % 256 === 255) yield;
    const row = S.offset[i] - S.first[i];
    for (let k = A.start[i]; k < A.start[i + 1]; k++) {
      const [column, v] = [A.index[k], A.value[k]];
      const end = columns.start[column + 1];
      for (let m = columns.start[column]; m < end && columns.index[m] <= i; m++) {
        S.data[row + columns.index[m]] += v * columns.value[m];
      }
    }
  }
}

/** Zeros are multiplied too, which adds no rounding. */
function* denseGram({ rows, cols, start, index, value }: Sparse, S: Skyline): Task<void> {
  const data = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) for (let k = start[i]; k < start[i + 1]; k++) data[i * cols + index[k]] = value[k];
  let done = 0;
  for (let i = 0; i < rows; i++) {
    const own = i * cols;
    done += (i + 1) * cols;
    if (done > slice) {
      done = 0;
      yield;
    }
    for (let j = S.first[i]; j <= i; j += 4) {
      // Four rows together; those beyond the last are not used.
      const [r0, r1, r2, r3] = [0, 1, 2, 3].map((k) => Math.min(j + k, i) * cols);
      let [s0, s1, s2, s3] = [0, 0, 0, 0];
      for (let k = 0; k < cols; k++) {
        const x = data[own + k];
        s0 += x * data[r0 + k];
        s1 += x * data[r1 + k];
        s2 += x * data[r2 + k];
        s3 += x * data[r3 + k];
      }
      const to = S.offset[i] + j - S.first[i];
      S.data[to] = s0;
      if (j + 1 <= i) S.data[to + 1] = s1;
      if (j + 2 <= i) S.data[to + 2] = s2;
      if (j + 3 <= i) S.data[to + 3] = s3;
    }
  }
}

/** The first column of every row of A A^T that may not be 0. */
function rowStarts(A: Sparse, columns: Sparse): Int32Array {
  return Int32Array.from({ length: A.rows }, (_, i) => {
    let first = i;
    for (let k = A.start[i]; k < A.start[i + 1]; k++) {
      first = Math.min(first, columns.index[columns.start[A.index[k]]]);
    }
    return first;
  });
}

/** The order of the numbers of [1, channels, ...space] with the channels of a place side by side: a convolution has narrow bands there. */
function placesFirst(shape: readonly number[]): Int32Array {
  const size = shape.reduce((n, d) => n * d, 1);
  const places = shape.length >= 3 && shape[0] === 1 ? size / shape[1] : 1;
  const channels = size / places;
  return Int32Array.from({ length: size }, (_, k) => (k % channels) * places + Math.floor(k / channels));
}
