/**
 * @file The proof by floating point that a symmetric matrix is positive semidefinite: a Cholesky factorisation of it, less a shift that
 * outweighs all rounding. Rows are kept from their first non-zero on, so that a banded matrix costs its band.
 */
import { must } from "../refusal.ts";
import { slice, type Task } from "../task.ts";
import { addUp, down, gamma, timesUp, underflow, up } from "./rounding.ts";

/** The lower half of a symmetric matrix: row i has the columns first[i] .. i, at offset[i] + column - first[i]. first does not decrease. */
export interface Skyline {
  readonly n: number;
  readonly first: Int32Array;
  readonly offset: Float64Array;
  readonly data: Float64Array;
}

/** Most numbers of a matrix that is factored, and most multiplications. */
const largest = { entries: 3e7, work: 3e9 };

/** Multiplications of a factorisation of rows that begin where they are said to. */
export function factorWork(starts: Int32Array): number {
  let first = starts.length;
  let work = 0;
  for (let i = starts.length - 1; i >= 0; i--) {
    first = Math.min(first, starts[i]);
    work += (i - first + 1) ** 2 / 2;
  }
  return work;
}

/** Room for a matrix whose rows begin where they are said to. */
export function skyline(starts: Int32Array): Skyline {
  const n = starts.length;
  const first = starts.slice();
  for (let i = n - 2; i >= 0; i--) first[i] = Math.min(first[i], first[i + 1]);
  const offset = new Float64Array(n);
  let total = 0;
  for (let i = 0; i < n; i++) {
    offset[i] = total;
    total += i - first[i] + 1;
  }
  must(
    total <= largest.entries && factorWork(first) <= largest.work,
    () => `a matrix of ${n} rows with ${total} numbers is too large to be factored`,
  );
  return { n, first, offset, data: new Float64Array(total) };
}

/**
 * Prove that every symmetric matrix within `error` (in the spectral norm) of S is positive semidefinite. S is overwritten.
 *
 * If Cholesky in floating point runs to its end on B, then L L^T = B + E with |E| <= gamma_{k+1} |L| |L|^T where no row has more than k
 * entries, hence ||E|| <= g tr(B), g = gamma_{k+1} / (1 - gamma_{k+1}), and B >= -g tr(B). Here B is S with c taken off its diagonal
 * (rounded down) and c >= error + g tr(S) + underflow, so that S >= B + c I >= error I, which is the claim.
 *
 * Reference: Rump 2006, Theorem 2.3; Higham 2002, Theorem 10.3.
 */
export function* provedSemidefinite(S: Skyline, error: number): Task<boolean> {
  return shifted(S, error) && (yield* factor(S));
}

/** A factor L with L L^T near S, if every symmetric matrix within `error` of S is positive semidefinite; null where that is not proved. */
export function* factorOf(S: Skyline, error: number): Task<Skyline | null> {
  const copy = { ...S, data: S.data.slice() };
  return (yield* provedSemidefinite(copy, error)) ? copy : null;
}

/** An m > 0 with M >= m I for every symmetric matrix M within `error` of S; 0 where none is proved. Within a factor of 100, as a rule. */
export function* leastEigenvalue(S: Skyline, error: number): Task<number> {
  const L = yield* factorOf(S, error);
  if (L === null) return 0;
  let v: Float64Array = new Float64Array(S.n).map((_, k) => 1 + (k % 7) / 7);
  let near = 0;
  for (let step = 0; step < 12; step++) {
    const next = solve(L, v);
    const length = Math.sqrt(next.reduce((sum, x) => sum + x * x, 0));
    near = Math.sqrt(v.reduce((sum, x) => sum + x * x, 0)) / length;
    v = next.map((x) => x / length);
  }
  for (let m = near / 2; m > near / 200; m /= 8) {
    if ((yield* factorOf(S, addUp(error, m))) !== null) return m;
  }
  return 0;
}

