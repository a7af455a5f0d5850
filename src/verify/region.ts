/** @file The affine map from where numbers were last bent to a tensor: all that lies between is multiplied out into one matrix per source. */
import { readsOf, type Steps } from "./network.ts";
import { plus, product, type Sparse } from "./sparse.ts";

/** tensor = sum over sources of matrix x source + a constant. */
export type Region = ReadonlyMap<string, Sparse>;

/** Regions of tensors, each found once. A tensor that no affine step makes is its own source. */
export function regions({ byTensor }: Steps): (tensor: string) => Region {
  const known = new Map<string, Region>();
  const regionOf = (tensor: string): Region => {
    const found = known.get(tensor);
    if (found) return found;
    const step = byTensor.get(tensor);
    const region = new Map<string, Sparse>();
    if (step?.kind === "affine") {
      for (const { from, matrix } of step.parts) {
        const inner = byTensor.get(from)?.kind === "affine" ? regionOf(from) : new Map([[from, null]]);
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

/** The affine tensors that something bent reads, and the output if it is one: where norms are needed. In the order of the steps. */
export function endsOf(steps: Steps): readonly string[] {
  const isAffine = (tensor: string) => steps.byTensor.get(tensor)?.kind === "affine";
  const ends = new Set(steps.steps.flatMap((step) => (step.kind === "affine" ? [] : readsOf(step).filter(isAffine))));
  if (isAffine(steps.output)) ends.add(steps.output);
  return steps.steps.map((s) => s.tensor).filter((tensor) => ends.has(tensor));
}
