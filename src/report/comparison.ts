/** @file A comparison as a table for a terminal, at most 100 columns wide. Pure: rows in, text out. */
import {
  attackedAt,
  bestBy,
  certifiedAt,
  type Measure,
  measureOf,
  measures,
  type Paper,
  type Row,
  type Spread,
  spreadOf,
} from "../experiment/comparison.ts";
import { printable } from "../tensor/printable.ts";
import {
  showAtLeast,
  showAtMost,
  showNorm,
  showPercentAtLeast,
  showPercentAtMost,
  showRange,
  showShort,
} from "./number.ts";
import { type TextTable, textTable } from "./textTable.ts";

/** One column: how a row reads in it, with its spread below where there are several seeds. */
interface Column {
  readonly head: string;
  /** The measure whose best value is marked. */
  readonly marks: Measure | undefined;
  /** How that measure reads. */
  show(value: number): string;
  cell(row: Row): { readonly value: string; readonly spread: string };
}

/**
 * One row a method: clean accuracy; at each radius the part that is certified and the part that attacks left; the average certified
 * radius; the bracket of the constant and how tight it is; curvature; training time as a multiple of plain's. The best of each
 * column is marked with a star. Several seeds: their mean, and below it half their range.
 */
export function renderComparison(rows: readonly Row[], paper?: Paper): string {
  const [first] = rows.flatMap((row) => row.records);
  if (!first) return "No runs.";
  const columns = columnsFor(rows);
  const severalSeeds = rows.some((row) => row.records.length > 1);
  const marked = columns.map((column) => markedIn(column, rows));
  const gap = (i: number) => (marked[i].length > 0 ? " " : "");
  const lines = rows.flatMap((row) => {
    const cells = columns.map((column) => column.cell(row));
    const values = cells.map(({ value }, i) => `${value}${marked[i].includes(row.label) ? "*" : gap(i)}`);
    const spreads = cells.map(({ spread }, i) => (spread === "" ? "" : `±${spread}${gap(i)}`));
    return severalSeeds
      ? [
          [row.label, ...values],
          ["", ...spreads],
        ]
      : [[row.label, ...values]];
  });
  const tables = folded([["", ...columns.map((c) => c.head)], ...lines]).map(([head, ...body]) => {
    const table = bareTable(head);
    table.push(...body.map((line) => [...line]));
    return table.toString();
  });
  return [...tables, ...legend(rows), ...(paper ? ["", renderPaper(rows, paper)] : [])].join("\n");
}

// --- internal ---

const width = 100;

