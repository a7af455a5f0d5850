/** @file Why a certificate or a model is not accepted: one class, thrown anywhere in a check and turned into a line of the verdict. */

/** Something that a check found wrong. The message says where, the rule and what was there. */
export class Refusal extends Error {
  override name = "Refusal";
}

/** A certificate that gives nothing to check by. */
export class NoWitness extends Refusal {
  override name = "NoWitness";
}

/** Throw a Refusal unless `holds`. */
export function must(holds: boolean, message: () => string): asserts holds {
  if (!holds) throw new Refusal(message());
}
