/** @file Training under a prescribed constant: the layers see to it for all parameters, so that the loss is the data term alone. */
import { aol } from "../layers/aol.ts";
import type { FamilyOptions } from "../layers/bounded.ts";
import type { Family } from "../layers/family.ts";
import { orthogonal } from "../layers/orthogonal.ts";
import { sandwich } from "../layers/sandwich.ts";
import { cpl, sll } from "../layers/sll.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Method } from "./method.ts";

const families = { sandwich, orthogonal, aol, sll, cpl } as const satisfies Readonly<
  Record<string, (options: FamilyOptions) => Family>
>;

export type LayerKind = keyof typeof families;

export const layerKinds = Object.keys(families) as readonly LayerKind[];

export interface LbdnOptions extends FamilyOptions {
  /** The kind of layers. Default: "sandwich". */
  readonly layer?: LayerKind;
}

/**
 * Build the model of layers that keep its Lipschitz constant in l2 at most gamma, and train it by plain gradient steps.
 * Reference: Wang and Manchester 2023 (sandwich layers).
 */
export function lbdn({ layer = "sandwich", ...options }: LbdnOptions = {}): Method {
  const family = Object.hasOwn(families, layer) ? families[layer] : undefined;
  if (!family) throw new UsageError(`lbdn: unknown layer "${layer}"; known: ${layerKinds.join(", ")}`);
  return { name: "lbdn", family: family(options) };
}
