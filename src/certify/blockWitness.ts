/** @file The residual blocks of a network that the checker will take as one, with multipliers read off their weights and moved until it accepts them. */

import { transposed } from "../verify/algebra/compose.ts";
import type { Sparse } from "../verify/algebra/sparse.ts";
import { type BlockParts, blockParts, provedBlock, scaledParts, scalesOf } from "../verify/proof/block.ts";
import type { Program } from "../verify/read/network.ts";
import { Refusal } from "../verify/refusal.ts";
import { runUntil } from "../verify/task.ts";
import type { BlockPlace, BlockWitness } from "../verify/witness.ts";
import { largestSingular } from "./largest.ts";

export interface FoundBlocks {
  readonly blocks: readonly BlockWitness[];
  /** The sums that may end blocks, for which there was no time. */
  readonly late: readonly string[];
}

/** Find the blocks whose constant is below what the norms of their parts say; until a time in seconds of `performance.now()`. */
export async function blockWitness(program: Program, until: number, signal?: AbortSignal): Promise<FoundBlocks> {
  const blocks: BlockWitness[] = [];
  const late: string[] = [];
  const isLate = () => performance.now() > 1000 * until;
  for (const place of placesOf(program)) {
    try {
      const parts = isLate() ? null : blockParts(program, place);
      const multipliers = parts && multipliersOf(parts);
      const witness = multipliers && (await accepted(program, parts, { ...place, multipliers }, until, signal));
      if (witness) blocks.push(witness);
      else if (isLate()) late.push(place.to);
    } catch (error) {
      // Of another form than it looked.
      if (!(error instanceof Refusal)) throw error;
    }
  }
  return { blocks, late };
}

// --- internal ---

/** The sums h + v where v is made of an activation, and that of h, by nothing but affine maps. */
function placesOf(program: Program): readonly BlockPlace[] {
  return program.steps.flatMap((step) => {
    if (step.kind !== "affine" || step.parts.length !== 2) return [];
    const [a, b] = step.parts.map((part) => part.from);
    const places = [
      [a, b],
      [b, a],
    ].flatMap(([from, branch]): BlockPlace[] => {
      const sources = sourcesOf(program, branch, from).filter((source) => source !== from);
      const activation = sources.length === 1 ? program.byTensor.get(sources[0]) : undefined;
      if (activation?.kind !== "pointwise") return [];
      const own = sourcesOf(program, activation.from, from);
      return own.join() === from ? [{ to: step.tensor, from, activation: sources[0] }] : [];
    });
    return places.slice(0, 1);
  });
}

/** What a tensor is made of by affine steps, as far back as they go or to `end`. */
function sourcesOf({ byTensor }: Program, tensor: string, end: string): readonly string[] {
  const sources = new Set<string>();
  const seen = new Set<string>();
  const stack = [tensor];
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const step = byTensor.get(name);
    if (name === end || step?.kind !== "affine" || step.sorts !== undefined) sources.add(name);
    else if (!seen.has(name)) stack.push(...step.parts.map((part) => part.from));
    seen.add(name);
  }
  return [...sources];
}

/** The multipliers for which V + U^T L is least, one for each channel of a convolution; null where there are none. */
function multipliersOf({ U, V, kernel, shapes }: BlockParts): readonly number[] | null {
  const columns = transposed(V);
  const count = kernel && shapes.s.length >= 3 ? kernel.inChannels : U.rows;
  const each = U.rows / count;
  const multipliers: number[] = [];
  for (let i = 0; i < count; i++) {
    let [product, square, own] = [0, 0, 0];
    for (let r = i * each; r < (i + 1) * each; r++) {
      product += dot(U, columns, r);
      square += dot(U, U, r);
      own += dot(columns, columns, r);
    }
    // A neuron that does not move, or that nothing reads.
    const still = square === 0 || own === 0;
    if (!still && !(product < 0)) return null;
    multipliers.push(still ? 0 : -product / square);
  }
  return multipliers;
}

/** Row r of A times row r of B. */
function dot(A: Sparse, B: Sparse, r: number): number {
  let sum = 0;
  let m = B.start[r];
  for (let k = A.start[r]; k < A.start[r + 1]; k++) {
    while (m < B.start[r + 1] && B.index[m] < A.index[k]) m++;
    if (m < B.start[r + 1] && B.index[m] === A.index[k]) sum += A.value[k] * B.value[m];
  }
  return sum;
}

/** Norms of V D that are tried for the multipliers of `multipliersOf`: near what is found, and near 1, which symbols can be above and it below. */
const triedFor = (near: number): readonly number[] =>
  [
    ...[2 ** -34, 2 ** -26].map((hair) => near * (1 + hair)),
    ...[-(2 ** -6), 2 ** -32, 2 ** -22, 2 ** -18, 2 ** -13, 2 ** -9, 2 ** -5].map((more) => 1 + more),
  ]
    .filter((s) => s > near)
    .sort((a, b) => a - b);

/**
 * Multipliers times 1 + t bring a norm s of V D below 1, to s / sqrt(1 + t), and let |E D| grow to about e + t s: the best t for every s that
 * is tried, and the first s that is proved.
 */
async function accepted(
  program: Program,
  parts: BlockParts,
  plain: Omit<BlockWitness, "norm">,
  until: number,
  signal?: AbortSignal,
): Promise<BlockWitness | null> {
  const { VD, offset } = scaledParts(parts, scalesOf(parts, plain.multipliers));
  for (const s of triedFor(largestSingular(VD))) {
    const square = (t: number) => (offset * (1 + t) + t * s) ** 2 / (1 - (s * s) / (1 + t));
    const least = Math.max(0, s * s - 1);
    const t = [0, ...Array.from({ length: 80 }, (_, k) => 2 ** (k / 2 - 40))]
      .map((room) => 2 * least + room)
      .reduce((best, room) => (square(room) < square(best) ? room : best));
    const norm = (s / Math.sqrt(1 + t)) * (1 + 2 ** -40);
    const witness = { ...plain, multipliers: plain.multipliers.map((l) => l * (1 + t)), norm };
    if (!(norm < 1)) continue;
    const constant = await runUntil(provedBlock(program, witness), 1000 * until, signal);
    if (constant === null) continue;
    return constant < 1 + largestSingular(parts.U) * largestSingular(parts.V) ? witness : null;
  }
  return null;
}
