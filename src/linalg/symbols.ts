/** @file The symbols of a zero-padded convolution on a circular grid that embeds it: the steps that `fourierBound` describes, numbered as there. */
import type { Arena } from "./arena.ts";
import { gramBytes, type ShiftedTap, type SymbolGram, symbolGram } from "./autocorrelation.ts";
import { normalised } from "./enclosure.ts";
import type { Matrix } from "./matrix.ts";
import { type Roots, rootError, rootsOfUnity } from "./roots.ts";
import { gamma, sqrtUp, sumUp, tiny, up } from "./rounding.ts";
import type { Axis, Convolution } from "./stencil.ts";

/** A frequency of a group, on the grid of sides Ma and Mb. */
export interface Place {
  readonly group: number;
  readonly ma: number;
  readonly mb: number;
}

export interface Symbols {
  readonly exponent: number;
  /** Bounds the spectral norm of the error of every symbol. */
  readonly error: number;
  /** Whether a symbol has one row or one column, so that its norm is its Frobenius norm. */
  readonly rankOne: boolean;
  /** The frequencies of all groups, row by row and one of each conjugate pair; or a sample of them, where they are many. */
  places(which: "all" | "sample"): readonly Place[];
  /** The real form of the symbol of a frequency, at a scale of 2^exponent. */
  symbol(place: Place): Matrix;
  /** The Gram matrices of the symbols, group by group. */
  grams(arena: Arena): readonly SymbolGram[];
  /** Bytes of an arena that they take. */
  gramBytes(): number;
  /** The image that a frequency and a vector of the real form stand for. */
  wave(place: Place, vector: Float64Array): Float64Array;
}

/** Set up the symbols of a convolution with these axes. */
export function symbols(conv: Convolution, axes: readonly [Axis, Axis]): Symbols {
  const [a, b] = axes;
  const { data: kernel, exponent } = normalised(conv.kernel);
  const [Ma, Mb] = [gridOf(a), gridOf(b)];
  const rows = conv.outChannels / conv.groups;
  const residues = a.stride * b.stride;
  const cols = conv.inChannels * residues;
  const taps = tapsOf(axes);
  const roots: Roots = rootsOfUnity(Ma * Mb);

  const places = (which: "all" | "sample"): readonly Place[] => {
    const [skipA, skipB] = [Ma, Mb].map((M) => (which === "sample" ? Math.ceil(M / sampleSide) : 1));
    const found: Place[] = [];
    for (let group = 0; group < conv.groups; group++) {
      for (let ma = 0; ma < Ma; ma += skipA) {
        for (let mb = 0; 2 * mb <= Mb; mb += skipB) {
          if (2 * ma > Ma && (mb === 0 || 2 * mb === Mb)) continue;
          found.push({ group, ma, mb });
        }
      }
    }
    return found;
  };

  const symbol = ({ group, ma, mb }: Place): Matrix => {
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

  const wave = ({ group, ma, mb }: Place, vector: Float64Array): Float64Array => {
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

  const shifts = [...new Map(taps.map(({ qa, qb }) => [`${qa},${qb}`, [qa, qb] as const])).values()];
  const sides = [Math.min(rows, cols), Math.max(rows, cols)] as const;
  /** The taps of a group by their shift on the coarse grid, the shorter side of the symbol as rows. */
  const shifted = (group: number): ShiftedTap[] => {
    const [across, down] = rows <= cols ? [1, cols] : [rows, 1];
    const data = shifts.map(() => new Float64Array(rows * cols));
    const parts = taps.map(({ qa, qb, residue }, t) => ({
      t,
      at: residue * conv.inChannels * across,
      to: data[shifts.findIndex(([a, b]) => a === qa && b === qb)],
    }));
    for (let o = 0; o < rows; o++) {
      let from = (group * rows + o) * conv.inChannels * taps.length;
      for (let i = 0; i < conv.inChannels; i++, from += taps.length) {
        for (const { t, at, to } of parts) to[at + o * down + i * across] += kernel[from + t];
      }
    }
    return shifts.map((shift, k) => ({ shift, X: { rows: sides[0], cols: sides[1], data: data[k] } }));
  };
  const grams = (arena: Arena) =>
    Array.from({ length: conv.groups }, (_, group) => symbolGram(shifted(group), [Ma, Mb], arena));
  const bytes = () => conv.groups * gramBytes(shifts, sides, [Ma, Mb]);

  const error = symbolError(kernel, taps);
  return { exponent, error, rankOne: Math.min(rows, cols) === 1, places, symbol, grams, gramBytes: bytes, wave };
}

/** The side M of the coarse circular grid: the least with stride M >= size + max(begin, end) and M >= out. */
export function gridOf(axis: Axis): number {
  return Math.max(Math.ceil((axis.size + Math.max(axis.begin, axis.end)) / axis.stride), axis.out);
}

// --- internal ---

/** A sample takes at most so many frequencies of an axis: neighbours on a finer grid are alike. */
const sampleSide = 16;

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

/** The bound of step 4 for the whole kernel, which covers each group. */
function symbolError(kernel: Float64Array, taps: readonly Tap[]): number {
  const residues = 1 + taps.reduce((most, tap) => Math.max(most, tap.residue), 0);
  const sums = new Float64Array((kernel.length / taps.length) * residues);
  for (let pair = 0, k = 0; pair < kernel.length / taps.length; pair++) {
    for (const { residue } of taps) sums[pair * residues + residue] += Math.abs(kernel[k++]);
  }
  let squares = 0;
  for (const x of sums) squares += x * x;
  const size = sumUp(sqrtUp(up(sumUp(squares, sums.length) + tiny)), taps.length);
  const relative = up(rootError + up(gamma(taps.length + 1) * up(1 + rootError)));
  return up(up(up(sqrtUp(2) * relative) * size) + tiny);
}

function windowAt(x: number, size: number): number {
  return Math.sin((Math.PI * (x + 1)) / (size + 1));
}

function modulo(x: number, n: number): number {
  return ((x % n) + n) % n;
}