/** x with L L^T x = b, as floating point has it. */
export function solve({ n, first, offset, data }: Skyline, b: Float64Array): Float64Array {
  const x = b.slice();
  for (let i = 0; i < n; i++) {
    const row = offset[i] - first[i];
    let sum = x[i];
    for (let j = first[i]; j < i; j++) sum -= data[row + j] * x[j];
    x[i] = sum / data[row + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    const row = offset[i] - first[i];
    x[i] /= data[row + i];
    for (let j = first[i]; j < i; j++) x[j] -= data[row + j] * x[i];
  }
  return x;
}

/** S x, S symmetric, as floating point has it. */
export function times({ n, first, offset, data }: Skyline, x: Float64Array): Float64Array {
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const row = offset[i] - first[i];
    let sum = data[row + i] * x[i];
    for (let j = first[i]; j < i; j++) {
      sum += data[row + j] * x[j];
      y[j] += data[row + j] * x[i];
    }
    y[i] += sum;
  }
  return y;
}

// --- internal ---

/** Take the shift of the proof off the diagonal; false where that is not possible. */
function shifted(S: Skyline, error: number): boolean {
  const { n, first, offset, data } = S;
  const diagonal = (i: number) => offset[i] + i - first[i];
  let trace = 0;
  let longest = 0;
  for (let i = 0; i < n; i++) {
    const d = data[diagonal(i)];
    if (!(d > 0 && d < Number.POSITIVE_INFINITY)) return false;
    trace = up(trace + d);
    longest = Math.max(longest, i - first[i] + 1);
  }
  const relative = gamma(longest + 2);
  const shift = up(up(error + timesUp(up(relative / down(1 - relative)), trace)) + underflow);
  if (!(shift < Number.POSITIVE_INFINITY)) return false;
  for (let i = 0; i < n; i++) data[diagonal(i)] = down(data[diagonal(i)] - shift);
  return true;
}

/** Cholesky in place, row by row; false where a pivot is not positive. */
function* factor({ n, first, offset, data }: Skyline): Task<boolean> {
  let done = 0;
  for (let i = 0; i < n; i++) {
    const from = first[i];
    done += (i - from + 1) ** 2 / 2;
    if (done > slice) {
      done = 0;
      yield;
    }
    const row = offset[i] - from;
    let j = from;
    // Four columns together: each number of row i is read once for all of them.
    for (; j + 3 < i; j += 4) {
      const [r0, r1, r2, r3] = [0, 1, 2, 3].map((k) => offset[j + k] - first[j + k]);
      let s0 = data[row + j];
      let s1 = data[row + j + 1];
      let s2 = data[row + j + 2];
      let s3 = data[row + j + 3];
      for (let k = from; k < j; k++) {
        const x = data[row + k];
        s0 -= x * data[r0 + k];
        s1 -= x * data[r1 + k];
        s2 -= x * data[r2 + k];
        s3 -= x * data[r3 + k];
      }
      s0 /= data[r0 + j];
      s1 = (s1 - s0 * data[r1 + j]) / data[r1 + j + 1];
      s2 = (s2 - s0 * data[r2 + j] - s1 * data[r2 + j + 1]) / data[r2 + j + 2];
      s3 = (s3 - s0 * data[r3 + j] - s1 * data[r3 + j + 1] - s2 * data[r3 + j + 2]) / data[r3 + j + 3];
      data[row + j] = s0;
      data[row + j + 1] = s1;
      data[row + j + 2] = s2;
      data[row + j + 3] = s3;
    }
    for (; j <= i; j++) {
      const other = offset[j] - first[j];
      let sum = data[row + j];
      for (let k = from; k < j; k++) sum -= data[row + k] * data[other + k];
      if (j < i) data[row + j] = sum / data[other + j];
      else {
        // The comparison refuses NaN too.
        if (!(sum > 0 && sum < Number.POSITIVE_INFINITY)) return false;
        data[row + i] = Math.sqrt(sum);
      }
    }
  }
  return true;
}
