/** @file How far a run in doubles at a sample, or a float32 run anywhere within a radius of it, can be from exact arithmetic. */

import { addUp, gamma, sqrtUp, sumUp, timesUp, unit16, unit32, unit64, up } from "../algebra/rounding.ts";
import type { Sparse } from "../algebra/sparse.ts";
import { absoluteNorm, longestRow, quickNorm } from "../algebra/sparseNorm.ts";
import type { Bits } from "../read/constant.ts";
import { type Program, sampleName } from "../read/network.ts";
import { errorOf } from "../read/pointwise.ts";
import { type Affine, count, readsOf, type Step } from "../read/step.ts";
import { must } from "../refusal.ts";
import type { Norm } from "./norm.ts";
import type { Run } from "./run.ts";
import { gainOfStep, type Walk } from "./walk.ts";

/**
 * Bound the error of the outputs, as one vector in the p-norm, of a run in arithmetic of 53, 24 or 11 bits at any point within `radius` of a sample.
 *
 *     e_k = sum_i ||A_ki|| e_i + gamma (|| |A| v + |b| || + || |A| || (L_i radius + 2 e_i)),   v the largest values at the samples
 *
 * Sums may be in any order, with or without fused operations; at the end of an affine region the norms are the proved ones, and
 * what was lost inside it is added. So it is at the end of a block, by its constant. Elementary functions err as `Scalar.error` says.
 */
export const forwardError = (...question: Parameters<typeof forwardErrors>): number =>
  forwardErrors(...question)(question[0].output);

/** The same of every tensor. */
export function forwardErrors(
  program: Program,
  walk: Walk,
  largest: Run["largest"],
  radius: number,
  arithmetic: Bits,
): (tensor: string) => number {
  const { norm } = walk;
  const unit = { 64: unit64, 32: unit32, 16: unit16 }[arithmetic];
  // What a float32 runtime may lose by flushing to zero, for each operation: a number below 2^-126 times one below `overflow`, and a
  // factor in front of the sum. Halves are not flushed: what is lost is half of their smallest number.
  const flushed = { 64: 2 ** -900, 32: 2 ** -50, 16: 2 ** -24 }[arithmetic];
  const most = arithmetic === 16 ? overflow16 : overflow;
  // A half is what a run is fed, whatever the sample.
  const fed = () => addUp(lengthUp(largest.get(sampleName) as Float64Array, norm), radius);
  const halved = () => addUp(timesUp(unit, fed()), timesUp(flushed, onesUp(program.size, norm)));
  const error = new Map<string, number>([[sampleName, arithmetic === 16 ? halved() : 0]]);
  /** Of what happens inside an affine region. */
  const inner = new Map<string, number>();
  /** Of a step alone. */
  const own = new Map<string, number>();
  const around = (tensor: string) =>
    addUp(timesUp(constantOf(walk, tensor), radius), up(2 * (error.get(tensor) as number)));
  /** Anything that is read may be this large, and no sum is larger: float32 has room for what is multiplied on the way. */
  const bounded = (tensor: string, size: number) =>
    must(size < most, () => `the tensor "${tensor}": float${arithmetic === 16 ? 16 : 32} may overflow`);
  for (const tensor of [sampleName, ...program.steps.map((s) => s.tensor)]) {
    bounded(tensor, lengthUp(largest.get(tensor) as Float64Array, norm));
  }
  for (const step of program.steps) {
    const size = count(step.shape);
    for (const from of readsOf(step)) {
      bounded(step.tensor, addUp(lengthUp(largest.get(from) as Float64Array, norm), around(from)));
    }
    if (step.kind !== "affine") {
      const carried = timesUp(gainOfStep(step, norm), error.get(step.from) as number);
      const relative = step.kind === "pointwise" ? errorOf[step.scalar.error][arithmetic] : 0;
      const before = addUp(lengthUp(largest.get(step.from) as Float64Array, norm), around(step.from));
      const after = addUp(
        lengthUp(largest.get(step.tensor) as Float64Array, norm),
        timesUp(gainOfStep(step, norm), around(step.from)),
      );
      const rounded = timesUp(relative, up(onesUp(size, norm) + addUp(before, after)));
      const local = addUp(rounded, timesUp(flushed, onesUp(size, norm)));
      own.set(step.tensor, local);
      error.set(step.tensor, addUp(carried, local));
      continue;
    }
    let carried = 0;
    let within = 0;
    let spread = 0;
    let terms = step.roundings + 8;
    const sizes = step.biasSize.slice();
    for (const { from, matrix } of step.parts) {
      const quick = quickNorm(matrix, norm);
      carried = addUp(carried, timesUp(quick, error.get(from) as number));
      within = addUp(within, timesUp(quick, inner.get(from) ?? 0));
      const size = absoluteNorm(matrix, norm);
      bounded(step.tensor, size);
      spread = addUp(spread, timesUp(size, around(from)));
      terms += longestRow(matrix);
      addSizes(sizes, matrix, largest.get(from) as Float64Array);
    }
    const read = addUp(sumUp(lengthUp(sizes, norm), terms), spread);
    bounded(step.tensor, read);
    const rounded = addUp(timesUp(gamma(terms, unit), read), timesUp(terms * flushed, onesUp(size, norm)));
    const local = onlyMoves(step) ? 0 : rounded;
    own.set(step.tensor, local);
    within = addUp(within, local);
    const block = walk.blockOf(step.tensor);
    // Behind a block its error is that of a source.
    inner.set(step.tensor, block ? 0 : within);
    let whole = addUp(carried, local);
    const parts = walk.normsOf(step.tensor);
    if (parts) {
      const far = parts.reduce((sum, p) => addUp(sum, timesUp(p.norm, error.get(p.tensor) as number)), within);
      whole = Math.min(whole, far);
    }
    // A runtime sorts without rounding; here the distances are rounded, by less than what is local.
    if (step.sorts !== undefined) whole = Math.min(whole, addUp(error.get(step.sorts) as number, up(2 * local)));
    if (block) {
      const far = timesUp(block.constant, error.get(block.from) as number);
      whole = Math.min(whole, addUp(far, lostSince(block.from, step, program, norm, own)));
    }
    error.set(step.tensor, whole);
  }
  return (tensor) => error.get(tensor) as number;
}

