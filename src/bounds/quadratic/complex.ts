/** @file Complex matrices row by row, real where `im` is null, and the products that the quadratic walk takes of them. */
import { multiplyTransposed } from "../../linalg/matrix.ts";

export interface Complex {
  readonly rows: number;
  readonly cols: number;
  readonly re: Float64Array;
  readonly im: Float64Array | null;
}

export const zeros = (rows: number, cols: number, complex: boolean): Complex => ({
  rows,
  cols,
  re: new Float64Array(rows * cols),
  im: complex ? new Float64Array(rows * cols) : null,
});

/** A B^*. Every entry is a sum of at most 2 cols products in some order, or of cols where both are real. */
export function timesAdjoint(A: Complex, B: Complex): Complex {
  const product = (a: Float64Array, b: Float64Array) =>
    multiplyTransposed({ rows: A.rows, cols: A.cols, data: a }, { rows: B.rows, cols: B.cols, data: b }).data;
  const re = product(A.re, B.re);
  if (!A.im && !B.im) return { rows: A.rows, cols: B.rows, re, im: null };
  const im = A.im ? product(A.im, B.re) : new Float64Array(re.length);
  if (A.im && B.im) {
    const more = product(A.im, B.im);
    for (let k = 0; k < re.length; k++) re[k] += more[k];
  }
  if (B.im) {
    const less = product(A.re, B.im);
    for (let k = 0; k < im.length; k++) im[k] -= less[k];
  }
  return { rows: A.rows, cols: B.rows, re, im };
}

/** Some columns. */
export function columns({ rows, cols, re, im }: Complex, from: number, count: number): Complex {
  const cut = (x: Float64Array) => {
    const out = new Float64Array(rows * count);
    for (let r = 0; r < rows; r++) out.set(x.subarray(r * cols + from, r * cols + from + count), r * count);
    return out;
  };
  return { rows, cols: count, re: cut(re), im: im && cut(im) };
}
