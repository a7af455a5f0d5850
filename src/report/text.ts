/** @file Records as text for a terminal. Pure: strings in, strings out. */
import type { Bracket } from "../bounds/bound.ts";
import type { Certification, CertifiedSample } from "../certify/evaluate.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Claim } from "../experiment/claim.ts";
import type { Row } from "../experiment/comparison.ts";
import type { RunRecord } from "../experiment/record.ts";
import { printable } from "../tensor/printable.ts";
import type { Verdict } from "../verify/verify.ts";
import { accuracyOf, dataLines, weakestLine } from "./data.ts";
import {
  showAtLeast,
  showAtMost,
  showBound,
  showNorm,
  showNumber,
  showPercent,
  showPercentAtLeast,
  showPercentAtMost,
  showRange,
} from "./number.ts";
import { textTable } from "./textTable.ts";

/** One line that says that attacks and certificates agree, or those that say where they do not. */
export function alarmLines(records: readonly RunRecord[]): string[] {
  const checked = records.flatMap((r) => (r.attacked ? [{ method: r.spec.method.name, ...r.attacked }] : []));
  if (checked.length === 0) return [];
  const count = (r: (typeof checked)[number], kind: "proof" | "rounding") =>
    r.alarm.filter((v) => v.kind === kind).length;
  const refuted = checked.filter((r) => count(r, "proof") > 0);
  if (refuted.length > 0) {
    return refuted.map(
      (r) =>
        `ALARM: ${printable(r.method)}: ${count(r, "proof")} decisions changed inside their certified radius; a bound is wrong`,
    );
  }
  const networks = checked.length > 1 ? ` against each of ${checked.length} networks` : "";
  const rounding = checked.reduce((n, r) => n + count(r, "rounding"), 0);
  const note = rounding > 0 ? `; float32 rounding alone changed ${rounding}` : "";
  return [
    `No alarm: attacks on ${showRange(checked.map((r) => r.samples))} samples${networks} refuted no certified radius${note}.`,
  ];
}

/** A line for each prescribed constant: that it is proved of the written network, or that it is not; those that are alike once. */
export function claimLines(rows: readonly Row[]): string[] {
  const lines = rows.flatMap(({ label, records }) =>
    records.flatMap(({ claim }) => (claim ? [claimLine(label, claim)] : [])),
  );
  return [...new Set(lines)];
}

/** One claim in words. */
export function claimLine(who: string, { constant, proved, holds }: Claim): string {
  const gamma = showNumber(constant);
  if (holds)
    return `${printable(who)}: its constant of ${gamma} is proved of the written network, up to float32 rounding.`;
  const found = proved === null ? "nothing is" : `${showAtMost(proved)} is all that is`;
  return `ALARM: ${printable(who)}: its constant of ${gamma} is not proved of the written network: ${found}`;
}

/** The bracket, every bound with what it is worth, and the layers with their share of the blame. */
export function renderBracket(bracket: Bracket): string {
  const { lower, upper, norm, bounds, layers, noConstant, crossing } = bracket;
  const lines: string[] = [];
  if (noConstant) {
    const { why, node, local } = noConstant;
    const where = bracket.domain === "global" ? "global constant" : `constant proved on the ${bracket.domain}`;
    const advice = bracket.domain === "global" ? "try --box, or --center and --radius" : "try a smaller one";
    lines.push(`No ${where}: ${printable(`${why} at node ${node}`)}${local ? `; ${advice}` : ""}.`);
    if (lower && lower.value > 0)
      lines.push(`Slopes up to ${showAtLeast(lower.value)} were seen (witnessed, ${lower.method}).`);
  } else {
    // Nothing is witnessed where no two points show anything; 0 is true of every network.
    const searches = bracket.bounds.filter((b) => b.side === "lower");
    const hurried = searches.length > 0 && searches.every((b) => b.status === "stopped");
    const nothing = hurried ? "the time ran out before two points showed more" : "no pair of points shows more";
    const seen = lower && lower.value > 0 ? `witnessed, ${lower.method}` : nothing;
    const low = lower ? `${showAtLeast(lower.value)} (${seen})` : "none found";
    const high = upper
      ? `${upper.proved ? showAtMost(upper.value) : showNumber(upper.value)} (${upper.proved ? "proved" : "estimate"}, ${upper.method})`
      : "none";
    const where = bracket.domain === "global" ? "" : ` on the ${bracket.domain}`;
    lines.push(`Lipschitz constant, ${showNorm(norm)}${where}: between ${low} and ${high}`);
  }
  if (crossing) {
    const where = `node ${crossing.node}: ${crossing.why}`;
    lines.push(printable(`In a batch of one only: a sample's output depends on the batch around it (${where}).`));
  }
  const methods = textTable(["bound", "side", "proved", "value", "seconds", "status"]);
  for (const b of bounds) {
    methods.push([b.method, b.side, b.proved ? "yes" : "no", showBound(b), b.seconds.toFixed(2), statusOf(b)]);
  }
  lines.push(methods.toString());
  const unfit = new Set(bounds.flatMap(({ status, why }) => (status === "not a chain" && why ? [why] : [])));
  const late = bounds.find(({ method, status }) => method === "autolip" && status === "stopped")?.why;
  if (late) lines.push(`autolip: ${printable(late)}.`);
  for (const why of unfit) lines.push(`Not a chain: ${printable(why)}.`);
  if (layers.length > 0) {
    const table = textTable(["node", "op", "shape", "upper", "lower", "share of log L"]);
    for (const l of layers) {
      const share = l.shareOfLog === null ? "-" : showPercent(l.shareOfLog);
      const lower = l.lower === null ? "not computed" : showAtLeast(l.lower);
      const upper = l.crude ? `${showAtMost(l.upper)} (crude)` : showAtMost(l.upper);
      table.push([l.node, l.op, `[${l.shape.join(",")}]`, upper, lower, share]);
    }
    lines.push(table.toString());
  }
  return lines.join("\n");
}

