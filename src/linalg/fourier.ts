/** @file The spectral norm of a zero-padded convolution bounded through Fourier, without the matrix. The circular grid is at least as large as the padded image needs; a grid of the kernel's size would give a number that is not a bound. */
import { verifiedNorm } from "./cholesky.ts";
import { frobeniusUp, normalised } from "./enclosure.ts";
import type { Matrix } from "./matrix.ts";
import { spectralNorm } from "./norm.ts";
import { matrixOperator } from "./operator.ts";
import { powerIteration } from "./power.ts";
import { type Roots, rootError, rootsOfUnity } from "./roots.ts";
import { gamma, scaleUp, sqrtUp, sumUp, tiny, up } from "./rounding.ts";
import { type Axis, axesOf, type Convolution } from "./stencil.ts";

export interface FourierBound {
  /** At least the spectral norm of the zero-padded convolution. */
  readonly upper: number;
  /** An input that nearly attains it: the leading vector of the leading frequency under a half-sine window. */
  readonly input: Float64Array;
}

/**
 * Bound the spectral norm of a zero-padded convolution by that of a circular one on a larger grid.
 *
 * 1. Embedding. Per axis let N >= size + max(begin, end) and N >= stride out, N = stride M. Put the image at 0..size-1 of Z_N, zeros
 *    elsewhere: an isometry. Output j reads the places stride j + dilation t - begin, all within -begin .. size-1+end; such a place
 *    modulo N is inside 0..size-1 only if it was already, because N >= size + begin and N >= size + end. Hence the circular outputs
 *    0..out-1 equal the zero-padded ones, and as out <= M they are distinct: the zero-padded map is a compression of the circular one.
 *    Kernels that wrap around are harmless: taps that fall together simply add up in the symbol.
 * 2. Stride. Write dilation t - begin = stride q + r with 0 <= r < stride. Splitting the input into its residues modulo stride is a
 *    permutation and leaves a convolution of stride 1 on Z_M with stride-fold input channels (per axis). Its symbol at m is
 *    F(m)[o, (r, i)] = sum over the taps of residue r of K[o, i, t] exp(2 pi i m q / M), and the circular norm is max_m sigma1(F(m))
 *    exactly. (It equals the aliased form [D(m + a M)]_a / sqrt(stride_h stride_w) up to a unitary factor: a Fourier transform over a.)
 * 3. A real kernel gives F(-m) = conj F(m): half of the frequencies suffice. A complex A + iB is the real [[A, -B], [B, A]], with every
 *    singular value twice. Groups are the blocks of a block-diagonal map: the largest counts.
 * 4. Rounding. Each coordinate of an entry of F errs by at most d = (e + gamma_T (1 + e)) k, e = rootError, T taps, k = the sum of |K|
 *    over the taps of the entry; thus ||error of F||_F <= sqrt(2) d' with d' from the Frobenius norm of all k, at every frequency.
 *
 * The frequencies are sorted by a short power iteration; the first is bounded by `spectralNorm`, and every other is then proved to stay
 * below that number, by a cheap norm or one Cholesky factorisation, or raises it.
 *
 * Reference: Sedghi, Gupta, Long 2019 (circular); Yi 2020 and Delattre et al. 2023 (zero padding, stride).
 */
export function fourierBound(conv: Convolution): FourierBound {
  const axes = axesOf(conv);
  const plan = symbols(conv, axes);
  const total = conv.groups * plan.frequencies;
  const estimates = new Float64Array(total);
  for (let f = 0; f < total; f++) {
    const F = plan.symbol(f);
    estimates[f] = plan.rankOne
      ? rowNorm(F)
      : powerIteration(matrixOperator(F), { iterations: 6, tolerance: 1e-3 }).value;
  }
  const order = Array.from(estimates.keys()).sort((a, b) => estimates[b] - estimates[a]);
  let s = 0;
  for (const f of order) {
    const F = plan.symbol(f);
    if (plan.rankOne) s = Math.max(s, rowNorm(F));
    else if (!verifiedNorm(F, s)) s = Math.max(s, spectralNorm(F).upper);
  }
  const top = powerIteration(matrixOperator(plan.symbol(order[0])));
  return { upper: scaleUp(up(s + plan.error), plan.exponent), input: plan.wave(order[0], top.right) };
}

/** Floating operations that `fourierBound` takes, roughly: to choose between ways, not a promise. */
export function fourierCost(conv: Convolution): number {
  const [a, b] = axesOf(conv);
  const half = (gridOf(a) * (gridOf(b) + 2)) / 2;
  const rows = 2 * (conv.outChannels / conv.groups);
  const cols = 2 * conv.inChannels * a.stride * b.stride;
  const small = Math.min(rows, cols);
  return conv.groups * half * rows * cols * (small / 2 + small ** 2 / (6 * Math.max(rows, cols)) + 30);
}

// --- internal ---

interface Plan {
  /** Frequencies of one group. */
  readonly frequencies: number;
  readonly exponent: number;
  /** Bounds the spectral norm of the error of every symbol. */
  readonly error: number;
  /** Whether a symbol has one row or one column, so that its norm is its Frobenius norm. */
  readonly rankOne: boolean;
  /** The real form of the symbol of frequency f, counted group by group, at a scale of 2^exponent. */
  symbol(f: number): Matrix;
  /** The image that frequency f and a vector of the real form stand for. */
  wave(f: number, vector: Float64Array): Float64Array;
}

