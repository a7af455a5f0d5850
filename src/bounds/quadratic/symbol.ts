/** @file The symbol of a kernel: the matrix that it is at one frequency. */
import { rootError } from "../../linalg/roots.ts";
import { gamma, up } from "../../linalg/rounding.ts";
import type { Complex } from "./complex.ts";
import { type Grid, turnOf } from "./grid.ts";
import type { Kernel } from "./program.ts";

/** K(w) = sum over taps of weight exp(i <w, shift>), real without a grid. */
export function symbolAt({ rows, cols, taps }: Kernel, grid: Grid, frequency: readonly number[]): Complex {
  if (grid.sides.length === 0) return { rows, cols, re: taps[0].weight, im: null };
  const re = new Float64Array(rows * cols);
  const im = new Float64Array(rows * cols);
  for (const { shift, weight } of taps) {
    const turn = turnOf(grid, frequency, shift);
    const [c, s] = [grid.roots.cos[turn], grid.roots.sin[turn]];
    for (let k = 0; k < re.length; k++) {
      re[k] += weight[k] * c;
      im[k] += weight[k] * s;
    }
  }
  return { rows, cols, re, im };
}

/** Sums over the taps of absolute values, which no entry of a symbol exceeds by more than rounding. */
export function sizesOf({ taps, rows, cols }: Kernel): Float64Array {
  const sizes = new Float64Array(rows * cols);
  for (const { weight } of taps) for (let k = 0; k < sizes.length; k++) sizes[k] += Math.abs(weight[k]);
  return sizes;
}

/** What an entry of a symbol may be off, as a part of its entry in `sizesOf`; the rounding of that sum included. */
export function symbolError({ taps, error }: Kernel, grid: Grid): number {
  if (grid.sides.length === 0) return error;
  // Two coordinates, each with roots that err and a sum of products.
  return up(2 * (error + rootError + gamma(taps.length + 4)));
}