/** The p-length of a vector, not below. */
export function lengthUp(v: Float64Array, norm: Norm): number {
  let sum = 0;
  for (const x of v) {
    const size = Math.abs(x);
    if (norm === "inf") sum = Math.max(sum, size);
    else sum += norm === 1 ? size : size * size;
  }
  if (norm === "inf") return sum;
  const bound = sumUp(sum, v.length + 1);
  return norm === 1 ? bound : sqrtUp(bound);
}

// --- internal ---

/** How large numbers may be: far below what float32 can hold, and half of what float16 can. */
const overflow = 2 ** 64;
const overflow16 = 2 ** 15;

const constantOf = (walk: Walk, tensor: string): number => walk.constantOf(tensor);

/** What a step and all steps between it and a tensor lose, carried to the step. */
function lostSince(
  from: string,
  step: Step,
  { byTensor }: Pick<Program, "byTensor">,
  norm: Norm,
  own: ReadonlyMap<string, number>,
): number {
  const known = new Map<string, number>([[from, 0]]);
  const lost = (tensor: string): number => {
    const found = known.get(tensor);
    if (found !== undefined) return found;
    const step = byTensor.get(tensor) as Step;
    const carried =
      step.kind === "affine"
        ? step.parts.reduce((sum, part) => addUp(sum, timesUp(quickNorm(part.matrix, norm), lost(part.from))), 0)
        : timesUp(gainOfStep(step, norm), lost(step.from));
    const all = addUp(carried, own.get(tensor) as number);
    known.set(tensor, all);
    return all;
  };
  return lost(step.tensor);
}

/** Is every result a number that was read, or 0? */
const onlyMoves = ({ parts, bias, roundings }: Affine): boolean =>
  roundings === 0 &&
  parts.length === 1 &&
  longestRow(parts[0].matrix) <= 1 &&
  parts[0].matrix.value.every((v) => v === 1) &&
  bias.every((b) => b === 0);

const onesUp = (n: number, norm: Norm): number => (norm === "inf" ? 1 : norm === 1 ? n : sqrtUp(n));

/** y += |A| |x|. */
function addSizes(y: Float64Array, { rows, start, index, size }: Sparse, x: Float64Array): void {
  for (let i = 0; i < rows; i++) {
    let sum = y[i];
    for (let k = start[i]; k < start[i + 1]; k++) sum += Math.abs(size[k]) * Math.abs(x[index[k]]);
    y[i] = sum;
  }
}
