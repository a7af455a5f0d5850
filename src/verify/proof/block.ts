/**
 * @file Residual blocks y = h + V s(U h + b), which lengthen next to nothing where V is about -U^T L, L > 0: no product of norms sees that.
 * The multipliers L come with the certificate; what they prove is proved of U and V as they are.
 */
import { plus, transposed } from "../algebra/compose.ts";
import { addUp, down, sqrtUp, timesUp, up } from "../algebra/rounding.ts";
import { identity, type Sparse } from "../algebra/sparse.ts";
import { absoluteNorm, roundingNorm } from "../algebra/sparseNorm.ts";
import { type Program, sampleName } from "../read/network.ts";
import { count, type Kernel } from "../read/step.ts";
import { must } from "../refusal.ts";
import type { Task } from "../task.ts";
import type { BlockPlace, BlockWitness } from "../witness.ts";
import { kernelBetween } from "./fourier.ts";
import { provedNorm } from "./norm.ts";
import { regions } from "./region.ts";

/** A block whose constant is proved. */
export interface Block {
  /** The tensor h. */
  readonly from: string;
  /** The tensor of s(U h + b). */
  readonly activation: string;
  /** |y - y'| <= constant |h - h'|, in l2. */
  readonly constant: number;
}

/** The matrices of a block. */
export interface BlockParts {
  readonly U: Sparse;
  readonly V: Sparse;
  /** Of V, where it is a convolution in one group. */
  readonly kernel: Kernel | null;
  readonly shapes: { readonly h: readonly number[]; readonly s: readonly number[] };
}

/** A block by its tensors, wherever it lies in a network. Throws Refusal where it is of another form, or anything goes around it. */
export function blockParts(program: Program, { to, from, activation }: BlockPlace): BlockParts {
  const { byTensor } = program;
  const who = `the block of "${to}"`;
  const [end, act, start] = [to, activation, from].map((tensor) => byTensor.get(tensor));
  must(end?.kind === "affine", () => `${who}: it must end in a sum`);
  must(start !== undefined || from === sampleName, () => `${who}: there is no tensor "${from}"`);
  must(act?.kind === "pointwise" && activation !== from, () => `${who}: "${activation}" is no activation of it`);
  const [low, high] = act.scalar.slope;
  must(low >= 0 && high <= 1, () => `${who}: the slopes of "${activation}" must be in [0, 1]`);
  const regionOf = regions(program, "source", new Set([from]));
  const shapes = { h: start?.shape ?? [program.size], s: act.shape };
  const only = (tensor: string, sources: readonly string[]) => {
    const region = regionOf(tensor);
    const others = [...region.keys()].filter((source) => !sources.includes(source));
    must(others.length === 0, () => `${who}: "${others[0]}" goes around "${sources[0]}"`);
    return region;
  };
  const outer = only(to, [from, activation]);
  const [through, V] = [outer.get(from), outer.get(activation)];
  must(through !== undefined && isIdentity(through), () => `${who}: it must add "${from}" as it is`);
  must(V !== undefined, () => `${who}: it does not read "${activation}"`);
  const U = act.from === from ? identity(count(shapes.h)) : only(act.from, [from]).get(from);
  must(U !== undefined, () => `${who}: its activation does not read "${from}"`);
  // What lies before the block does not matter.
  const within = (tensor: string) => (tensor === from ? new Map<string, Sparse>() : regionOf(tensor));
  const kernel = kernelBetween(program, within, activation, to);
  return { U, V, kernel: kernel?.groups === 1 ? kernel : null, shapes };
}

/**
 * Prove a constant of a block in l2; null says that its norm is not proved, and nothing else.
 *
 * With u = U dh, v = ds(u) and slopes in [0, 1] it holds v^T L (u - v) >= 0 for diagonal L > 0. With D = (2 L)^(-1/2), w = D^-1 v and
 * E = V + U^T L that gives
 *
 *     |dh + V v|^2 <= |dh|^2 + 2 dh^T E D w + |V D w|^2 - |w|^2 <= (1 + |E D|^2 / (1 - s^2)) |dh|^2,   |V D| <= s < 1.
 *
 * D is what is computed here of the multipliers, and L the exact 1 / (2 D^2). A neuron with the multiplier 0 is left out: it must not move, or
 * nothing must read it. s is the norm that the witness claims. Throws Refusal where the block or its multipliers do not fit.
 * Reference: Araujo, Havens, Delattre, Allauzen and Hu 2023, theorem 2, of which this is the form for rounded weights.
 */
