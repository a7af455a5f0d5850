/** @file The constant of a network by one walk over its steps, each norm of the witness proved on the way. */

import { addUp, sqrtUp, timesUp } from "../algebra/rounding.ts";
import { quickNorm } from "../algebra/sparseNorm.ts";
import { type Program, sampleName } from "../read/network.ts";
import type { Step } from "../read/step.ts";
import { must } from "../refusal.ts";
import type { Task } from "../task.ts";
import type { BlockWitness, ChainWitness, NormClaim, Witness } from "../witness.ts";
import { type Block, provedBlock } from "./block.ts";
import { type ChainPairs, chainPairs, provedChain } from "./chain.ts";
import { kernelBetween } from "./fourier.ts";
import { type Norm, provedNorm, rowDistance } from "./norm.ts";
import { endsOf, type Region, regions } from "./region.ts";

export interface Walk {
  readonly norm: Norm;
  /** Of all outputs as one vector. */
  readonly constant: number;
  /** Of every tensor. */
  constantOf(tensor: string): number;
  /** Of output y less output j. */
  pair(y: number, j: number): number;
  /** The proved norms of the region that ends in a tensor; undefined where none ends. */
  normsOf(tensor: string): readonly NormClaim[] | undefined;
  /** The proved block that ends in a tensor. */
  blockOf(tensor: string): Block | undefined;
  /** With the ends of blocks as sources: what the norms are of. */
  readonly regionOf: (tensor: string) => Region;
}

/** Prove the constant from a witness, telling how far it is from 0 to 1. Throws Refusal where a step has no proof. */
export function* walk(
  program: Program,
  norm: Norm,
  witness: Witness,
  onProgress: (fraction: number) => void = () => undefined,
): Task<Walk> {
  must(norm === 2 || witness.blocks.length === 0, () => "the witness: blocks are proved in l2 only");
  const blocks = yield* provedBlocks(program, witness.blocks, (part) => onProgress(0.2 * part));
  const regionOf = regions(program, "source", new Set(blocks.keys()));
  const ends = endsOf(program, blocks);
  const proved = yield* provedNorms(program, norm, witness, ends, regionOf, (part) => onProgress(0.2 + 0.3 * part));
  const constants = new Map<string, number>([[sampleName, 1]]);
  const constantOf = (tensor: string): number => constants.get(tensor) as number;
  for (const step of program.steps) {
    let value = plainConstant(step, norm, constantOf);
    const parts = proved.get(step.tensor);
    if (parts)
      value = Math.min(
        value,
        parts.reduce((sum, part) => addUp(sum, timesUp(part.norm, constantOf(part.tensor))), 0),
      );
    if (step.kind === "affine" && step.sorts !== undefined) value = Math.min(value, constantOf(step.sorts));
    const block = blocks.get(step.tensor);
    if (block) value = Math.min(value, timesUp(block.constant, constantOf(block.from)));
    constants.set(step.tensor, value);
  }
  let constant = constantOf(program.output);
  let behind: ChainPairs | null = null;
  const { chain } = witness;
  if (chain !== null) {
    must(norm === 2, () => "the witness: multipliers prove constants in l2 only");
    must(constants.has(chain.from), () => `the witness: there is no tensor "${chain.from}"`);
    const through = regions(program, "affine");
    must(
      yield* provedChain(program, through, chain),
      () => `the multipliers behind "${chain.from}" do not prove a constant of ${chain.constant}`,
    );
    constant = Math.min(constant, timesUp(constantOf(chain.from), chain.constant));
    constants.set(program.output, constant);
    onProgress(0.7);
    behind = yield* pairsBehind(program, through, chain, constantOf(chain.from));
  }
  must(constant < Number.POSITIVE_INFINITY, () => "the constant is not finite");
  const pair = pairs(regionOf(program.output), norm, constant, constantOf, behind);
  const blockOf = (tensor: string) => blocks.get(tensor);
  return { norm, constant, constantOf, pair, normsOf: (tensor) => proved.get(tensor), blockOf, regionOf };
}

/** The dual length of e_y - e_j: what the difference of two numbers can be, over the p-length of the vector that they are in. */
export const pairLength = (norm: Norm): number => (norm === 2 ? sqrtUp(2) : norm === "inf" ? 2 : 1);

