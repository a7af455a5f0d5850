/** @file The alarm on the command line: a certificate that an attack refutes, or a prescribed constant that is not proved, ends a command with code 3, after its result. */
import type { Violation } from "../certify/consistency.ts";
import type { Claim } from "../experiment/claim.ts";
import { claimLine } from "../report/text.ts";
import { CliError } from "./errors.ts";

/** Throw where what is proved of a network is more than the constant that it was built to keep. */
export function kept(where: string, claim: Claim | null | undefined): void {
  if (claim && !claim.holds) throw new CliError(claimLine(where, claim), 3);
}

/** Throw where a proof is refuted. What only float32 rounding did is in the result, and no failure. */
export function sound(where: string, violations: readonly Violation[]): void {
  const proofs = violations.filter((v) => v.kind === "proof");
  if (proofs.length === 0) return;
  const [{ index, radius, distance, attack, norm }] = proofs;
  const which = `sample ${index} is certified to l${norm} radius ${radius} and changed at ${distance} (${attack})`;
  const rest = proofs.length > 1 ? ` and ${proofs.length - 1} more` : "";
  throw new CliError(`ALARM: ${where}: ${which}${rest}; a proved bound is wrong, please report it`, 3);
}
