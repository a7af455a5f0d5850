/** @file The result of attacks as text for a terminal: what was done, to the letter, and what is left standing. */
import type { Attacked } from "../attack/attack.ts";
import { describeProtocol } from "../attack/protocol.ts";
import type { Violation } from "../certify/consistency.ts";
import { type Dataset, type Samples, sampleName } from "../data/dataset.ts";
import { accuracyOf, dataLines, weakestLine } from "./data.ts";
import { showAtMost, showNumber, showPercent } from "./number.ts";
import { textTable } from "./textTable.ts";

/** Robust accuracy per radius, by all attacks and by each; the exact protocol; the alarm where there is a certificate. */
export function renderAttack(
  attacked: Omit<Attacked, "examples">,
  violations: readonly Violation[] | null,
  data: Dataset,
): string {
  const { accuracy, robust, attacks, medianDistance, samples, protocol } = attacked;
  const table = textTable(["radius", "robust accuracy", ...attacks.map((a) => a.name)]);
  robust.forEach(({ radius, accuracy: left }, k) => {
    table.push([String(radius), showPercent(left), ...attacks.map((a) => showPercent(a.robust[k].accuracy))]);
  });
  const found = samples.filter((s) => s.distance !== null).length;
  return [
    ...dataLines(data),
    `${accuracyOf(accuracy, data)}decisions changed ${found} of ${samples.length}, median smallest perturbation ${showNumber(medianDistance)}`,
    ...(robust.length > 0 ? [table.toString()] : []),
    ...weakestLine(
      "Changed most easily",
      samples,
      data,
      ({ distance, becomes }) => ({ value: distance, becomes }),
      showAtMost,
    ),
    ...describeProtocol(protocol),
    ...(violations ? [renderViolations(violations, data)] : []),
  ].join("\n");
}

/** What the alarm says. */
export function renderViolations(violations: readonly Violation[], data: Pick<Samples, "ids"> = {}): string {
  const [proofs, rounding] = (["proof", "rounding"] as const).map((kind) => violations.filter((v) => v.kind === kind));
  const list = (some: readonly Violation[]) =>
    some
      .slice(0, 5)
      .map(
        (v) =>
          `  ${sampleName(data, v.index)}: certified ${showNumber(v.radius)}, changed at ${showNumber(v.distance)}`,
      );
  if (violations.length === 0) return "certificate: no decision changed inside its certified radius";
  return [
    ...(proofs.length > 0
      ? [`ALARM: ${proofs.length} decisions changed inside their certified radius`, ...list(proofs)]
      : ["certificate: no proof is refuted"]),
    ...(rounding.length > 0
      ? [`by float32 rounding alone, ${rounding.length} decisions changed inside their radius`, ...list(rounding)]
      : []),
  ].join("\n");
}
