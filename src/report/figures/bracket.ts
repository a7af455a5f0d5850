/** @file The bracket of the constant drawn as a bracket, every bound at its place. */
import type { Bound, Bracket } from "../../bounds/bound.ts";
import { type Group, spreadOf } from "../groups.ts";
import { figure, type Html, html, table } from "../html.ts";
import { showAtLeast, showAtMost, showBound, showNorm, showNumber } from "../number.ts";
import type { Pen } from "../plot.ts";
import { labelWidth, short } from "./labels.ts";

/** One bracket above the bounds that made it. */
export function bracketFigure(pen: Pen, bracket: Bracket): Html {
  const { lower, upper, bounds, norm } = bracket;
  const title = `Lipschitz constant in ${showNorm(norm)}${bracket.domain === "global" ? "" : ` on the ${bracket.domain}`}`;
  const found = bounds.filter(isPlaced);
  const numbers = table(
    "Every bound",
    [
      { head: "bound", align: "left" },
      { head: "side", align: "left" },
      { head: "worth", align: "left" },
      { head: "value" },
      { head: "seconds" },
      { head: "status", align: "left" },
    ],
    bounds.map((b) => [
      b.method,
      b.side,
      worthOf(b),
      showBound(b),
      showNumber(b.seconds),
      b.why ? `${b.status}: ${b.why}` : b.status,
    ]),
  );
  if (found.length === 0) {
    return figure({ title, drawing: html`<p>No bound found a number.</p>`, numbers });
  }
  const rows = [{ label, lower: positive(lower?.value), upper: positive(upper?.value) }];
  const names = [...new Set(found.map((b) => b.method))];
  const drawing = drawRows(pen, rows, [label, ...names], found, { title, description: words(bracket) });
  return figure({
    title,
    drawing,
    legend: [
      { label: "witnessed: L is at least this", color: "var(--green)", style: "dot" },
      { label: "proved: L is at most this", color: "var(--blue)", style: "dot" },
      ...(found.some((b) => b.side === "estimate" || (b.side === "upper" && !b.proved))
        ? [{ label: "estimate, not proved", color: "var(--muted)", style: "dot" as const }]
        : []),
    ],
    note: words(bracket),
    numbers,
  });
}

/** The brackets of several methods under each other; over seeds, from the smallest lower to the largest upper bound. */
export function bracketsFigure(pen: Pen, groups: readonly Group[]): Html {
  const rows = groups.map((g) => ({
    label: g.label,
    lower: positive(spreadOf(g, (r) => r.bracket.lower?.value)?.min),
    upper: positive(spreadOf(g, (r) => r.bracket.upper?.value)?.max),
  }));
  const norm = groups[0].runs[0].record.bracket.norm;
  const title = `Lipschitz constants in ${showNorm(norm)}`;
  const numbers = table(
    title,
    [
      { head: "method", align: "left" },
      { head: "lower, witnessed" },
      { head: "upper, proved" },
      { head: "upper / lower" },
    ],
    rows.map((r) => [
      r.label,
      showAtLeast(r.lower),
      showAtMost(r.upper),
      r.lower && r.upper ? showNumber(r.upper / r.lower) : "-",
    ]),
  );
  if (rows.every((r) => r.lower === null && r.upper === null)) {
    return figure({ title, drawing: html`<p>No bound found a number.</p>`, numbers });
  }
  return figure({
    title,
    drawing: drawRows(
      pen,
      rows,
      rows.map((r) => r.label),
      [],
      { title },
    ),
    note: "Each constant lies somewhere in its bracket: the left end was seen, the right end is proved.",
    numbers,
  });
}

// --- internal ---

const label = "bracket";

interface Row {
  readonly label: string;
  readonly lower: number | null;
  readonly upper: number | null;
}