function symbols(conv: Convolution, axes: readonly [Axis, Axis]): Plan {
  const [a, b] = axes;
  const { data: kernel, exponent } = normalised(conv.kernel);
  const [Ma, Mb] = [gridOf(a), gridOf(b)];
  const half = Math.floor(Mb / 2) + 1;
  const frequencies = Ma * half;
  const rows = conv.outChannels / conv.groups;
  const residues = a.stride * b.stride;
  const cols = conv.inChannels * residues;
  const taps = tapsOf(axes);
  const roots: Roots = rootsOfUnity(Ma * Mb);
  const place = (f: number) => {
    const within = f % frequencies;
    return { group: Math.floor(f / frequencies), ma: Math.floor(within / half), mb: within % half };
  };

  const symbol = (f: number): Matrix => {
    const { group, ma, mb } = place(f);
    const data = new Float64Array(4 * rows * cols);
    for (const [t, tap] of taps.entries()) {
      const turn = modulo(((ma * tap.qa) % Ma) * Mb + ((mb * tap.qb) % Mb) * Ma, Ma * Mb);
      const [c, s] = [roots.cos[turn], roots.sin[turn]];
      for (let o = 0; o < rows; o++) {
        const upper = o * 2 * cols + tap.residue * conv.inChannels;
        const lower = upper + rows * 2 * cols;
        const from = (group * rows + o) * conv.inChannels * taps.length + t;
        for (let i = 0; i < conv.inChannels; i++) {
          const weight = kernel[from + i * taps.length];
          data[upper + i] += weight * c;
          data[lower + i] += weight * s;
        }
      }
    }
    for (let o = 0; o < rows; o++) {
      const upper = o * 2 * cols;
      const lower = upper + rows * 2 * cols;
      for (let i = 0; i < cols; i++) {
        data[upper + cols + i] = -data[lower + i];
        data[lower + cols + i] = data[upper + i];
      }
    }
    return { rows: 2 * rows, cols: 2 * cols, data };
  };

  const wave = (f: number, vector: Float64Array): Float64Array => {
    const { group, ma, mb } = place(f);
    const image = new Float64Array(conv.groups * conv.inChannels * a.size * b.size);
    for (let i = 0; i < conv.inChannels; i++) {
      const channel = (group * conv.inChannels + i) * a.size * b.size;
      for (let y = 0; y < a.size; y++) {
        for (let x = 0; x < b.size; x++) {
          const residue = (y % a.stride) * b.stride + (x % b.stride);
          const at = residue * conv.inChannels + i;
          const turn = (ma * Math.floor(y / a.stride) * Mb + mb * Math.floor(x / b.stride) * Ma) % (Ma * Mb);
          const value = vector[at] * roots.cos[turn] - vector[cols + at] * roots.sin[turn];
          image[channel + y * b.size + x] = value * windowAt(y, a.size) * windowAt(x, b.size);
        }
      }
    }
    return image;
  };

  const error = symbolError(kernel, taps);
  return { frequencies, exponent, error, rankOne: Math.min(rows, cols) === 1, symbol, wave };
}

interface Tap {
  readonly qa: number;
  readonly qb: number;
  readonly residue: number;
}

/** Where each tap of the kernel goes: its shift on the coarse grid, and the residue whose channels it reads. */
function tapsOf([a, b]: readonly [Axis, Axis]): readonly Tap[] {
  return Array.from({ length: a.taps * b.taps }, (_, t) => {
    const along = a.dilation * Math.floor(t / b.taps) - a.begin;
    const across = b.dilation * (t % b.taps) - b.begin;
    return {
      qa: Math.floor(along / a.stride),
      qb: Math.floor(across / b.stride),
      residue: modulo(along, a.stride) * b.stride + modulo(across, b.stride),
    };
  });
}

/** The side M of the coarse circular grid: the least with stride M >= size + max(begin, end) and M >= out. */
function gridOf(axis: Axis): number {
  return Math.max(Math.ceil((axis.size + Math.max(axis.begin, axis.end)) / axis.stride), axis.out);
}

/** The bound of step 4 for the whole kernel, which covers each group. */
function symbolError(kernel: Float64Array, taps: readonly Tap[]): number {
  const residues = 1 + taps.reduce((most, tap) => Math.max(most, tap.residue), 0);
  const sums = new Float64Array((kernel.length / taps.length) * residues);
  for (let k = 0; k < kernel.length; k++) {
    sums[Math.floor(k / taps.length) * residues + taps[k % taps.length].residue] += Math.abs(kernel[k]);
  }
  let squares = 0;
  for (const x of sums) squares += x * x;
  const size = sumUp(sqrtUp(up(sumUp(squares, sums.length) + tiny)), taps.length);
  const relative = up(rootError + up(gamma(taps.length + 1) * up(1 + rootError)));
  return up(up(up(sqrtUp(2) * relative) * size) + tiny);
}

/** An upper bound of the Frobenius norm of the complex matrix of which F is the real form. */
function rowNorm(F: Matrix): number {
  return frobeniusUp(F.data.subarray(0, F.data.length / 2));
}

function windowAt(x: number, size: number): number {
  return Math.sin((Math.PI * (x + 1)) / (size + 1));
}

function modulo(x: number, n: number): number {
  return ((x % n) + n) % n;
}
