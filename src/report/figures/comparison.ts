/** @file Methods side by side: the table, and what certified accuracy each pays for in plain accuracy. */
import { attackedAt, certifiedAt, type Measure, measures } from "../../experiment/comparison.ts";
import { type Group, type Spread, spreadOf } from "../groups.ts";
import { type Column, figure, type Html, html, type Part, table } from "../html.ts";
import { showAtLeast, showAtMost, showNorm, showNumber, showPercent, showRange } from "../number.ts";
import type { Pen } from "../plot.ts";

/** One row a method; the best of a column is bold, and over several seeds half the range stands below the mean. */
export function comparisonTable(groups: readonly Group[]): Html {
  const quantities = quantitiesOf(groups);
  const seeds = Math.max(...groups.map((g) => g.runs.length));
  const bests = quantities.map(({ measures: shown, show }) => shown.map((measure) => bestOf(groups, measure, show)));
  const columns: Column[] = [{ head: "method", align: "left" }, ...quantities.map(({ head }) => ({ head }))];
  const rows = groups.map((group): Part[] => [
    group.label,
    ...quantities.map(({ measures: shown, show }, q): Part => {
      const spreads = shown.map(({ of }) => spreadOf(group, of));
      const means = spreads.map((spread, k): Part => {
        if (!spread) return k === 0 ? "-" : null;
        const text = show(spread.mean);
        return [k > 0 ? " to " : null, text === bests[q][k] ? html`<strong>${text}</strong>` : text];
      });
      const halves = spreads.flatMap((s) => (s && s.min < s.max ? [half(s, show)] : []));
      return [means, halves.length > 0 ? html`<br><small>±${halves.join(", ±")}</small>` : null];
    }),
  ]);
  const { accuracy, norm } = groups[0].runs[0].record;
  const within =
    accuracy === null
      ? ""
      : ` At r: right under every move of at most r in ${showNorm(norm)}, %: at least the first number (proved), at most the second (left by attacks${partWords(groups)}).`;
  const caption = seeds > 1 ? `Means over up to ${seeds} seeds; ±: half their range.` : "One seed each.";
  return html`<p class="note">${`${caption}${within} Bold: best of its column.`}</p>
<div class="wide">${table("Methods", columns, rows)}</div>`;
}

/** Accuracy against certified accuracy at the radius where methods differ most; null where nothing was certified. */
export function scatterFigure(pen: Pen, groups: readonly Group[]): Html | null {
  const { record } = groups[0].runs[0];
  const place = widestPlace(groups);
  if (place === null || !record.certified) return null;
  const { radius } = record.certified[place];
  const { plot } = pen;
  const points = groups.flatMap((group) => {
    const clean = spreadOf(group, (r) => r.accuracy);
    const certified = spreadOf(group, (r) => r.certified?.[place]?.accuracy);
    const left = spreadOf(group, (r) => r.attacked?.robust[place]?.accuracy);
    return clean && certified ? [{ ...group, clean, certified, left }] : [];
  });
  type At = (typeof points)[number];
  const title = `Accuracy against certified accuracy at ${radius}`;
  // A scale in percent has its domain in percent.
  const span = (spreads: readonly (Spread | null)[]): [number, number] => {
    const all = spreads.flatMap((s) => (s ? [s.min, s.max] : []));
    const [low, high] = [Math.min(...all), Math.max(...all)];
    const pad = Math.max(0.01, 0.08 * (high - low));
    return [100 * Math.max(0, low - pad), 100 * Math.min(1, high + pad)];
  };
  const ink = { stroke: (p: At) => p.color, strokeWidth: 1.5 };
  const attacked = points.filter((p) => p.left !== null);
  return figure({
    title,
    legend: points.map(({ label, color, symbol }) => ({ label, color, style: symbol })),
    drawing: pen.draw(
      {
        height: 340,
        x: {
          domain: span(points.map((p) => p.clean)),
          percent: true,
          label: "right test samples, %",
          grid: true,
          ticks: 6,
        },
        y: {
          domain: [0, 100],
          percent: true,
          label: `right under every move of ${radius} in ${showNorm(record.norm)}, %`,
          grid: true,
        },
        marks: [
          plot.link(attacked, {
            x1: (p: At) => p.clean.mean,
            x2: (p: At) => p.clean.mean,
            y1: (p: At) => p.certified.mean,
            y2: (p: At) => p.left?.mean,
            stroke: (p: At) => p.color,
            strokeDasharray: "3 3",
          }),
          plot.link(points, {
            x1: (p: At) => p.clean.min,
            x2: (p: At) => p.clean.max,
            y1: (p: At) => p.certified.mean,
            y2: (p: At) => p.certified.mean,
            ...ink,
          }),
          plot.link(points, {
            x1: (p: At) => p.clean.mean,
            x2: (p: At) => p.clean.mean,
            y1: (p: At) => p.certified.min,
            y2: (p: At) => p.certified.max,
            ...ink,
          }),
          ...points.flatMap((p) => [
            plot.dot([p], { x: p.clean.mean, y: p.certified.mean, fill: p.color, symbol: p.symbol, r: 6 }),
            plot.dot(p.left ? [p] : [], {
              x: p.clean.mean,
              y: p.left?.mean ?? 0,
              stroke: p.color,
              strokeWidth: 1.5,
              fill: "var(--paper)",
              symbol: p.symbol,
              r: 5,
            }),
          ]),
        ],
      },
      {
        title,
        description: points
          .map((p) => `${p.label}: ${showPercent(p.clean.mean)} right, ${showPercent(p.certified.mean)} certified`)
          .join("; "),
      },
    ),
    note: `Filled: proved. Hollow: what attacks leave${partWords(groups)}; the truth is on the dotted line between. Bars, where several seeds ran: their range.`,
    numbers: table(
      title,
      [{ head: "method", align: "left" }, { head: "accuracy" }, { head: "certified" }, { head: "left by attacks" }],
      points.map((p) => [p.label, showPercent(p.clean.mean), showPercent(p.certified.mean), showPercent(p.left?.mean)]),
    ),
  });
}