/** How much a step that is not affine stretches. */
export function gainOfStep(step: Exclude<Step, { kind: "affine" }>, norm: Norm): number {
  if (step.kind === "pointwise") return Math.max(Math.abs(step.scalar.slope[0]), Math.abs(step.scalar.slope[1]));
  // A number that is in several windows is passed on as often.
  return norm === "inf" || step.most <= 1 ? 1 : norm === 1 ? step.most : sqrtUp(step.most);
}

// --- internal ---

function plainConstant(step: Step, norm: Norm, constantOf: (tensor: string) => number): number {
  if (step.kind !== "affine") return timesUp(gainOfStep(step, norm), constantOf(step.from));
  return step.parts.reduce(
    (sum, { from, matrix }) => addUp(sum, timesUp(quickNorm(matrix, norm), constantOf(from))),
    0,
  );
}

function* provedBlocks(
  program: Program,
  claims: readonly BlockWitness[],
  onProgress: (fraction: number) => void,
): Task<ReadonlyMap<string, Block>> {
  const proved = new Map<string, Block>();
  for (const [i, claim] of claims.entries()) {
    onProgress(i / claims.length);
    const { to, from, activation, norm } = claim;
    must(!proved.has(to), () => `the witness: the block of "${to}" is there twice`);
    const constant = yield* provedBlock(program, claim);
    must(constant !== null, () => `the block of "${to}": its norm is not proved to be at most ${norm}`);
    proved.set(to, { from, activation, constant });
  }
  return proved;
}

function* provedNorms(
  program: Program,
  norm: Norm,
  { affine }: Witness,
  ends: readonly string[],
  regionOf: (tensor: string) => Region,
  onProgress: (fraction: number) => void,
): Task<ReadonlyMap<string, readonly NormClaim[]>> {
  const proved = new Map<string, readonly NormClaim[]>();
  const shapeOf = (tensor: string) => program.byTensor.get(tensor)?.shape ?? [program.size];
  for (const [i, { to, from }] of affine.entries()) {
    onProgress(i / affine.length);
    must(ends.includes(to) && !proved.has(to), () => `the witness: no norm is due for "${to}"`);
    const region = regionOf(to);
    const names = from.map((part) => part.tensor);
    must(
      names.length === region.size && names.every((name, i) => region.has(name) && names.indexOf(name) === i),
      () => `the witness: the norms of "${to}" must be those from ${[...region.keys()].join(", ")}`,
    );
    for (const part of from) {
      const matrix = region.get(part.tensor);
      const kernel = norm === 2 ? kernelBetween(program, regionOf, part.tensor, to) : null;
      const shapes = { from: shapeOf(part.tensor), to: shapeOf(to), kernel };
      must(
        matrix !== undefined && (yield* provedNorm(matrix, norm, part.norm, shapes)),
        () => `the norm of the map of "${part.tensor}" to "${to}" is not proved to be at most ${part.norm}`,
      );
    }
    proved.set(to, from);
  }
  for (const to of ends) must(proved.has(to), () => `the witness: the norms of "${to}" are missing`);
  return proved;
}

/** The pairs of the chain from the input on. */
function* pairsBehind(
  program: Program,
  regionOf: (tensor: string) => Region,
  chain: ChainWitness,
  before: number,
): Task<ChainPairs | null> {
  const own = yield* chainPairs(program, regionOf, chain);
  return own && ((y, j) => timesUp(before, own(y, j)));
}

function pairs(
  region: Region,
  norm: Norm,
  constant: number,
  constantOf: (tensor: string) => number,
  behind: ChainPairs | null,
): Walk["pair"] {
  const dual: Norm = norm === 2 ? 2 : norm === 1 ? "inf" : 1;
  const whole = timesUp(pairLength(norm), constant);
  const known = new Map<string, number>();
  return function pair(y, j): number {
    if (y === j) return 0;
    if (y > j) return pair(j, y);
    const key = `${y} ${j}`;
    let K = known.get(key);
    if (K === undefined) {
      K = whole;
      // An output that nothing affine makes has no rows.
      if (region.size > 0) {
        let sum = 0;
        for (const [from, matrix] of region)
          sum = addUp(sum, timesUp(constantOf(from), rowDistance(matrix, y, j, dual)));
        K = Math.min(K, sum);
      }
      if (behind !== null) K = Math.min(K, behind(y, j));
      known.set(key, K);
    }
    return K;
  };
}
