/**
 * @file The norm of a convolution from its symbols: on a circle, which the image is laid on with room to spare, every frequency is a small
 * matrix for itself.
 */

import { addUp, down, gamma, sqrtUp, sumUp, timesUp, up } from "../algebra/rounding.ts";
import { type Sparse, sparse } from "../algebra/sparse.ts";
import type { Program } from "../read/network.ts";
import type { Kernel } from "../read/step.ts";
import type { Task } from "../task.ts";
import type { Region } from "./region.ts";

/** Symbols as real matrices [[Re, -Im], [Im, Re]], with what each may err by in the l2 norm. */
export interface Symbols {
  readonly error: number;
  /** Of half of the frequencies and all groups; the others have the same norms. */
  matrices(): Generator<Sparse>;
  /** Multiplications to factor all. */
  readonly work: number;
}

/**
 * The convolution that the affine map between two tensors is, with factors per channel behind it taken in; null where it is none.
 */
export function kernelBetween(
  program: Pick<Program, "byTensor">,
  regionOf: (tensor: string) => Region,
  from: string,
  to: string,
): Kernel | null {
  const step = program.byTensor.get(to);
  if (step?.kind !== "affine") return null;
  const parts = step.parts.filter((part) => part.from === from || regionOf(part.from).has(from));
  if (parts.length !== 1) return null;
  const [{ from: before, matrix, kernel }] = parts;
  if (before === from) return kernel ?? null;
  const inner = kernelBetween(program, regionOf, from, before);
  const factors = inner && channelFactors(matrix, inner.outChannels);
  if (!inner || !factors) return null;
  const each = inner.taps.length / inner.outChannels;
  return {
    ...inner,
    taps: inner.taps.map((v, k) => v * factors[Math.floor(k / each)]),
    roundings: inner.roundings + matrix.roundings + 1,
  };
}

/**
 * The symbols of a convolution. On a circle of N >= n + pad numbers, N a multiple of the stride s with room for all outputs, the map is the
 * circular one on images that are 0 outside, with outputs left out: its norm is at most
 *
 *     max over u in [0, N / s)^2 of  || [ D(u + a N / s) ]_a || / s,    D(u) = sum over taps t of K_t exp(2 pi i u t / N)
 *
 * with the s^2 matrices side by side (where the window begins changes phases only). Cosines and sines are assumed to err by less than 2^-45.
 * Reference: Sedghi, Gupta and Long 2019; for strides, the polyphase form of the same.
 */
export function symbolsOf({ taps, outChannels, inChannels, groups, geometry, roundings }: Kernel): Symbols {
  const { a, b } = geometry;
  const [A, B] = [circle(a), circle(b)];
  const [rows, cols] = [outChannels / groups, inChannels / groups];
  const area = a.taps * b.taps;
  const share = 1 / Math.sqrt(a.stride * b.stride);
  const fold = a.stride * b.stride;
  let squares = 0;
  for (let k = 0; k < rows * cols * groups; k++) {
    let sum = 0;
    for (let t = 0; t < area; t++) sum += Math.abs(taps[k * area + t]);
    squares += sum * sum;
  }
  // Of one block of the row, each of real and imaginary part.
  const whole = timesUp(2 * Math.sqrt(fold), sqrtUp(sumUp(squares, 2 * taps.length + 4)));
  const error = timesUp(addUp(2 ** -44, gamma(2 * area + roundings + 12)), up(whole * share));
  const frequencies = (A.size / a.stride) * (Math.floor(B.size / b.stride / 2) + 1);
  const [small, wide] = [2 * Math.min(rows, fold * cols), 2 * Math.max(rows, fold * cols)];
  const matrixAt = (group: number, u: number, v: number): Sparse => {
    const re = new Float64Array(rows * fold * cols);
    const im = new Float64Array(rows * fold * cols);
    for (let block = 0; block < fold; block++) {
      const p = u + Math.floor(block / b.stride) * (A.size / a.stride);
      const q = v + (block % b.stride) * (B.size / b.stride);
      const [cosines, sines] = [new Float64Array(area), new Float64Array(area)];
      for (let s = 0; s < a.taps; s++) {
        for (let t = 0; t < b.taps; t++) {
          // The angle in parts of the circle, which whole numbers know exactly.
          const turns = ((p * s * a.dilation) % A.size) / A.size + ((q * t * b.dilation) % B.size) / B.size;
          cosines[s * b.taps + t] = Math.cos(2 * Math.PI * turns) * share;
          sines[s * b.taps + t] = Math.sin(2 * Math.PI * turns) * share;
        }
      }
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < cols; j++) {
          const at = ((group * rows + i) * cols + j) * area;
          const to = i * fold * cols + block * cols + j;
          for (let t = 0; t < area; t++) {
            re[to] += taps[at + t] * cosines[t];
            im[to] += taps[at + t] * sines[t];
          }
        }
      }
    }
    const width = fold * cols;
    return sparse(2 * rows, 2 * width, (r, put) => {
      const i = r % rows;
      for (let j = 0; j < width; j++) {
        put(j, r < rows ? re[i * width + j] : im[i * width + j]);
        put(width + j, r < rows ? -im[i * width + j] : re[i * width + j]);
      }
    });
  };
  return {
    error,
    work: frequencies * groups * (small * small * wide + small ** 3 + 2 * taps.length * fold),
    *matrices() {
      for (let g = 0; g < groups; g++) {
        for (let u = 0; u < A.size / a.stride; u++) {
          for (let v = 0; v <= B.size / b.stride / 2; v++) yield matrixAt(g, u, v);
        }
      }
    },
  };
}

/** Prove that no symbol has a norm above s, by a proof for matrices. */
export function* provedSymbols(
  symbols: Symbols,
  s: number,
  proved: (A: Sparse, s: number) => Task<boolean>,
): Task<boolean> {
  const rest = down(s - symbols.error);
  if (!(rest > 0)) return false;
  for (const matrix of symbols.matrices()) {
    if (!(yield* proved(matrix, rest))) return false;
    yield;
  }
  return true;
}

// --- internal ---

/** The circle that an axis is laid on. */
function circle({ size, taps, stride, dilation, begin, out }: Kernel["geometry"]["a"]): { readonly size: number } {
  // Where the last window ends, or the image does: nothing comes around to the image again.
  const end = Math.max(size, (out - 1) * stride - begin + dilation * (taps - 1) + 1);
  return { size: stride * Math.ceil(Math.max(end, size + begin, out * stride) / stride) };
}

/** The factors of a matrix that multiplies every channel; null where it does anything else. */
function channelFactors({ rows, cols, start, index, value, size }: Sparse, channels: number): Float64Array | null {
  // Where sizes differ from the values, something may have cancelled.
  if (rows !== cols || index.length !== rows || rows % channels !== 0 || size !== value) return null;
  const each = rows / channels;
  const factors = new Float64Array(channels);
  for (let i = 0; i < rows; i++) {
    const c = Math.floor(i / each);
    if (start[i + 1] !== i + 1 || index[i] !== i || value[i] !== value[c * each]) return null;
    factors[c] = value[i];
  }
  return factors;
}
