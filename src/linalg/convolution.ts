/** @file Norms of convolutions, proved. For l1 and l-inf they are exact up to rounding, for l2 as tight as the matrix where that is small and as the circular embedding where it is not. */
import { UsageError } from "../tensor/errors.ts";
import { normalised } from "./enclosure.ts";
import { fourierBound, fourierCost } from "./fourier.ts";
import type { Matrix } from "./matrix.ts";
import { type NormOptions, type ProvedNorm, spectralCost, spectralNorm, sumNorm } from "./norm.ts";
import type { LinearOperator } from "./operator.ts";
import { powerIteration } from "./power.ts";
import { scaleDown, sqrtUp, up } from "./rounding.ts";
import { axesOf, type Convolution, reach, touching } from "./stencil.ts";

export interface ConvolutionNormOptions extends NormOptions {
  /** Most entries of the matrix that may be built, default 4e6; 0 leaves Fourier alone. */
  readonly unrollLimit?: number;
  /** Power iterations on the convolution for `lower` where the matrix is not built; none by default, `lower` is 0 then. They cost many times what `upper` does. */
  readonly lowerIterations?: number;
}

/**
 * Enclose the norm of a zero-padded convolution as a map from l_p to l_p.
 *
 * p = inf: the largest sum of |K| over what one output reads; p = 1: over the outputs that one input reaches (with a stride,
 * only the taps of its residue class); both respect the border. p = 2: `fourierBound`, and where the matrix of one group is small
 * enough its spectral norm, which is smaller; a transposed convolution is the adjoint and has the same l2 norm.
 */
export function convolutionNorm(conv: Convolution, p: 1 | 2 | "inf", options: ConvolutionNormOptions = {}): ProvedNorm {
  axesOf(conv);
  if (p !== 2) return tapSums(conv, p);
  const { unrollLimit = largestUnrolled, lowerIterations = 0 } = options;
  if (!(unrollLimit >= 0))
    throw new UsageError(`convolutionNorm: unrollLimit must not be negative, got ${unrollLimit}`);
  if (conv.kernel.every((w) => w === 0)) return { lower: 0, upper: 0, method: "sums" };

  if (shouldUnroll(conv, unrollLimit)) {
    const parts = Array.from({ length: conv.groups }, (_, g) => spectralNorm(channelsLast(groupOf(conv, g)), options));
    return {
      lower: Math.max(...parts.map((part) => part.lower)),
      upper: Math.max(...parts.map((part) => part.upper)),
      method: "unrolled",
    };
  }
  const { upper, input } = fourierBound(conv, options.tolerance);
  if (lowerIterations === 0) return { lower: 0, upper, method: "fourier" };
  const { data, exponent } = normalised(conv.kernel);
  const scaled = convolutionOperator({ ...conv, kernel: data });
  const { value } = powerIteration(scaled, { start: input(), iterations: lowerIterations, tolerance: 1e-4 });
  return { lower: scaleDown(value, exponent), upper, method: "fourier" };
}

/** Multiply-adds in plain loops that take as long as `convolutionNorm` does, roughly: what is too much is not begun. */
export function convolutionCost(conv: Convolution, p: 1 | 2 | "inf", options: ConvolutionNormOptions = {}): number {
  if (p !== 2) return 4 * conv.kernel.length;
  if (!shouldUnroll(conv, options.unrollLimit ?? largestUnrolled)) return 2e7 + fourierCost(conv) / 8;
  const { rows, cols } = groupSize(conv);
  return conv.groups * (10 * rows * cols + spectralCost(rows, cols));
}

/** Build the matrix of a convolution, [outChannels * outputs, inChannels * groups * inputs]. */
export function unroll(conv: Convolution): Matrix {
  const [a, b] = axesOf(conv);
  const size = a.size * b.size;
  const cols = conv.inChannels * conv.groups * size;
  const rows = conv.outChannels * a.out * b.out;
  const data = new Float64Array(rows * cols);
  visit(conv, (weight, y, x, count) => {
    for (let j = 0; j < count; j++) data[(y + j) * cols + x + j * b.stride] = weight;
  });
  return { rows, cols, data };
}

/** A convolution as an operator on [channels, ...spatial] arrays; kernel entries must be of moderate size (see `normalised`). */
export function convolutionOperator(conv: Convolution): LinearOperator {
  const [a, b] = axesOf(conv);
  const rows = conv.outChannels * a.out * b.out;
  const cols = conv.inChannels * conv.groups * a.size * b.size;
  return {
    rows,
    cols,
    apply(x) {
      const y = new Float64Array(rows);
      visit(conv, (weight, to, from, count) => {
        if (b.stride === 1) for (let j = 0; j < count; j++) y[to + j] += weight * x[from + j];
        else for (let j = 0; j < count; j++) y[to + j] += weight * x[from + j * b.stride];
      });
      return y;
    },
    adjoint(y) {
      const x = new Float64Array(cols);
      visit(conv, (weight, from, to, count) => {
        if (b.stride === 1) for (let j = 0; j < count; j++) x[to + j] += weight * y[from + j];
        else for (let j = 0; j < count; j++) x[to + j * b.stride] += weight * y[from + j];
      });
      return x;
    },
    terms: conv.inChannels * a.taps * b.taps,
    absolute: sqrtUp(up(tapSums(conv, 1).upper * tapSums(conv, "inf").upper)),
  };
}