/** Lines of cells as several tables, each narrow enough, each with the first column. */
function folded(lines: readonly (readonly string[])[]): readonly (readonly string[])[][] {
  const widths = lines[0].map((_, i) => 1 + Math.max(...lines.map((line) => line[i].length)));
  const blocks: number[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (let i = 1; i < widths.length; i++) {
    if (used + widths[i] > width + 1) {
      blocks.push([0]);
      used = widths[0];
    }
    blocks[blocks.length - 1].push(i);
    used += widths[i];
  }
  return blocks.map((block) => lines.map((line) => block.map((i) => line[i])));
}

/** The rows whose value reads as the best one does; none where all do. */
function markedIn({ marks, show }: Column, rows: readonly Row[]): readonly string[] {
  if (!marks) return [];
  const best = bestBy(rows, marks);
  const texts = rows.map((row) => {
    const spread = spreadOf(row, marks);
    return spread ? show(spread.mean) : null;
  });
  const top = texts[rows.findIndex(({ label }) => best.includes(label))];
  const found = rows.filter((_, i) => texts[i] === top).map(({ label }) => label);
  return found.length < rows.length ? found : [];
}

function columnsFor(rows: readonly Row[]): readonly Column[] {
  const records = rows.flatMap((row) => row.records);
  const { radii } = records[0].spec;
  const classifies = records.every((r) => r.accuracy !== null);
  const plain = rows.find((row) => row.records.every((r) => r.spec.method.name === "plain"));
  const base = plain && spreadOf(plain, measures.seconds);
  const percent = (v: number) => (100 * v).toFixed(1);
  const bare = (text: string) => text.replace(" %", "");
  const atLeast = (v: number) => bare(showPercentAtLeast(v));
  const atMost = (v: number) => bare(showPercentAtMost(v));
  const shows = (head: string, measure: Measure, show: (v: number) => string): Column => ({
    head,
    marks: measure,
    show,
    cell: (row) => both(spreadOf(row, measure), show),
  });
  const time = (unit: string, one: number): Column => {
    const shown = shows("time", measures.seconds, (v) => (v / one).toFixed(1));
    return { ...shown, cell: (row) => ({ ...shown.cell(row), value: `${shown.cell(row).value}${unit}` }) };
  };
  const radius = (r: number, i: number): Column => ({
    head: `at ${r}`,
    marks: certifiedAt(i),
    show: atLeast,
    cell(row) {
      const low = both(spreadOf(row, certifiedAt(i)), atLeast);
      const high = both(spreadOf(row, attackedAt(i)), atMost);
      return { value: `${low.value}-${high.value}`, spread: low.spread };
    },
  });
  const accuracy: readonly Column[] = classifies
    ? [shows("clean", measures.accuracy, percent), ...radii.map(radius), shows("avg r", measures.radius, showShort)]
    : [shows("test loss", measures.testLoss, showShort)];
  return [
    ...accuracy,
    shows("lower", measures.lower, (v) => showAtLeast(v, showShort)),
    shows("upper", measures.upper, (v) => showAtMost(v, showShort)),
    { ...shows("tight", measures.tightness, percent), marks: undefined },
    ...(classifies ? [shows("curv.", measures.curvature, showShort)] : []),
    base ? time("x", base.mean) : time(" s", 1),
  ];
}

function both(spread: Spread | null, show: (v: number) => string): { readonly value: string; readonly spread: string } {
  if (spread === null) return { value: "-", spread: "" };
  return { value: show(spread.mean), spread: show(spread.half) };
}

function legend(rows: readonly Row[]): readonly string[] {
  const records = rows.flatMap((row) => row.records);
  const { norm, attacked } = records[0];
  const classifies = records.every((r) => r.accuracy !== null);
  const seeds = Math.max(...rows.map((row) => row.records.length));
  const names = attacked?.protocol.attacks.map((a) => a.name).join(" and ");
  return [
    ...(classifies
      ? [
          `clean: right test samples, %. at r: right under every move of at most r in ${showNorm(norm)}, %: no fewer than`,
          `the first number, which is proved; no more than the second, which ${names ?? "attacks"} left`,
          `${attacked ? `of the first ${showRange(records.flatMap((r) => r.attacked?.samples ?? []))}` : ""}. avg r: average certified radius.`,
        ]
      : []),
    `lower, upper: of the Lipschitz constant in ${showNorm(norm)}, witnessed and proved; tight: lower / upper, %.`,
    ...(classifies ? ["curv.: ||H|| / ||g|| of the loss at test samples, mean. time: of training."] : []),
    `*: best of its column.${seeds > 1 ? ` Mean of ${seeds} seeds; ±: half their range.` : ""}`,
  ];
}

/** A paper's numbers beside ours. */
function renderPaper(rows: readonly Row[], { source, values }: Paper): string {
  const table = bareTable(["", "measure", "ours", "paper"]);
  for (const row of rows) {
    for (const [name, theirs] of Object.entries(values[row.label] ?? {})) {
      const measure = measureOf(name, row.records[0].spec.radii);
      const ours = both(measure ? spreadOf(row, measure) : null, showShort);
      const spread = row.records.length > 1 && ours.spread !== "" ? ` ±${ours.spread}` : "";
      table.push([row.label, name, `${ours.value}${spread}`, showShort(theirs)]);
    }
  }
  return `${table.toString()}\npaper: ${printable(source)}.`;
}

/** A table without lines between columns, so that many fit into 100 characters. */
function bareTable(head: readonly string[]): TextTable {
  const none = { top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "" };
  const sides = { "bottom-left": "", "bottom-right": "", left: "", "left-mid": "", right: "", "right-mid": "" };
  return textTable(head, {
    colAligns: head.map((_, i) => (i === 0 ? "left" : "right")),
    chars: { ...none, ...sides, mid: "", "mid-mid": "", middle: " " },
    style: { "padding-left": 0, "padding-right": 0 },
  });
}