/** Whether a bound is all that was asked for, in words. */
const statusOf = ({ status }: Bracket["bounds"][number]): string =>
  status === "done" ? "complete" : status === "stopped" ? "stopped by the clock" : status;

interface CertifiedText {
  readonly accuracy: number;
  readonly averageRadius: number;
  readonly certified: Certification["certified"];
  readonly samples?: readonly (Omit<CertifiedSample, "margin" | "by"> & { readonly by?: CertifiedSample["by"] })[];
  readonly local?: Certification["local"];
}

/** Accuracy and certified accuracy at each radius, and the weakest samples. */
export function renderCertification(result: CertifiedText, data: Dataset): string {
  const complete = result.certified.some(({ atMost }) => atMost !== undefined);
  const table = textTable(["radius", "certified accuracy", ...(complete ? ["not refuted"] : [])]);
  for (const { radius, accuracy, atMost } of result.certified) {
    table.push([
      String(radius),
      showPercentAtLeast(accuracy),
      ...(atMost === undefined ? [] : [showPercentAtMost(atMost)]),
    ]);
  }
  const { samples = [], local } = result;
  const ways = {
    constant: "the constant",
    curvature: "gradient and curvature",
    linear: "the linear walk around the sample",
    branching: "the walk with branch and bound",
  } as const;
  const counts = (Object.keys(ways) as (keyof typeof ways)[]).map((way) => ({
    way,
    count: samples.filter((s) => s.by === way).length,
  }));
  const legend = counts.some(({ way, count }) => way !== "constant" && count > 0)
    ? `\nOf ${samples.length} radii ${counts
        .filter(({ count }) => count > 0)
        .map(({ way, count }) => `${count} are by ${ways[way]}`)
        .join(", ")}.`
    : "";
  const left =
    local && "left" in local && local.left > 0
      ? `\nFor ${local.left} samples there was no work left; --seconds gives more.`
      : "";
  return [
    ...dataLines(data),
    `${accuracyOf(result.accuracy, data)}average certified radius ${showAtLeast(result.averageRadius)}`,
    `${table.toString()}${legend}${left}`,
    ...weakestLine("Smallest radii", samples, data, ({ radius }) => ({ value: radius }), showAtLeast),
  ].join("\n");
}

/** What the library certifies beside what is in the certificate that it wrote, which may be less or nothing; and why. */
export function renderCertified(
  library: CertifiedText,
  certificate: Pick<CertifiedText, "certified" | "averageRadius"> & { readonly unverifiable?: string },
  { file, notes, data }: { readonly file: string; readonly notes: readonly string[]; readonly data: Dataset },
): string {
  const { unverifiable } = certificate;
  if (unverifiable !== undefined) {
    return `${renderCertification(library, data)}\n${printable(`${file} has no witness, so that no second program can check it: ${unverifiable}.`)}`;
  }
  const table = textTable(["radius", "certified accuracy", `in ${file}`]);
  library.certified.forEach(({ radius, accuracy }, i) => {
    const written = certificate.certified[i].accuracy;
    table.push([String(radius), showPercentAtLeast(accuracy), showPercentAtLeast(written)]);
  });
  table.push(["average", showAtLeast(library.averageRadius), showAtLeast(certificate.averageRadius)]);
  return [
    ...dataLines(data),
    `${accuracyOf(library.accuracy, data)}average certified radius ${showAtLeast(library.averageRadius)}`,
    table.toString(),
    ...weakestLine("Smallest radii", library.samples ?? [], data, ({ radius }) => ({ value: radius }), showAtLeast),
    `The last column is what lipschitz verify can check: never more, and less what float32 may round.`,
    ...notes.map((note) => printable(`In ${file}, larger than it need be: ${note}.`)),
  ].join("\n");
}

/** Every check of a certificate with what was found, and the verdict. */
export function renderVerdict({ outcome, checks, unchecked, seconds }: Verdict): string {
  const width = Math.max(...checks.map((check) => check.what.length));
  const failed = outcome === "cannot be checked" ? "none" : "FAIL";
  const lines = checks.map(
    (check) =>
      `${check.holds ? "ok  " : failed}  ${check.what.padEnd(width)}  ${check.seconds.toFixed(2).padStart(6)} s  ${printable(check.detail)}`,
  );
  const left = unchecked.length > 0 ? [`Not checked: ${unchecked.join("; ")}.`] : [];
  return [
    ...left,
    ...lines,
    `The certificate ${outcome}${left.length > 0 && outcome === "holds" ? " as far as it was checked" : ""}; ${seconds.toFixed(2)} s.`,
  ].join("\n");
}