// --- internal ---

/** Call `run(weight, output, input, count)` for every weight and output row it serves: `count` outputs in a row from flat index `output` on, inputs `stride` apart. */
function visit(conv: Convolution, run: (weight: number, output: number, input: number, count: number) => void): void {
  const [a, b] = axesOf(conv);
  const along = Array.from({ length: a.taps }, (_, t) => reach(a, t));
  const across = Array.from({ length: b.taps }, (_, t) => reach(b, t));
  const perGroup = conv.outChannels / conv.groups;
  let at = 0;
  for (let o = 0; o < conv.outChannels; o++) {
    const group = Math.floor(o / perGroup);
    for (let i = 0; i < conv.inChannels; i++) {
      const channel = (group * conv.inChannels + i) * a.size;
      for (let s = 0; s < a.taps; s++) {
        for (let t = 0; t < b.taps; t++) {
          const weight = conv.kernel[at++];
          const { first, last } = across[t];
          if (weight === 0 || last < first) continue;
          const column = b.stride * first + b.dilation * t - b.begin;
          for (let j = along[s].first; j <= along[s].last; j++) {
            const row = channel + a.stride * j + a.dilation * s - a.begin;
            run(weight, (o * a.out + j) * b.out + first, row * b.size + column, last - first + 1);
          }
        }
      }
    }
  }
}

/** The matrix of a convolution with the channels of a place side by side: the same norm, and narrow bands where the image is larger than the kernel. */
function channelsLast(conv: Convolution): Matrix {
  const { rows, cols, data } = unroll(conv);
  const from = (size: number, channels: number) => {
    const places = size / channels;
    return Int32Array.from({ length: size }, (_, k) => (k % channels) * places + Math.floor(k / channels));
  };
  const rowFrom = from(rows, conv.outChannels);
  const colFrom = from(cols, conv.inChannels);
  const moved = new Float64Array(rows * cols);
  for (let i = 0; i < rows; i++) {
    const at = rowFrom[i] * cols;
    for (let j = 0; j < cols; j++) moved[i * cols + j] = data[at + colFrom[j]];
  }
  return { rows, cols, data: moved };
}

/** The l1 or l-inf norm: sums of |K| per channel over the sets of taps that meet. */
function tapSums(conv: Convolution, p: 1 | "inf"): ProvedNorm {
  const [a, b] = axesOf(conv);
  const { data: kernel, exponent } = normalised(conv.kernel);
  const { outChannels, inChannels, groups } = conv;
  const perGroup = outChannels / groups;
  const size = a.taps * b.taps;
  const channels = p === 1 ? inChannels * groups : outChannels;
  const sums = new Float64Array(channels * size);
  for (let o = 0, k = 0; o < outChannels; o++) {
    const first = Math.floor(o / perGroup) * inChannels;
    for (let i = 0; i < inChannels; i++) {
      const channel = (p === 1 ? first + i : o) * size;
      for (let t = 0; t < size; t++, k++) sums[channel + t] += Math.abs(kernel[k]);
    }
  }
  const at = p === 1 ? "input" : "output";
  const columns = touching(b, at);
  let top = 0;
  for (const rows of touching(a, at)) {
    for (const cols of columns) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (const s of rows) for (const t of cols) sum += sums[c * size + s * b.taps + t];
        top = Math.max(top, sum);
      }
    }
  }
  return sumNorm(top, (p === 1 ? perGroup : inChannels) * size, exponent);
}

/** Whether the matrices of all groups are small enough, and either cheap or cheaper than Fourier. */
function shouldUnroll(conv: Convolution, limit: number): boolean {
  const { rows, cols } = groupSize(conv);
  if (rows * cols * conv.groups > limit) return false;
  const cost = conv.groups * rows * cols * (Math.min(rows, cols) + 200);
  return cost <= 2e9 || cost <= fourierCost(conv);
}

/** The matrix of one group. */
function groupSize(conv: Convolution): { readonly rows: number; readonly cols: number } {
  const [a, b] = axesOf(conv);
  return { rows: (conv.outChannels / conv.groups) * a.out * b.out, cols: conv.inChannels * a.size * b.size };
}

/** Entries of a matrix that may be built by default. */
const largestUnrolled = 4e6;

function groupOf(conv: Convolution, g: number): Convolution {
  const perGroup = conv.outChannels / conv.groups;
  const length = conv.kernel.length / conv.groups;
  return {
    ...conv,
    kernel: conv.kernel.subarray(g * length, (g + 1) * length),
    outChannels: perGroup,
    groups: 1,
  };
}
