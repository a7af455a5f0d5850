/** @file The verdict in one sentence: what was proved, what was seen, and the alarm before both. */
import type { RunRecord } from "../experiment/record.ts";
import { type Group, spreadOf } from "./groups.ts";
import { showNumber, showPercent } from "./number.ts";

/** Of one run. */
export function verdictOf({ spec, data, accuracy, testLoss, bracket, certified, attacked }: RunRecord): string {
  const what =
    accuracy === null
      ? `This ${spec.method.name} network has a test loss of ${showNumber(testLoss)} on ${data.name}`
      : `This ${spec.method.name} network decides ${showPercent(accuracy)} of ${data.samples.test} test samples of ${data.name} right`;
  const last = certified?.findLast((c) => c.accuracy > 0) ?? certified?.at(-1);
  const left = last && attacked?.robust.find((r) => r.radius === last.radius)?.accuracy;
  const proof = last
    ? `; under every move of at most ${last.radius} in l${bracket.norm} it is proved to stay right on ${showPercent(last.accuracy)}${
        left === undefined ? "" : `, and attacks leave ${showPercent(left)}`
      }`
    : "";
  return `${what}${constantWords(bracket)}${proof}.`;
}

/** Of several methods: which certifies most, and what it costs. */
export function comparisonVerdict(groups: readonly Group[]): string {
  const { record } = groups[0].runs[0];
  const scored = groups.map((group) => {
    const of = (r: RunRecord) => (r.accuracy === null ? -r.testLoss : r.averageRadius);
    return { group, score: spreadOf(group, of)?.mean ?? Number.NEGATIVE_INFINITY };
  });
  const best = scored.reduce((a, b) => (b.score > a.score ? b : a));
  const seeds = Math.max(...groups.map((g) => g.runs.length));
  const where = `Of ${groups.length} methods on ${record.data.name}${seeds > 1 ? `, means over ${seeds} seeds,` : ""}`;
  if (record.accuracy === null)
    return `${where} ${best.group.label} has the smallest test loss, ${showNumber(-best.score)}.`;
  const plain = scored.find(({ group }) => group.runs[0].record.spec.method.name === "plain" && group !== best.group);
  const words = (group: Group) => {
    const at = group.runs[0].record.certified?.at(-1);
    const proved = spreadOf(group, (r) => r.certified?.at(-1)?.accuracy)?.mean;
    return `${showPercent(spreadOf(group, (r) => r.accuracy)?.mean)} right and ${showPercent(proved)} proved to stay right under moves of ${at?.radius ?? 0}`;
  };
  const beside = plain ? `; plain: ${showNumber(plain.score)}, ${words(plain.group)}` : "";
  return `${where} ${best.group.label} has the largest average certified radius, ${showNumber(best.score)} in l${record.norm} (${words(best.group)}${beside}).`;
}

/** What attacks refuted; null where nothing. */
export function alarmOf(runs: readonly RunRecord[]): string | null {
  const refuted = runs.flatMap((r) => (r.attacked?.alarm ?? []).filter((v) => v.kind === "proof"));
  if (refuted.length === 0) return null;
  return `ALARM: ${refuted.length} decisions changed inside their certified radius. A bound is wrong; nothing certified here holds.`;
}

/** That attacks were held against certificates, and agree. */
export function agreement(runs: readonly RunRecord[]): string | null {
  const samples = runs.reduce((n, r) => n + (r.attacked?.samples ?? 0), 0);
  if (samples === 0 || alarmOf(runs)) return null;
  const rounding = runs.flatMap((r) => r.attacked?.alarm ?? []).length;
  const note = rounding > 0 ? ` Float32 rounding alone changed ${rounding} decisions inside their radius.` : "";
  return `No alarm: attacks on ${samples} samples refuted no certified radius.${note}`;
}

// --- internal ---

function constantWords({ lower, upper, norm, noConstant }: RunRecord["bracket"]): string {
  if (noConstant) return `; it has no Lipschitz constant (${noConstant.why})`;
  const bounded = upper?.proved && upper.value !== null && Number.isFinite(upper.value);
  const high = bounded ? `at most ${showNumber(upper.value)} (proved)` : "not bounded by anything proved";
  const low = lower && lower.value > 0 ? `at least ${showNumber(lower.value)} (seen) and ` : "";
  return `; its Lipschitz constant in l${norm} is ${low}${high}`;
}