/** Brackets as bars with two caps, and single bounds as arrowheads that point to where the constant is. */
function drawRows(
  pen: Pen,
  rows: readonly Row[],
  names: readonly string[],
  bounds: readonly Bound[],
  about: { readonly title: string; readonly description?: string },
): Html {
  const { plot } = pen;
  const all = [...rows.flatMap((r) => [r.lower, r.upper]), ...bounds.map((b) => b.value)].filter((v) => v !== null);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const log = high / low > 4;
  const pad = log ? (high / low) ** 0.06 : (high - low) * 0.08 || 0.05 * high;
  const domain = log ? [low / pad, high * pad] : [low - pad, high + pad];
  const bars = rows.map((r) => ({ ...r, start: r.lower ?? domain[0], end: r.upper ?? domain[1] }));
  const colorOf = (b: Bound) =>
    b.side === "lower" ? "var(--green)" : b.side === "upper" && b.proved ? "var(--blue)" : "var(--muted)";
  const arrows = (side: Bound["side"], symbol: "triangle" | "circle", rotate: number) =>
    plot.dot(
      bounds.filter((b) => b.side === side),
      { x: "value", y: "method", fill: colorOf, symbol, rotate, r: 6 },
    );
  const values = (side: Bound["side"], textAnchor: "start" | "end", dx: number) =>
    plot.text(
      bounds.filter((b) => b.side === side),
      { x: "value", y: "method", text: showBound, textAnchor, dx, fill: "var(--ink)" },
    );
  const shade = bounds.length > 0 ? bars : [];
  return pen.draw(
    {
      height: 74 + 30 * names.length,
      marginLeft: labelWidth(names),
      marginRight: 16,
      insetLeft: 66,
      insetRight: 72,
      x: {
        type: log ? "log" : "linear",
        domain,
        label: "L, output over input",
        grid: true,
        ticks: log ? decades(low, high) : 5,
        tickFormat: log ? "~s" : undefined,
      },
      y: { domain: names.map(String), label: null, tickSize: 0, padding: 0.35, tickFormat: short },
      marks: [
        plot.rect(shade, { x1: "start", x2: "end", fill: "var(--blue)", fillOpacity: 0.1 }),
        plot.link(bars, { x1: "start", x2: "end", y1: "label", y2: "label", stroke: "var(--ink)", strokeWidth: 4 }),
        plot.tickX(
          bars.filter((r) => r.lower !== null),
          { x: "start", y: "label", stroke: "var(--ink)", strokeWidth: 4 },
        ),
        plot.tickX(
          bars.filter((r) => r.upper !== null),
          { x: "end", y: "label", stroke: "var(--ink)", strokeWidth: 4 },
        ),
        plot.text(bars, {
          x: "start",
          y: "label",
          text: (r: Row) => (r.lower === null ? "none seen" : showAtLeast(r.lower)),
          textAnchor: "end",
          dx: -8,
          fontWeight: 600,
          fill: "var(--ink)",
        }),
        plot.text(bars, {
          x: "end",
          y: "label",
          text: (r: Row) => (r.upper === null ? "no bound" : showAtMost(r.upper)),
          textAnchor: "start",
          dx: 8,
          fontWeight: 600,
          fill: "var(--ink)",
        }),
        arrows("lower", "triangle", 90),
        arrows("upper", "triangle", -90),
        arrows("estimate", "circle", 0),
        values("lower", "end", -10),
        values("upper", "start", 10),
        values("estimate", "start", 10),
      ],
    },
    about,
  );
}

const positive = (value: number | null | undefined): number | null =>
  value !== null && value !== undefined && Number.isFinite(value) && value > 0 ? value : null;

const isPlaced = (b: Bound): boolean => positive(b.value) !== null;

const worthOf = (b: Bound): string =>
  b.side === "lower" ? "witnessed" : b.side === "upper" && b.proved ? "proved" : "estimate";

function words({ lower, upper, noConstant }: Bracket): string {
  const seen = lower && lower.value > 0 ? `at least ${showAtLeast(lower.value)} (witnessed, ${lower.method})` : "";
  if (noConstant) {
    const why = `There is no global constant: ${noConstant.why} at node ${noConstant.node}.`;
    return seen ? `${why} Slopes of ${seen} were seen.` : why;
  }
  const most = upper && Number.isFinite(upper.value) && upper.value !== null ? upper : null;
  const bounded = most
    ? `at most ${showAtMost(most.value)} (${most.proved ? "proved" : "an estimate"}, ${most.method})`
    : "";
  const tight =
    lower && lower.value > 0 && most ? ` The ends are a factor ${showNumber(most.value / lower.value)} apart.` : "";
  return `L is ${[seen, bounded].filter(Boolean).join(" and ") || "not known"}${bounded ? "" : "; no upper bound was found"}.${tight}`;
}

/** Powers of ten, not more than eight; up to two decades the axis has ticks of its own. */
function decades(low: number, high: number): number[] | number {
  const [first, last] = [Math.ceil(Math.log10(low)), Math.floor(Math.log10(high))];
  if (high / low <= 100) return 5;
  const every = Math.ceil((last - first + 1) / 8);
  return Array.from({ length: Math.floor((last - first) / every) + 1 }, (_, k) => 10 ** (first + k * every));
}
