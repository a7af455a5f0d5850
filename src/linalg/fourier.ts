/** @file The spectral norm of a zero-padded convolution bounded through Fourier, without the matrix. The circular grid is at least as large as the padded image needs; a grid of the kernel's size would give a number that is not a bound. */
import { type Arena, withArena } from "./arena.ts";
import type { FillRow } from "./autocorrelation.ts";
import { frobeniusUp } from "./enclosure.ts";
import { hermitian, hermitianBytes, inverseSteps, powerSteps, provedBelow, roomFor } from "./hermitian.ts";
import type { Matrix } from "./matrix.ts";
import { spectralNorm } from "./norm.ts";
import { matrixOperator } from "./operator.ts";
import { powerIteration } from "./power.ts";
import { scaleUp, up } from "./rounding.ts";
import { type Axis, axesOf, type Convolution } from "./stencil.ts";
import { gridOf, type Place, type Symbols, symbols } from "./symbols.ts";

export interface FourierBound {
  /** At least the spectral norm of the zero-padded convolution. */
  readonly upper: number;
  /** An input that nearly attains it: the leading vector of the leading frequency under a half-sine window. */
  input(): Float64Array;
}

/**
 * Bound the spectral norm of a zero-padded convolution by that of a circular one on a larger grid, found up to `tolerance` (relative).
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
 * A short power iteration finds the steepest frequency, or one near it; the norm there is found up to the tolerance, and every other is
 * then proved to stay below that number, by one complex Cholesky factorisation of its Gram matrix (`symbolGram`), or raises it.
 *
 * What the larger grid costs is not known beforehand: next to nothing where the leading vectors of neighbouring frequencies are alike;
 * for taps of independent weights, three along each of two axes of n places, the bound is about 3 / (1 + 2 cos(pi / (n + 1))) times
 * the norm: 1 % above it at n = 16, 4 % at 8 and 14 % at 4, less what chance takes off.
 *
 * Reference: Sedghi, Gupta, Long 2019 (circular); Yi 2020 and Delattre et al. 2023 (zero padding, stride).
 */
export function fourierBound(conv: Convolution, tolerance = 1e-9): FourierBound {
  const axes = axesOf(conv);
  const plan = symbols(conv, axes);
  const { first, within } = plan.rankOne
    ? byRows(plan)
    : withArena(arenaBytes(conv, axes, plan), (arena) => byGrams(plan, tolerance, arena));
  return {
    // The error of the symbols is in the radius of their Gram matrices too, but not in the other norms.
    upper: scaleUp(up(within + plan.error), plan.exponent),
    input: () => plan.wave(first, powerIteration(matrixOperator(plan.symbol(first))).right),
  };
}

/** Floating operations that `fourierBound` takes, roughly: to choose between ways, not a promise. */
export function fourierCost(conv: Convolution): number {
  const [a, b] = axesOf(conv);
  const half = (gridOf(a) * (gridOf(b) + 2)) / 2;
  const sides = [conv.outChannels / conv.groups, conv.inChannels * a.stride * b.stride];
  const [small, large] = [Math.min(...sides), Math.max(...sides)];
  const points = Math.min(half, 2 * a.taps * b.taps);
  return conv.groups * small ** 2 * (4 * large * points + half * ((4 / 3) * small + 60));
}

// --- internal ---

/** The steepest frequency as far as it was looked for, and a number that the norms of all symbols are proved not to exceed, but for `error`. */
interface Swept {
  readonly first: Place;
  readonly within: number;
}

/** Sweep over symbols of one row or column, the norms of which are those of vectors. */
function byRows(plan: Symbols): Swept {
  const [first, ...others] = plan.places("all").map((place) => ({ place, size: rowNorm(plan.symbol(place)) }));
  const top = others.reduce((best, other) => (other.size > best.size ? other : best), first);
  return { first: top.place, within: top.size };
}

function arenaBytes(conv: Convolution, [a, b]: readonly [Axis, Axis], plan: Symbols): number {
  const rows = conv.outChannels / conv.groups;
  const n = Math.min(rows, conv.inChannels * a.stride * b.stride);
  const { matrix, room } = hermitianBytes(n + (n % 2));
  return plan.gramBytes() + matrix + room;
}

/** Sweep over Gram matrices: a look at the frequencies for the steepest, then a proof for each. */
function byGrams(plan: Symbols, tolerance: number, arena: Arena): Swept {
  const grams = plan.grams(arena);
  const { n } = grams[0];
  const H = hermitian(arena, n);
  const room = roomFor(arena, n);
  // The leading vectors of neighbours are alike: each frequency begins where the one before it ended.
  const vector = Float64Array.from({ length: 2 * n }, (_, k) => 1 + (k % 7) / 7);
  const steps = (count: number): number => {
    for (let k = 0; k < n; k++) vector[k] += 1e-3 * (1 + (k % 5));
    return powerSteps(H, room, vector, count);
  };
  let row: { readonly group: number; readonly ma: number; readonly fill: FillRow } | undefined;
  const load = ({ group, ma, mb }: Place): void => {
    if (row?.group !== group || row.ma !== ma) row = { group, ma, fill: grams[group].row(ma) };
    row.fill(mb, H);
  };
  const estimated = (places: readonly Place[], count: number) =>
    places
      .map((place) => {
        load(place);
        return { place, value: steps(count) };
      })
      .sort((a, b) => b.value - a.value);
  const likely = estimated(plan.places("sample"), 3).slice(0, 6);
  const first = estimated(
    likely.map(({ place }) => place),
    20,
  )[0].place;

  /** A number just above the norm of the symbol of which H is the Gram matrix: found here, or else in the real form. */
  const above = (place: Place): number => {
    const { radius } = grams[place.group];
    let lower = Math.sqrt(steps(30));
    let [refused, upper] = [0, Number.POSITIVE_INFINITY];
    let gap = tolerance;
    for (let tried = 0; tried < 40 && lower > 0; tried++) {
      if (upper <= Math.max(lower, refused) * (1 + tolerance)) return upper;
      while (lower * (1 + gap) <= refused) gap *= 8;
      const s = lower * (1 + gap) < upper ? lower * (1 + gap) : refused + (upper - refused) / 2;
      if (!provedBelow(H, radius, s, room, "double")) {
        refused = s;
        continue;
      }
      upper = s;
      if (s > lower * (1 + tolerance)) lower = Math.max(lower, Math.sqrt(inverseSteps(H, room, vector, 6)));
      gap = tolerance;
    }
    return Math.min(upper, spectralNorm(plan.symbol(place)).upper);
  };
  load(first);
  let within = above(first);
  for (const place of plan.places("all")) {
    load(place);
    const { radius } = grams[place.group];
    const proved = provedBelow(H, radius, within, room, "single") || provedBelow(H, radius, within, room, "double");
    if (!proved) within = Math.max(within, above(place));
  }
  return { first, within };
}

/** An upper bound of the Frobenius norm of the complex matrix of which F is the real form. */
function rowNorm(F: Matrix): number {
  return frobeniusUp(F.data.subarray(0, F.data.length / 2));
}
