/** @file What keeps a descent away from the edge of what is feasible, where it would get stuck. */
import type { ChainForm, Sector } from "./form.ts";

/**
 * A form of a larger constant, which the search goes down on instead: what is feasible for it is feasible for the form, and gives that less. It
 * counts a little of every last signal as an output too, `size` times the identity below the output map on the scale of that map's longest row:
 * where one output is all that counts, signals that it does not see may grow without end. And where all slopes of a layer are symmetric about 0
 * they are widened to one side: nothing of what is before such a layer would show in the value until it is too large.
 */
export function guarded(form: ChainForm, size: number): ChainForm {
  const W = form.weights[form.weights.length - 1];
  const { rows, cols } = W;
  let longest = 0;
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let j = 0; j < cols; j++) sum += W.data[r * cols + j] ** 2;
    longest = Math.max(longest, sum);
  }
  const data = new Float64Array((rows + cols) * cols);
  data.set(W.data);
  for (let j = 0; j < cols; j++) data[(rows + j) * cols + j] = size * Math.sqrt(longest / cols);
  const weights = [...form.weights.slice(0, -1), { rows: rows + cols, cols, data }];
  return { ...form, weights, ...withoutSymmetry(form, part * size) };
}

/** Is there a layer where all slopes are symmetric about 0, or nearly? */
export const hasSymmetry = ({ sectors }: ChainForm): boolean => sectors.some(isSymmetric);

// --- internal ---

/** By how much a sector is moved where `size` is 1, in its own radius. */
const part = 0.3;

const isSymmetric = ({ mu, rho }: Sector): boolean => mu.every((m, j) => Math.abs(m) < 0.01 * rho[j]);

/** Symmetric layers with the middle of their sectors moved away from 0, none narrower than it was. */
function withoutSymmetry({ sectors, steepest }: ChainForm, shift: number): Pick<ChainForm, "sectors" | "steepest"> {
  const moved = sectors.map((sector) => {
    if (!isSymmetric(sector)) return sector;
    const { mu, rho } = sector;
    const middle = mu.map((m, j) => m + shift * rho[j]);
    const radius = rho.map((r) => (1 + shift) * r);
    return { mu: middle, pi: middle.map((m, j) => m * m - radius[j] ** 2), rho: radius };
  });
  const reach = moved.map(({ mu, rho }, i) => mu.reduce((top, m, j) => Math.max(top, m + rho[j]), steepest[i]));
  return { sectors: moved, steepest: reach };
}
