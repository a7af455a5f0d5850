/** @file The spectral norm of a zero-padded convolution bounded through Fourier, without the matrix. The circular grid is at least as large as the padded image needs; a grid of the kernel's size would give a number that is not a bound. */
import { type ShiftedTap, type SymbolGram, symbolGram } from "./autocorrelation.ts";
import { verifiedNorm } from "./cholesky.ts";
import { frobeniusUp, normalised } from "./enclosure.ts";
import { type Hermitian, powerSteps, provedBelow } from "./hermitian.ts";
import { type Matrix, transpose } from "./matrix.ts";
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
 * below that number, by a cheap norm or one Cholesky factorisation, or raises it. Where the taps are few, the Gram matrices of all
 * symbols come from the products of taps (`symbolGram`), and the factorisations are complex.
 *
 * Reference: Sedghi, Gupta, Long 2019 (circular); Yi 2020 and Delattre et al. 2023 (zero padding, stride).
 */
export function fourierBound(conv: Convolution): FourierBound {
  const axes = axesOf(conv);
  const plan = symbols(conv, axes);
  const grams = plan.grams();
  const { first, within } = grams ? byGrams(plan, grams) : bySymbols(plan);
  const top = powerIteration(matrixOperator(plan.symbol(first)));
  return { upper: scaleUp(up(within + plan.error), plan.exponent), input: plan.wave(first, top.right) };
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

/** The steepest frequency as far as it was looked for, and a number that the norms of all symbols are proved not to exceed, but for `error`. */
interface Swept {
  readonly first: number;
  readonly within: number;
}

/** Sweep over symbols that are few, narrow or made of many taps. */
function bySymbols(plan: Plan): Swept {
  const total = plan.groups * plan.frequencies;
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
  return { first: order[0], within: s };
}

/** Bytes of Gram matrices that are kept from the first look to the proof. */
const mostKept = 2 ** 27;

/** The same with Gram matrices that come from their coefficients, and proofs on complex matrices. */
function byGrams(plan: Plan, grams: readonly SymbolGram[]): Swept {
  const { n } = grams[0];
  const work: Hermitian = { n, re: new Float64Array(n * n), im: new Float64Array(n * n) };
  const total = plan.groups * plan.frequencies;
  const gramAt = (f: number): SymbolGram => grams[Math.floor(f / plan.frequencies)];
  const kept: Hermitian[] = [];
  const keeps = total * n * n * 16 <= mostKept;
  // One piece of memory for all: the collector has nothing to do.
  const room = { re: new Float64Array((keeps ? total : 1) * n * n), im: new Float64Array((keeps ? total : 1) * n * n) };
  const filled = (f: number): Hermitian => {
    const place = keeps ? f : 0;
    if (keeps && kept[place]) return kept[place];
    kept[place] ??= {
      n,
      re: room.re.subarray(place * n * n, (place + 1) * n * n),
      im: room.im.subarray(place * n * n, (place + 1) * n * n),
    };
    gramAt(f).fill(kept[place], (shift) => plan.root(f, shift));
    return kept[place];
  };
  const estimates = new Float64Array(total);
  // The leading vectors of neighbours are alike: each frequency begins where the one before it ended.
  const vector = Float64Array.from({ length: 2 * n }, (_, k) => 1 + (k % 7) / 7);
  const refine = (f: number, steps: number) => {
    for (let k = 0; k < n; k++) vector[k] += 1e-3 * (1 + (k % 5));
    estimates[f] = powerSteps(filled(f), vector, steps);
  };
  for (let f = 0; f < total; f++) refine(f, 3);
  const falling = () => Array.from(estimates.keys()).sort((a, b) => estimates[b] - estimates[a]);
  for (const f of falling().slice(0, 12)) refine(f, 20);
  const order = falling();
  /** A number just above the norm of a symbol: tried from the power method's, else found in the real form. */
  const above = (f: number): number => {
    refine(f, 100);
    for (let gap = 1e-9; gap < 1e-6; gap *= 8) {
      const s = Math.sqrt(estimates[f]) * (1 + gap);
      if (provedBelow(filled(f), gramAt(f).radius, s, work)) return s;
    }
    return spectralNorm(plan.symbol(f)).upper;
  };
  let s = above(order[0]);
  for (const f of order.slice(1)) {
    if (!provedBelow(filled(f), gramAt(f).radius, s, work)) s = Math.max(s, above(f));
  }
  return { first: order[0], within: s };
}

interface Plan {
  readonly groups: number;
  /** Frequencies of one group. */
  readonly frequencies: number;
  readonly exponent: number;
  /** Bounds the spectral norm of the error of every symbol. */
  readonly error: number;
  /** Whether a symbol has one row or one column, so that its norm is its Frobenius norm. */
  readonly rankOne: boolean;
  /** The real form of the symbol of frequency f, counted group by group, at a scale of 2^exponent. */
  symbol(f: number): Matrix;
  /** Cosine and sine of the angle that a shift turns frequency f by. */
  root(f: number, shift: readonly [number, number]): readonly [number, number];
  /** The Gram matrices of the symbols, group by group, where they are cheaper than the symbols. */
  grams(): readonly SymbolGram[] | null;
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

  const root = (f: number, [da, db]: readonly [number, number]): readonly [number, number] => {
    const { ma, mb } = place(f);
    const turn = modulo(((ma * da) % Ma) * Mb + ((mb * db) % Mb) * Ma, Ma * Mb);
    return [roots.cos[turn], roots.sin[turn]];
  };

  /** The taps of a group by their shift on the coarse grid, the shorter side of the symbol as rows. */
  const shifted = (group: number): ShiftedTap[] => {
    const found = new Map<string, { readonly shift: readonly [number, number]; readonly data: Float64Array }>();
    for (const [t, { qa, qb, residue }] of taps.entries()) {
      const own = found.get(`${qa},${qb}`) ?? { shift: [qa, qb] as const, data: new Float64Array(rows * cols) };
      found.set(`${qa},${qb}`, own);
      for (let o = 0; o < rows; o++) {
        const from = (group * rows + o) * conv.inChannels * taps.length + t;
        for (let i = 0; i < conv.inChannels; i++) {
          own.data[o * cols + residue * conv.inChannels + i] += kernel[from + i * taps.length];
        }
      }
    }
    return Array.from(found.values(), ({ shift, data }) => {
      const X = { rows, cols, data };
      return { shift, X: rows <= cols ? X : transpose(X) };
    });
  };
  const grams = () => {
    const shifts = new Set(taps.map(({ qa, qb }) => `${qa},${qb}`)).size;
    const small = Math.min(rows, cols);
    // Setting up makes shifts^2 / 2 products, a frequency up to 2 shifts^2 sums in place of one product of complex matrices.
    if (small < 4 || shifts ** 2 > 8 * frequencies || 2 * shifts ** 2 > 4 * Math.max(rows, cols)) return null;
    return Array.from({ length: conv.groups }, (_, group) => symbolGram(shifted(group)));
  };

  const error = symbolError(kernel, taps);
  const rankOne = Math.min(rows, cols) === 1;
  return { groups: conv.groups, frequencies, exponent, error, rankOne, symbol, root, grams, wave };
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
