/** @file A sparse map times vectors, as floating point has it. */
import type { Sparse } from "./sparse.ts";

/** y += A x, as floating point has it, for several pairs of y and x. */
export function multiplyInto(ys: readonly Float64Array[], A: Sparse, xs: readonly Float64Array[]): void {
  const { rows, start, index, value } = A;
  for (let at = 0; at < xs.length; at += 4) {
    // Four at a time: each entry is read once for all of them.
    const [y0, y1, y2, y3] = [0, 1, 2, 3].map((k) => ys[Math.min(at + k, ys.length - 1)]);
    const [x0, x1, x2, x3] = [0, 1, 2, 3].map((k) => xs[Math.min(at + k, xs.length - 1)]);
    const together = Math.min(4, xs.length - at);
    for (let i = 0; i < rows; i++) {
      let s0 = y0[i];
      let s1 = y1[i];
      let s2 = y2[i];
      let s3 = y3[i];
      const end = start[i + 1];
      for (let k = start[i]; k < end; k++) {
        const v = value[k];
        const j = index[k];
        s0 += v * x0[j];
        s1 += v * x1[j];
        s2 += v * x2[j];
        s3 += v * x3[j];
      }
      y0[i] = s0;
      if (together > 1) y1[i] = s1;
      if (together > 2) y2[i] = s2;
      if (together > 3) y3[i] = s3;
    }
  }
}
