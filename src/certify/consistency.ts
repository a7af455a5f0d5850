/** @file The alarm: what is certified against what attacks found. Both cannot be right where a decision changed inside its certified radius. */
import type { Attacked } from "../attack/attack.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Certification } from "./evaluate.ts";

/** A decision that changed inside its certified radius. */
export interface Violation {
  readonly index: number;
  readonly norm: "2" | "inf";
  readonly predicted: number;
  /** Certified. Infinity for a function said to be constant; JSON shows null. */
  readonly radius: number;
  /** Length of the perturbation that changed the decision. */
  readonly distance: number;
  readonly attack: string | null;
  /**
   * `proof`: the decision changes in float64 too, so that the certificate is false: a bug. `rounding`: only the float32 network
   * changes its mind, which no certificate for exact arithmetic excludes.
   */
  readonly kind: "proof" | "rounding";
}

/** What of a certificate is needed; certificates that were read from a file have null for an infinite radius. */
export interface Certified {
  readonly norm: Certification["norm"];
  readonly samples: readonly {
    readonly index: number;
    readonly predicted: number;
    readonly radius: number | null;
  }[];
}

/**
 * Find every attacked sample with  certified radius > smallest perturbation that changes its decision.
 *
 * Both must be of the same network, on the same data; the attack may be on its first samples only. Throws UsageError where norms
 * differ or an attacked sample is not in the certificate. An empty list proves nothing: attacks may have missed.
 */
export function consistency(
  certified: Certified,
  { norm, samples }: Pick<Attacked, "norm" | "samples">,
): readonly Violation[] {
  if (certified.norm !== norm) {
    throw new UsageError(`consistency: norms must match, got a certificate in l${certified.norm}, attacks in l${norm}`);
  }
  const byIndex = new Map(certified.samples.map((s) => [s.index, s]));
  return samples.flatMap((sample): Violation[] => {
    const own = byIndex.get(sample.index);
    if (!own) throw new UsageError(`consistency: missing in the certificate: sample ${sample.index}`);
    const { index, predicted, distance, attack, confirmed } = sample;
    const radius = own.radius ?? Number.POSITIVE_INFINITY;
    const found = { index, norm, predicted: own.predicted, radius, attack };
    if (confirmed !== null && radius > confirmed) return [{ ...found, distance: confirmed, kind: "proof" }];
    // The certificate decides in float64: where float32 decides otherwise, no perturbation is needed.
    const needed = predicted === own.predicted ? distance : 0;
    if (needed !== null && radius > needed) return [{ ...found, distance: needed, kind: "rounding" }];
    return [];
  });
}