// --- internal ---

/** Of how many samples attacks speak, where it is not all. */
function partWords(groups: readonly Group[]): string {
  const records = groups.flatMap((g) => g.runs.map((r) => r.record));
  const attacked = records.flatMap((r) => r.attacked?.samples ?? []);
  const all = records.every((r) => r.attacked?.samples === r.data.samples.test);
  return all || attacked.length === 0 ? "" : ` of the first ${showRange(attacked)} test samples`;
}

/** Half a range, in the unit of the mean beside it. */
function half({ min, max }: Spread, show: (value: number) => string): string {
  const value = (max - min) / 2;
  return show === percent ? percent(value) : String(Number(value.toPrecision(2)));
}

/** How the best mean reads; null where nothing is better, or where all read the same. */
function bestOf(groups: readonly Group[], { of, better }: Measure, show: Quantity["show"]): string | null {
  const means = groups.flatMap((g) => spreadOf(g, of)?.mean ?? []);
  if (better === null || new Set(means.map((mean) => show(mean))).size < 2) return null;
  return show(better === "more" ? Math.max(...means) : Math.min(...means));
}

/** A column: one measure, or the two ends of what is known. */
interface Quantity {
  readonly head: string;
  readonly measures: readonly Measure[];
  readonly show: (value: number) => string;
}

const percent = (part: number): string => (100 * part).toFixed(1);

function quantitiesOf(groups: readonly Group[]): Quantity[] {
  const [{ record }] = groups[0].runs;
  const { spec, accuracy } = record;
  const one = (head: string, measure: Measure, show: (value: number) => string): Quantity => ({
    head,
    measures: [measure],
    show,
  });
  const plain = groups.find((g) => g.runs.every((r) => r.record.spec.method.name === "plain"));
  const base = plain && spreadOf(plain, measures.seconds.of)?.mean;
  const time = base
    ? one("training, × plain", { ...measures.seconds, of: (r) => r.seconds.train / base }, (v) => v.toFixed(1))
    : one("training, s", measures.seconds, (v) => v.toFixed(1));
  const bracket = [
    one("L at least", measures.lower, showAtLeast),
    one("L at most", measures.upper, showAtMost),
    one("tight, %", { ...measures.tightness, better: null }, percent),
  ];
  if (accuracy === null) return [one("test loss", measures.testLoss, showNumber), ...bracket, time];
  return [
    one("right, %", measures.accuracy, percent),
    ...spec.radii.map((radius, k) => ({
      head: `at ${radius}`,
      measures: [certifiedAt(k), attackedAt(k)],
      show: percent,
    })),
    one("average radius", measures.radius, showNumber),
    ...bracket,
    one("curvature", measures.curvature, showNumber),
    time,
  ];
}

function widestPlace(groups: readonly Group[]): number | null {
  const radii = groups[0].runs[0].record.certified ?? [];
  const width = radii.map((_, k) => {
    const means = groups.map((g) => spreadOf(g, (r) => r.certified?.[k]?.accuracy)?.mean ?? 0);
    return Math.max(...means) - Math.min(...means);
  });
  return width.length > 0 ? width.indexOf(Math.max(...width)) : null;
}
