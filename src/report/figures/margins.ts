/** @file Margins of networks on one axis, as the part of the samples below each: as they are, or over a complexity. Left is worse; a network that has memorised lies left once margins are normalised. */
import { figure, type Html, table } from "../html.ts";
import { showNumber, showPercent } from "../number.ts";
import type { Pen } from "../plot.ts";

/** One network's margins, in the units of the axis. */
export interface MarginLine {
  readonly label: string;
  readonly color: string;
  readonly dashed?: boolean;
  readonly margins: readonly number[];
}

/** The distributions of several networks; null where there is none. */
export function marginsFigure(
  pen: Pen,
  { title, axis, note }: { readonly title: string; readonly axis: string; readonly note: string },
  lines: readonly MarginLine[],
): Html | null {
  if (lines.length === 0 || lines.some(({ margins }) => margins.length === 0)) return null;
  const { plot } = pen;
  const curves = lines.map((line) => {
    const sorted = line.margins.toSorted((a, b) => a - b);
    const every = Math.max(1, Math.ceil(sorted.length / 400));
    const kept = sorted.flatMap((margin, k) =>
      k % every === 0 || k === sorted.length - 1 ? [{ margin, part: (k + 1) / sorted.length }] : [],
    );
    return { ...line, sorted, kept };
  });
  const median = (sorted: readonly number[]) => sorted[sorted.length >> 1];
  return figure({
    title,
    drawing: pen.draw(
      {
        height: 280,
        x: { label: axis },
        y: { label: "part of the samples below", grid: true, domain: [0, 1] },
        marks: [
          plot.ruleX([0], { stroke: "var(--ink)", strokeDasharray: "2 3" }),
          ...curves.map(({ kept, color, dashed }) =>
            plot.line(kept, {
              x: "margin",
              y: "part",
              stroke: color,
              strokeWidth: 2.2,
              curve: "step-after",
              ...(dashed && { strokeDasharray: "6 4" }),
            }),
          ),
        ],
      },
      {
        title,
        description: curves.map(({ label, sorted }) => `${label}: median ${showNumber(median(sorted))}`).join("; "),
      },
    ),
    legend: lines.map(({ label, color, dashed }) => ({ label, color, ...(dashed && { style: "dashed" as const }) })),
    note,
    numbers: table(
      title,
      [{ head: "network", align: "left" }, { head: "above 0" }, { head: "10 % below" }, { head: "median" }],
      curves.map(({ label, sorted }) => [
        label,
        showPercent(sorted.filter((m) => m > 0).length / sorted.length),
        showNumber(sorted[Math.floor(0.1 * sorted.length)]),
        showNumber(median(sorted)),
      ]),
    ),
  });
}
