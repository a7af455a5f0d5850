/** @file The affine map from the last activations to a tensor: all that lies between is multiplied out into one matrix per source. */

import { plus, product } from "../algebra/compose.ts";
import type { Sparse } from "../algebra/sparse.ts";
import type { Program } from "../read/network.ts";
import { readsOf, type Step } from "../read/step.ts";
import type { BlockPlace } from "../witness.ts";

/** tensor = sum over sources of matrix x source + a constant. */
export type Region = ReadonlyMap<string, Sparse>;

/**
 * Regions of tensors, each found once. A tensor that no affine step makes is its own source; so is one of `sources`, and one whose numbers
 * were sorted, unless sorting is to be seen as the affine map of distances that it is too.
 */
export function regions(
  { byTensor }: Program,
  sorting: "source" | "affine",
  sources: ReadonlySet<string> = new Set(),
): (tensor: string) => Region {
  const known = new Map<string, Region>();
  const goesOn = (from: string) => {
    const step = byTensor.get(from);
    return !sources.has(from) && step?.kind === "affine" && (sorting === "affine" || step.sorts === undefined);
  };
  const regionOf = (tensor: string): Region => {
    const found = known.get(tensor);
    if (found) return found;
    const step = byTensor.get(tensor);
    const region = new Map<string, Sparse>();
    if (step?.kind === "affine") {
      for (const { from, matrix } of step.parts) {
        const inner = goesOn(from) ? regionOf(from) : new Map([[from, null]]);
        for (const [source, before] of inner) {
          const whole = before === null ? matrix : product(matrix, before);
          const other = region.get(source);
          region.set(source, other ? plus(other, whole) : whole);
        }
      }
    }
    known.set(tensor, region);
    return region;
  };
  return regionOf;
}

/** The affine tensors that an activation, a sort or a block reads, and the output if it is one: where norms are needed. In the order of the steps. */
export function endsOf(
  { steps, byTensor, output }: Program,
  blocks: ReadonlyMap<string, Omit<BlockPlace, "to">>,
): readonly string[] {
  const ends = new Set<string>();
  const seen = new Set<string>();
  const stack = [output];
  const end = (tensor: string) => {
    const step = byTensor.get(tensor);
    if (step?.kind === "affine" && step.sorts === undefined && !blocks.has(tensor)) ends.add(tensor);
  };
  end(output);
  for (let name = stack.pop(); name !== undefined; name = stack.pop()) {
    const step = byTensor.get(name);
    if (seen.has(name) || !step) continue;
    seen.add(name);
    const block = blocks.get(name);
    const reads = block ? [block.from, block.activation] : lengthsFrom(step);
    if (block || step.kind !== "affine" || step.sorts !== undefined) reads.forEach(end);
    stack.push(...reads);
  }
  return steps.map((s) => s.tensor).filter((tensor) => ends.has(tensor));
}

// --- internal ---

/** What the length of a tensor's differences is known from. */
const lengthsFrom = (step: Step): readonly string[] =>
  step.kind === "affine" && step.sorts !== undefined ? [step.sorts] : readsOf(step);
