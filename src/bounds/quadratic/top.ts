/** @file The end of a walk: the largest eigenvalue of the Y of the output, proved. */
import { up } from "../../linalg/rounding.ts";
import type { Complex } from "./complex.ts";
import { withFactoring } from "./factor.ts";
import { topOf } from "./start.ts";

/** An upper bound of the largest eigenvalue of all of some matrices Y >= 0; Infinity where none is proved. */
export function provedTop(Y: readonly Complex[]): number {
  const n = Y[0].rows;
  const guess = topOf(Y, new Float64Array(n).fill(1));
  if (!(guess > 1e-250)) return traceUp(Y);
  return withFactoring(n, Y[0].im !== null, (factoring) => {
    const holds = (r: number) => Y.every((own) => factoring.proved(under(own, r)));
    let refused = guess;
    for (let gap = Math.max(4 * factoring.shift, 1e-12); gap < 1e3; gap *= 8) {
      let r = up(guess * (1 + gap));
      if (!holds(r)) {
        refused = r;
        continue;
      }
      // Power iteration may end among eigenvalues that lie close together.
      for (let halved = 0; halved < 20 && r - refused > 1e-10 * r; halved++) {
        const middle = refused + (r - refused) / 2;
        if (holds(middle)) r = middle;
        else refused = middle;
      }
      return r;
    }
    return traceUp(Y);
  });
}

// --- internal ---

/** I - Y / r, from below: what a division rounds is taken off the diagonal. */
function under({ rows: n, cols, re, im }: Complex, r: number): Complex {
  const scaled = (x: Float64Array) => x.map((v) => -v / r);
  const B: Complex = { rows: n, cols, re: scaled(re), im: im && scaled(im) };
  for (let i = 0; i < n; i++) {
    // Rows of roundings of u |Y_ij| / r, with |Y_ij| <= (Y_ii Y_jj)^(1/2): n u Y_ii / r on the diagonal pay for all.
    const own = re[i * (n + 1)] / r;
    B.re[i * (n + 1)] = 1 - own - own * (4 * n + 8) * Number.EPSILON - 2 * Number.EPSILON;
    if (B.im) B.im[i * (n + 1)] = 0;
  }
  return B;
}

function traceUp(Y: readonly Complex[]): number {
  let most = 0;
  for (const { rows: n, re } of Y) {
    let trace = 0;
    for (let i = 0; i < n; i++) trace = up(trace + re[i * (n + 1)]);
    most = Math.max(most, trace);
  }
  return most;
}
