/** @file Training under a prescribed constant: the layers see to it for all parameters, so that the loss is the data term alone. */
import type { GammaOptions } from "../layers/bounded.ts";
import type { Family } from "../layers/family.ts";
import { sandwich } from "../layers/sandwich.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Method } from "./method.ts";

const families = { sandwich } as const satisfies Readonly<Record<string, (options: GammaOptions) => Family>>;

export type LayerKind = keyof typeof families;

export const layerKinds = Object.keys(families) as readonly LayerKind[];

export interface LbdnOptions extends GammaOptions {
  /** The kind of layers, "sandwich" unless told. */
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
