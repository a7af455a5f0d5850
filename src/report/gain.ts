/** @file Slopes and gains on a box as text: a matrix output by input, what is monotone, and where it is steepest. */
import type { Bracketed, Gains, Slope } from "../bounds/gain/gains.ts";
import { printable } from "../tensor/printable.ts";
import { showAtLeast, showAtMost, showNorm, showNumber } from "./number.ts";
import { textTable } from "./textTable.ts";

/** The matrix, with a row per output where inputs are few, else the largest slopes one by one; gains; signs; the worst state. */
export function renderGains(found: Gains): string {
  const { inputs, outputs, slopes, gains, whole, norm, crossing } = found;
  const free = inputs.filter(({ fixed }) => !fixed);
  const lines = [];
  const scaled = [...inputs, ...outputs].some(({ scale }) => scale !== 1) ? " of scaled changes" : "";
  lines.push(`Largest slopes on the box, witnessed to proved; gain in ${showNorm(norm)}${scaled}`);
  const gainOf = (output: string) => gains.find((own) => own.output === output) as Bracketed;
  if (free.length <= mostColumns) {
    const table = textTable(["", ...free.map((q) => withUnit(q)), "gain"]);
    for (const q of outputs.slice(0, mostRows)) {
      const own = slopes.filter(({ output }) => output === q.name);
      table.push([withUnit(q), ...own.map(cell), between(gainOf(q.name))]);
    }
    lines.push(table.toString());
    if (outputs.length > mostRows) lines.push(`... ${outputs.length - mostRows} more outputs: --json has all`);
  } else {
    const table = textTable(["output", "input", "slope", "gain of the output"]);
    const effect = ({ input, upper }: Slope) => {
      const q = free.find(({ name }) => name === input);
      return q ? upper * (q.high - q.low) : 0;
    };
    const order = slopes.toSorted((a, b) => effect(b) - effect(a));
    for (const s of order.slice(0, mostRows)) table.push([s.output, s.input, cell(s), between(gainOf(s.output))]);
    lines.push(table.toString());
    if (order.length > mostRows) lines.push(`... ${order.length - mostRows} more slopes: --json has all`);
  }
  const still = inputs.filter(({ fixed }) => fixed).map(({ name }) => name);
  if (still.length > 0) lines.push(printable(`Fixed: ${list(still)}.`));
  lines.push(
    `Gain of all outputs together: between ${showAtLeast(whole.lower)} (witnessed) and ${proved(whole.upper)}`,
  );
  lines.push(...signLines(slopes), ...steepestLines(found));
  lines.push(endLine(found));
  if (crossing) {
    const where = `node ${crossing.node}: ${crossing.why}`;
    lines.push(printable(`In a batch of one only: a sample's output depends on the batch around it (${where}).`));
  }
  return lines.join("\n");
}

// --- internal ---

const mostColumns = 6;
const mostRows = 20;

/** What a list names; of long ones the first. */
const list = (names: readonly string[]): string =>
  names.length <= mostRows
    ? names.join(", ")
    : `${names.slice(0, mostRows).join(", ")} and ${names.length - mostRows} more`;

const withUnit = ({ name, unit }: { readonly name: string; readonly unit?: string }): string =>
  unit === undefined ? name : `${name} [${unit}]`;

const proved = (upper: number): string =>
  upper < Number.POSITIVE_INFINITY ? `${showAtMost(upper)} (proved)` : "nothing (none is proved)";

function between({ lower, upper }: Bracketed): string {
  if (lower === 0 && upper === 0) return "0";
  return `${showAtLeast(lower)} to ${showAtMost(upper)}`;
}

/** Signs where they are proved: + rises, - falls. */
function cell(slope: Slope): string {
  const sign = slope.trend === "rises" ? "+ " : slope.trend === "falls" ? "- " : "";
  return `${sign}${between(slope)}`;
}

/** Monotone pairs, output by output. */
function signLines(slopes: readonly Slope[]): string[] {
  const words = { rises: "rises with", falls: "falls with", still: "does not depend on" } as const;
  const outputs = [...new Set(slopes.map(({ output }) => output))];
  const lines = outputs.flatMap((output) => {
    const parts = (["rises", "falls", "still"] as const).flatMap((trend) => {
      const names = slopes.filter((s) => s.output === output && s.trend === trend).map(({ input }) => input);
      return names.length > 0 ? [`${words[trend]} ${list(names)}`] : [];
    });
    return parts.length > 0 ? [printable(`Proved on all of the box: ${output} ${parts.join(", ")}.`)] : [];
  });
  return lines.slice(0, mostRows);
}

function steepestLines({ inputs, outputs, whole }: Gains): string[] {
  const { steepest } = whole;
  if (!steepest) return [];
  const named = (values: readonly number[], of: readonly { readonly name: string; readonly unit?: string }[]) =>
    list(values.flatMap((v, i) => (v === 0 ? [] : [`${of[i].name} ${signed(v)}`])));
  const state = list(inputs.map((q, i) => `${q.name} = ${showNumber(steepest.state[i])}${q.unit ? ` ${q.unit}` : ""}`));
  return [
    printable(`Steepest found at ${state}`),
    printable(`  along ${named(steepest.direction, inputs)}: ${named(steepest.response, outputs)}`),
  ];
}

const signed = (v: number): string => (v > 0 ? `+${showNumber(v)}` : showNumber(v));

function endLine({ pieces, status, gap, slopes, gains, whole, seconds }: Gains): string {
  const worst = [...slopes, ...gains, whole].reduce(
    (top, { lower, upper }) => Math.max(top, lower > 0 ? upper / lower : 1),
    1,
  );
  const percent = `${Number((100 * gap).toPrecision(3))} %`;
  const boxes = `${pieces} boxes in ${seconds.toFixed(2)} s`;
  if (status === "done") return `Closed within ${percent}: ${boxes}.`;
  return `Stopped before all was within ${percent}: ${boxes}; the widest ratio is ${showNumber(worst)}. --seconds gives more.`;
}
