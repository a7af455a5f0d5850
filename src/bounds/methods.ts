/** @file The bounds by name. Each entry says for which norms and domains it is, how much it may work, when it is asked and how. */
import type { Norm } from "./bound.ts";
import type { Domain } from "./domain.ts";
import { autoLipMethod } from "./methods/autoLip.ts";
import { branchMethod } from "./methods/branch.ts";
import { combettesPesquetMethod, frobeniusMethod, greedySeqLipMethod, seqLipMethod } from "./methods/chains.ts";
import { eclipseMethod } from "./methods/eclipse.ts";
import { lipsdpMethod } from "./methods/lipsdp.ts";
import { annealingMethod, jacobianMethod, pairsMethod } from "./methods/lowerBounds.ts";
import { intervalMethod, recurJacMethod } from "./methods/slopes.ts";
import type { Method } from "./question.ts";

/** Every method, upper bounds first. */
export const methods = [
  frobeniusMethod,
  autoLipMethod,
  combettesPesquetMethod,
  seqLipMethod,
  greedySeqLipMethod,
  eclipseMethod,
  lipsdpMethod,
  intervalMethod,
  recurJacMethod,
  branchMethod,
  jacobianMethod,
  pairsMethod,
  annealingMethod,
] as const satisfies readonly Method[];

export type BoundName = (typeof methods)[number]["name"];

/** Names in the order of the table. */
export const boundNames: readonly BoundName[] = methods.map(({ name }) => name);

/** The entry of a name. */
export const methodOf = (name: BoundName): Method<BoundName> =>
  methods.find((own) => own.name === name) as Method<BoundName>;

/** Does a method answer for a norm and a domain? */
export function applies(name: BoundName, norm: Norm, domain: Domain): boolean {
  const { norms, domains } = methodOf(name);
  return (
    (norms === "all" || norm === 2) && (domains === "all" || (domains === "global") === (domain.kind === "global"))
  );
}
