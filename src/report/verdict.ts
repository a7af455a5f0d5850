/** @file The verdict in one sentence: what was proved, what was seen, and the alarm before both. */
import type { RunRecord } from "../experiment/record.ts";
import { type Group, type Spread, spreadOf } from "./groups.ts";
import { showAtLeast, showAtMost, showNorm, showNumber, showPercent, showPercentAtLeast, showRange } from "./number.ts";

/** Of one run. */
export function verdictOf({ spec, data, accuracy, testLoss, bracket, certified, attacked }: RunRecord): string {
  const what =
    accuracy === null
      ? `This ${spec.method.name} network has a test loss (${spec.loss}) of ${showNumber(testLoss)} on ${data.name}`
      : `This ${spec.method.name} network decides ${showPercent(accuracy)} of ${data.samples.test} test samples of ${data.name} right`;
  return `${what}${measuredWords({ bracket, certified, attacked, count: data.samples.test })}.`;
}

/** The constant, and what is certified and left by attacks at the largest radius that says anything, as the end of a sentence about so many samples. */
export function measuredWords({
  bracket,
  certified,
  attacked,
  count,
}: Pick<RunRecord, "bracket" | "certified" | "attacked"> & { readonly count: number }): string {
  const last = certified?.findLast((c) => c.accuracy > 0) ?? certified?.[0];
  const left = last && attacked?.robust.find((r) => r.radius === last.radius)?.accuracy;
  const some = attacked && attacked.samples < count ? ` of the first ${attacked.samples}` : "";
  const proof = last
    ? `; under every move of length at most ${last.radius} it is proved to stay right on ${showPercentAtLeast(last.accuracy)}${
        left === undefined ? "" : `, and attacks leave ${showPercent(left)}${some}`
      }`
    : "";
  return `${constantWords(bracket)}${proof}`;
}

/** What the words of a report mean. */
export const definitions = (certifies: boolean): string =>
  [
    "Proved means: for every input of the network with its stored weights, in exact arithmetic. Seen means: at inputs that were tried.",
    ...(certifies
      ? [
          "A certified radius is a margin over the proved constant of the difference of two outputs; the linear walk around the sample, or of a smooth network its proved curvature, may enlarge it.",
        ]
      : []),
  ].join(" ");

/** Of several methods: which certifies most, and what it costs; of regressions, which has the smallest loss. */
export function comparisonVerdict(groups: readonly Group[]): string {
  const { record } = groups[0].runs[0];
  const { accuracy, certified, norm, spec, data } = record;
  const scored = groups.map((group) => {
    const spread = spreadOf(group, (r) => (accuracy === null ? r.testLoss : r.averageRadius));
    const score = spread ? (accuracy === null ? -1 : 1) * spread.mean : Number.NEGATIVE_INFINITY;
    return { group, score, value: withRange(spread) };
  });
  const best = scored.reduce((a, b) => (b.score > a.score ? b : a));
  const plain = scored.find(({ group }) => group.runs[0].record.spec.method.name === "plain" && group !== best.group);
  const seeds = Math.max(...groups.map((g) => g.runs.length));
  const over = seeds > 1 ? `means over ${seeds} seeds` : "one seed each";
  const where = `Of ${groups.length} methods on ${data.name} (${over}) ${best.group.label} has the`;
  if (accuracy === null) {
    const beside = plain ? ` (plain: ${plain.value})` : "";
    return `${where} smallest test loss (${spec.loss}), ${best.value}${beside}.`;
  }
  const right = (group: Group) => showPercent(spreadOf(group, (r) => r.accuracy)?.mean);
  const part = (group: Group, k: number) => spreadOf(group, (r) => r.certified?.[k]?.accuracy)?.mean ?? 0;
  // The largest radius that says anything of the best.
  const at = Math.max(
    0,
    (certified ?? []).findLastIndex((_, k) => part(best.group, k) > 0),
  );
  const radius = certified?.[at]?.radius;
  const words = ({ group, value }: (typeof scored)[number]) =>
    [value, right(group), ...(radius === undefined ? [] : [showPercentAtLeast(part(group, at))])].join("; ");
  const proved =
    radius === undefined
      ? ""
      : `, ${showPercentAtLeast(part(best.group, at))} proved to stay right under every move of length at most ${radius}`;
  const { upper } = best.group.runs[0].record.bracket;
  const by = upper?.proved ? ` by ${upper.method}` : "";
  const largest = `${where} largest average certified radius, ${best.value} in ${showNorm(norm)}${by}`;
  return `${largest}: of ${data.samples.test} test samples ${right(best.group)} decided right${proved}${plain ? ` (plain: ${words(plain)})` : ""}.`;
}

/** What attacks refuted; null where nothing. */
export function alarmOf(runs: readonly Pick<RunRecord, "attacked">[]): string | null {
  const refuted = runs.flatMap((r) => (r.attacked?.alarm ?? []).filter((v) => v.kind === "proof"));
  if (refuted.length === 0) return null;
  return `ALARM: ${refuted.length} decisions changed inside their certified radius. A bound is wrong; nothing certified here holds.`;
}

/** That attacks were held against certificates, and agree. */
export function agreement(runs: readonly Pick<RunRecord, "attacked">[]): string | null {
  const attacked = runs.flatMap((r) => r.attacked ?? []);
  if (attacked.length === 0 || alarmOf(runs)) return null;
  const rounding = attacked.flatMap((a) => a.alarm).length;
  const note = rounding > 0 ? ` Float32 rounding alone changed ${rounding} decisions inside their radius.` : "";
  const samples = showRange(attacked.map((a) => a.samples));
  const networks = attacked.length > 1 ? ` against each of ${attacked.length} networks` : "";
  return `No alarm: attacks on ${samples} samples${networks} refuted no certified radius.${note}`;
}

// --- internal ---

/** A mean and, where seeds differ, half their range. */
function withRange(spread: Spread | null): string {
  if (!spread) return "-";
  const half = (spread.max - spread.min) / 2;
  return half > 0 ? `${showNumber(spread.mean)} ± ${Number(half.toPrecision(2))}` : showNumber(spread.mean);
}

function constantWords({ lower, upper, norm, noConstant }: RunRecord["bracket"]): string {
  if (noConstant) return `; it has no Lipschitz constant (${noConstant.why})`;
  const bounded = upper?.proved && upper.value !== null && Number.isFinite(upper.value);
  const high = bounded
    ? `at most ${showAtMost(upper.value)} (proved by ${upper.method})`
    : "not bounded by anything proved";
  const low = lower && lower.value > 0 ? `at least ${showAtLeast(lower.value)} (seen) and ` : "";
  return `; its Lipschitz constant in ${showNorm(norm)} is ${low}${high}`;
}
