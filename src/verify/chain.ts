/** @file What multipliers prove of the end of a network in l2: a constant, by one factorisation. */
import { provedSemidefinite } from "./definite.ts";
import type { Steps } from "./network.ts";
import { partsOf } from "./places.ts";
import type { Region } from "./region.ts";
import { formOf } from "./sector.ts";
import type { ChainWitness } from "./witness.ts";
import type { Work } from "./work.ts";

/** Does the witness prove its constant? False says only that there is no proof. Throws Refusal where it does not fit the network. */
export function* provedChain(steps: Steps, regionOf: (tensor: string) => Region, witness: ChainWitness): Work<boolean> {
  const { constant } = witness;
  if (!(constant > 2 ** -200 && constant < 2 ** 200)) return false;
  const form = yield* formOf(partsOf(steps, regionOf, witness), constant);
  return form !== null && (yield* provedSemidefinite(form.S, form.error));
}
