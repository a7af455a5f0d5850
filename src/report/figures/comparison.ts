/** @file Methods side by side: the table, and what certified accuracy each pays for in plain accuracy. */
import { attackedAt, certifiedAt, type Measure, measures } from "../../experiment/comparison.ts";
import type { RunRecord } from "../../experiment/record.ts";
import { type Group, type Spread, spreadOf } from "../groups.ts";
import { type Column, figure, type Html, html, type Part, table } from "../html.ts";
import { showNumber, showPercent } from "../number.ts";
import type { Pen } from "../plot.ts";

/** One row a method; the best of a column is bold, and over several seeds half the range stands below the mean. */
export function comparisonTable(groups: readonly Group[]): Html {
  const quantities = quantitiesOf(groups[0].runs[0].record);
  const seeds = Math.max(...groups.map((g) => g.runs.length));
  const spreads = quantities.map(({ of }) => groups.map((g) => spreadOf(g, of)));
  const bests = quantities.map(({ better }, q) => {
    const means = spreads[q].filter((s) => s !== null).map((s) => s.mean);
    if (!better || means.length === 0) return null;
    return better === "more" ? Math.max(...means) : Math.min(...means);
  });
  const columns: Column[] = [{ head: "method", align: "left" }, ...quantities.map(({ head }) => ({ head }))];
  const rows = groups.map((group, g): Part[] => [
    group.label,
    ...quantities.map(({ show }, q): Part => {
      const spread = spreads[q][g];
      if (!spread) return "-";
      const text = show(spread.mean);
      return [
        spread.mean === bests[q] ? html`<strong>${text}</strong>` : text,
        spread.min < spread.max ? html`<br><small>±${half(spread, show)}</small>` : null,
      ];
    }),
  ]);
  const caption = seeds > 1 ? `Methods, means over up to ${seeds} seeds; ±: half their range` : "Methods";
  return html`<div class="wide">${table(caption, columns, rows)}</div>`;
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
    legend: points.map(({ label, color }) => ({ label, color, style: "dot" })),
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
          label: `right under every move of ${radius} in l${record.norm}, %`,
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
    note: "Filled: proved. Hollow: what attacks leave; the truth is on the dotted line between. Bars, where several seeds ran: their range.",
    numbers: table(
      title,
      [{ head: "method", align: "left" }, { head: "accuracy" }, { head: "certified" }, { head: "left by attacks" }],
      points.map((p) => [p.label, showPercent(p.clean.mean), showPercent(p.certified.mean), showPercent(p.left?.mean)]),
    ),
  });
}

// --- internal ---

/** Half a range, in the unit of the mean above it. */
function half({ min, max }: Spread, show: (value: number) => string): string {
  const value = (max - min) / 2;
  const text = show(value);
  return text.endsWith(" %") ? text.slice(0, -2) : String(Number(value.toPrecision(2)));
}

interface Quantity extends Omit<Measure, "name"> {
  readonly head: string;
  readonly show: (value: number) => string;
}

function quantitiesOf({ spec, accuracy }: RunRecord): Quantity[] {
  const quantity = (head: string, { of, better }: Measure, show: (value: number) => string): Quantity => ({
    head,
    of,
    better,
    show,
  });
  const bracket = [
    quantity("L at least", measures.lower, showNumber),
    quantity("L at most", measures.upper, showNumber),
    quantity("tight", measures.tightness, showPercent),
  ];
  const seconds = quantity("train, s", measures.seconds, (v) => v.toFixed(1));
  if (accuracy === null) return [quantity("test loss", measures.testLoss, showNumber), ...bracket, seconds];
  return [
    quantity("accuracy", measures.accuracy, showPercent),
    ...bracket,
    ...spec.radii.flatMap((radius, k) => [
      quantity(`certified at ${radius}`, certifiedAt(k), showPercent),
      quantity(`left by attacks at ${radius}`, attackedAt(k), showPercent),
    ]),
    quantity("radius", measures.radius, showNumber),
    quantity("curvature", measures.curvature, showNumber),
    seconds,
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
