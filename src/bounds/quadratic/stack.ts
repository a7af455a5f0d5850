/** @file Complex matrices of one size, many at once, and what is done to them entry by entry. */
import { sqrtUp, sumUp, unit, up } from "../../linalg/rounding.ts";
import type { Complex } from "./complex.ts";

/** [count, rows, cols], real where `im` is null. */
export interface Stack {
  readonly count: number;
  readonly rows: number;
  readonly cols: number;
  readonly re: Float64Array;
  readonly im: Float64Array | null;
}

/** A stack of zeros. */
export const stack = (count: number, rows: number, cols: number, complex: boolean): Stack => ({
  count,
  rows,
  cols,
  re: new Float64Array(count * rows * cols),
  im: complex ? new Float64Array(count * rows * cols) : null,
});

/** Matrices from `first` to `end` of a stack, the same numbers. */
export function part({ rows, cols, re, im }: Stack, first: number, end: number): Stack {
  const size = rows * cols;
  const cut = (x: Float64Array) => x.subarray(first * size, end * size);
  return { count: end - first, rows, cols, re: cut(re), im: im && cut(im) };
}

/** A number times the identity. */
export function scalarStack(value: number, n: number, count: number, complex: boolean): Stack {
  const own = stack(count, n, n, complex);
  for (let f = 0; f < count; f++) for (let i = 0; i < n; i++) own.re[f * n * n + i * (n + 1)] = value;
  return own;
}

/** The same numbers once more. */
export const copied = (s: Stack): Stack => ({ ...s, re: s.re.slice(), im: s.im?.slice() ?? null });

/** Times a number. */
export function scaledBy(s: Stack, factor: number): Stack {
  const by = (x: Float64Array) => {
    const out = new Float64Array(x.length);
    for (let e = 0; e < x.length; e++) out[e] = x[e] * factor;
    return out;
  };
  return { ...s, re: by(s.re), im: s.im && by(s.im) };
}

/** to += more. */
export function plus(to: Stack, more: Stack): void {
  addTo(to.re, more.re);
  if (to.im && more.im) addTo(to.im, more.im);
}

/** A^* of each. */
export function adjointOf({ count, rows, cols, re, im }: Stack): Stack {
  const turned = (x: Float64Array, sign: number) => {
    const out = new Float64Array(x.length);
    for (let f = 0; f < count; f++) {
      const at = f * rows * cols;
      for (let i = 0; i < rows; i++) {
        const row = at + i * cols;
        for (let j = 0, to = at + i; j < cols; j++, to += rows) out[to] = sign * x[row + j];
      }
    }
    return out;
  };
  return { count, rows: cols, cols: rows, re: turned(re, 1), im: im && turned(im, -1) };
}

/** to = x + k y between two places. */
export function combine(
  to: Float64Array,
  x: Float64Array,
  y: Float64Array,
  k: number,
  first: number,
  end: number,
): void {
  for (let e = first; e < end; e++) to[e] = x[e] + k * y[e];
}

/** Hermitian by its lower triangle. */
export function mirror({ count, rows: n, re, im }: Stack): void {
  const by = (x: Float64Array, sign: number) => {
    for (let f = 0; f < count; f++) {
      const at = f * n * n;
      for (let i = 1; i < n; i++) {
        const row = at + i * n;
        for (let j = 0, to = at + i; j < i; j++, to += n) x[to] = sign * x[row + j];
      }
    }
  };
  by(re, 1);
  if (!im) return;
  by(im, -1);
  for (let f = 0; f < count; f++) for (let i = 0; i < n; i++) im[f * n * n + i * (n + 1)] = 0;
}

/** factor diag(d) Y diag(d) and a little on its diagonal that pays for what this rounds: n u of each entry of it, four times. */
export function between(Y: Stack, d: Float64Array, factor: number): Stack {
  const out = scaledAround(
    Y,
    d.map((v) => factor * v),
    d,
  );
  mirror(out);
  addDiagonal(out, (y) => 16 * Y.rows * unit * y);
  return out;
}

/** The mean over the frequencies of the trace of diag(d) Y diag(d). */
export function traceOf({ count, rows: n, re }: Stack, d: Float64Array): number {
  let sum = 0;
  for (let f = 0; f < count; f++) for (let i = 0; i < n; i++) sum += re[(f * n + i) * n + i] * d[i] ** 2;
  return sum / count;
}

/** Entry i, j times a_i b_j. */
export function scaledAround(
  { count, rows, cols, re, im }: Stack,
  a: Float64Array | null,
  b: Float64Array | null,
): Stack {
  const by = (x: Float64Array) => {
    const out = new Float64Array(x.length);
    for (let f = 0, e = 0; f < count; f++) {
      for (let i = 0; i < rows; i++) {
        const own = a ? a[i] : 1;
        if (b) for (let j = 0; j < cols; j++, e++) out[e] = own * x[e] * b[j];
        else for (let j = 0; j < cols; j++, e++) out[e] = own * x[e];
      }
    }
    return out;
  };
  return { count, rows, cols, re: by(re), im: im && by(im) };
}

/** Squares of the lengths of rows, rounded up. */
export function rowLengths({ count, rows, cols, re, im }: Stack): Float64Array {
  const sums = new Float64Array(count * rows);
  addSquares(sums, re, cols);
  if (im) addSquares(sums, im, cols);
  return sums.map((total) => sumUp(total, 2 * cols + 4));
}

/** Frobenius norms, rounded up. */
export function frobenius({ count, rows, cols, re, im }: Stack): Float64Array {
  const sums = new Float64Array(count);
  addSquares(sums, re, rows * cols);
  if (im) addSquares(sums, im, rows * cols);
  return sums.map((total) => sqrtUp(sumUp(total, 2 * rows * cols + 4)));
}

/** One by one. */
export function matrices({ count, rows, cols, re, im }: Stack): readonly Complex[] {
  const size = rows * cols;
  return Array.from({ length: count }, (_, f) => ({
    rows,
    cols,
    re: re.slice(f * size, (f + 1) * size),
    im: im?.slice(f * size, (f + 1) * size) ?? null,
  }));
}

// --- internal ---

function addTo(to: Float64Array, more: Float64Array): void {
  for (let e = 0; e < to.length; e++) to[e] += more[e];
}

/** Squares of so many neighbours at a time, added to what is there. */
function addSquares(sums: Float64Array, x: Float64Array, length: number): void {
  for (let k = 0, e = 0; k < sums.length; k++) {
    let total = 0;
    for (const end = e + length; e < end; e++) total += x[e] * x[e];
    sums[k] += total;
  }
}

function addDiagonal({ count, rows: n, re }: Stack, by: (own: number) => number): void {
  for (let f = 0; f < count; f++) {
    for (let i = 0; i < n; i++) {
      const at = (f * n + i) * n + i;
      re[at] = up(re[at] + up(by(re[at])));
    }
  }
}