export function* provedBlock(program: Program, witness: BlockWitness): Task<number | null> {
  const parts = blockParts(program, witness);
  const { U, kernel, shapes } = parts;
  const who = `the block of "${witness.to}"`;
  const { norm, multipliers } = witness;
  must(norm >= 0 && norm < 1, () => `${who}: its norm must be below 1`);
  const D = scalesOf(parts, multipliers, who);
  const shape = { from: shapes.s, to: shapes.h, kernel: kernel && scaledKernel(kernel, D, U.rows) };
  const { VD, offset } = scaledParts(parts, D);
  if (!(yield* provedNorm(VD, 2, norm, shape))) return null;
  const room = down(1 - up(norm * norm));
  return room > 0 && offset < 2 ** 100 ? sqrtUp(addUp(1, up(timesUp(offset, offset) / room))) : null;
}

/** V D, and an upper bound of |E D|. */
export function scaledParts({ U, V }: BlockParts, D: Float64Array): { readonly VD: Sparse; readonly offset: number } {
  const VD = columnsTimes(V, D);
  const E = plus(
    VD,
    columnsTimes(
      transposed(U),
      D.map((d) => (d === 0 ? 0 : 0.5 / d)),
    ),
  );
  // The sizes of its entries are those of what cancels; what is left is in the values.
  const left = absoluteNorm({ ...E, size: E.value, roundings: 0 }, 2);
  return { VD, offset: addUp(left, roundingNorm(E, 2)) };
}

/** D of multipliers, one for each number or one for each channel; 0 for what is left out. */
export function scalesOf(
  { U, V, shapes }: BlockParts,
  multipliers: readonly number[],
  who = "the block",
): Float64Array {
  const size = U.rows;
  const channels = shapes.s.length >= 3 && shapes.s[0] === 1 ? shapes.s[1] : size;
  must(
    multipliers.length === size || multipliers.length === channels,
    () => `${who}: it must have ${channels === size ? size : `${channels} or ${size}`} multipliers`,
  );
  must(
    multipliers.every((l) => l === 0 || (l > 2 ** -100 && l < 2 ** 100)),
    () => `${who}: its multipliers must be 0 or positive, and not far from 1`,
  );
  const read = new Uint8Array(size);
  for (const j of V.index) read[j] = 1;
  return Float64Array.from({ length: size }, (_, i) => {
    const l = multipliers[Math.floor((i * multipliers.length) / size)];
    if (l > 0) return Math.sqrt(0.5 / l);
    must(U.start[i] === U.start[i + 1] || read[i] === 0, () => `${who}: a neuron that moves needs a multiplier`);
    return 0;
  });
}

// --- internal ---

function isIdentity({ rows, cols, start, index, value, roundings }: Sparse): boolean {
  if (rows !== cols || roundings !== 0 || index.length !== rows) return false;
  for (let i = 0; i < rows; i++) if (start[i + 1] !== i + 1 || index[i] !== i || value[i] !== 1) return false;
  return true;
}

/** A diag(factors); a factor may have one rounding of its own. */
function columnsTimes(A: Sparse, factors: Float64Array): Sparse {
  const value = A.value.map((v, k) => v * factors[A.index[k]]);
  const size = A.size === A.value ? value : A.size.map((s, k) => s * factors[A.index[k]]);
  return { ...A, value, size, roundings: A.roundings + 4 };
}

/** The kernel with its input channels scaled; null where those of a channel differ. */
function scaledKernel(kernel: Kernel, D: Float64Array, size: number): Kernel | null {
  const { taps, inChannels, outChannels } = kernel;
  const each = size / inChannels;
  if (D.some((d, i) => d !== D[Math.floor(i / each) * each])) return null;
  const area = taps.length / (inChannels * outChannels);
  return {
    ...kernel,
    taps: taps.map((v, k) => v * D[(Math.floor(k / area) % inChannels) * each]),
    roundings: kernel.roundings + 2,
  };
}
