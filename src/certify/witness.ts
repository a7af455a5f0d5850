/** @file The witness of a constant: norms of the affine maps of a model and multipliers of its activations, each offered to the checker that will have to accept it. */
import type { Engine } from "../engine/engine.ts";
import { kernelBetween } from "../verify/proof/fourier.ts";
import type { Norm } from "../verify/proof/norm.ts";
import { endsOf, regions } from "../verify/proof/region.ts";
import type { Program } from "../verify/read/network.ts";
import type { Witness } from "../verify/witness.ts";
import { blockWitness } from "./blockWitness.ts";
import { chainWitness } from "./chainWitness.ts";
import { normWitness } from "./normWitness.ts";

export interface WitnessOptions {
  readonly norm: Norm;
  /** Where the multipliers are searched. */
  readonly engine: Engine;
  /** For the search of multipliers, default 3. */
  readonly seconds?: number;
  /** For everything, default 60. What is not proved by then is left at what sums of absolute values say. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

export interface FoundWitness {
  readonly witness: Witness;
  /** What is larger than it had to be, and why; a line each. */
  readonly notes: readonly string[];
}

/**
 * Find a witness for the constant of a model. Numbers come from the searches of this library and are moved outwards until the proofs of the
 * checker, which round differently, accept them: by parts in 10^9 as a rule. A wide convolution has the norm of the circular one, which
 * its symbols prove; where that or the time is too little, sums of absolute values stand for a norm, and no multipliers for the chain. The
 * notes say so.
 */
export async function witnessOf(program: Program, options: WitnessOptions): Promise<FoundWitness> {
  const { norm, signal, onProgress, limit = 60 } = options;
  const now = () => performance.now() / 1000;
  // What comes later needs time too.
  const until = { blocks: now() + 0.3 * limit, norms: now() + 0.6 * limit, all: now() + limit };
  const { blocks, late } = norm === 2 ? await blockWitness(program, until.blocks, signal) : { blocks: [], late: [] };
  onProgress?.(0.2);
  const byEnd = new Map(blocks.map((block) => [block.to, block]));
  const regionOf = regions(program, "source", new Set(byEnd.keys()));
  const shapeOf = (tensor: string) => program.byTensor.get(tensor)?.shape ?? [program.size];
  const maps = endsOf(program, byEnd).flatMap((to) => [...regionOf(to)].map(([from, map]) => ({ to, from, map })));
  const affine = new Map(endsOf(program, byEnd).map((to) => [to, [] as { tensor: string; norm: number }[]]));
  const by = new Map<string, string[]>();
  for (const [i, { to, from, map }] of maps.entries()) {
    onProgress?.(0.2 + (0.4 * i) / maps.length);
    const kernel = norm === 2 ? kernelBetween(program, regionOf, from, to) : null;
    // No map takes more than twice its share, so that the last ones have time too.
    const share = Math.min(until.norms, now() + (2 * (until.norms - now())) / (maps.length - i));
    const found = await normWitness(map, norm, { from: shapeOf(from), to: shapeOf(to), kernel }, share, signal);
    affine.get(to)?.push({ tensor: from, norm: found.norm });
    if (found.by !== "itself") by.set(found.by, [...(by.get(found.by) ?? []), `"${to}"`]);
  }
  onProgress?.(0.6);
  // Multipliers of a whole network have not been seen to prove less than its blocks.
  const nonlinear = program.steps.filter((step) => step.kind !== "affine").map((step) => step.tensor);
  const rest = nonlinear.some((tensor) => blocks.every((block) => block.activation !== tensor));
  const chain = norm === 2 && rest ? await chainWitness(program, regions(program, "affine"), options, until.all) : null;
  onProgress?.(1);
  return {
    witness: { blocks, affine: [...affine].map(([to, from]) => ({ to, from })), chain: chain?.witness ?? null },
    notes: [
      ...(late.length > 0 ? [`no time for the blocks that end in ${late.map((to) => `"${to}"`).join(", ")}`] : []),
      ...[...by].map(([way, tensors]) => `${way}: the norms of the maps to ${tensors.join(", ")}`),
      ...(chain?.note ? [chain.note] : []),
    ],
  };
}
