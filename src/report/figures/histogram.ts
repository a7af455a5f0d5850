/** @file The curvature of a network at samples, as a histogram on a logarithmic axis: a mean alone hides the long tail. */
import { figure, type Html, table } from "../html.ts";
import { showNumber } from "../number.ts";
import type { Pen } from "../plot.ts";

/** Normalised curvature of the loss at samples; null where no sample has any. */
export function curvatureFigure(pen: Pen, curvature: readonly number[]): Html | null {
  const values = curvature.filter((v) => Number.isFinite(v) && v > 0);
  if (values.length === 0) return null;
  const { plot } = pen;
  const title = "Curvature of the loss at samples";
  const low = Math.floor(4 * Math.log10(Math.min(...values))) / 4;
  const high = Math.max(low + 0.25, Math.ceil(4 * Math.log10(Math.max(...values))) / 4);
  const count = Math.max(1, Math.min(24, Math.round((high - low) * 8)));
  const edge = (k: number) => 10 ** (low + (k * (high - low)) / count);
  const bins = Array.from({ length: count }, (_, k) => ({
    low: edge(k),
    high: edge(k + 1),
    samples: values.filter((v) => (k === 0 || v >= edge(k)) && (v < edge(k + 1) || k === count - 1)).length,
  }));
  const median = [...values].sort((a, b) => a - b)[values.length >> 1];
  const none = curvature.length - values.length;
  return figure({
    title,
    drawing: pen.draw(
      {
        height: 260,
        x: { type: "log", label: "|H| / |g|, normalised curvature", ticks: 6, tickFormat: "~g" },
        y: { label: "samples", grid: true },
        marks: [
          plot.rectY(bins, { x1: "low", x2: "high", y: "samples", fill: "var(--blue)", inset: 0.5 }),
          plot.ruleX([median], { stroke: "var(--vermillion)", strokeWidth: 2, strokeDasharray: "5 4" }),
          plot.ruleY([0], { stroke: "var(--ink)" }),
        ],
      },
      { title, description: `Median ${showNumber(median)} of ${values.length} samples` },
    ),
    note: `Seen at ${values.length} samples, in l2; the dashed line is their median, ${showNumber(median)}.${none > 0 ? ` ${none} more have none.` : ""}`,
    numbers: table(
      title,
      [{ head: "at least" }, { head: "below" }, { head: "samples" }],
      bins.map((b) => [showNumber(b.low), showNumber(b.high), String(b.samples)]),
    ),
  });
}
