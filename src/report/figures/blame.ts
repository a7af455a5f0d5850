/** @file Whom the upper bound blames: the share of each layer in its logarithm. */
import type { Bracket } from "../../bounds/bound.ts";
import { figure, type Html, html, table } from "../html.ts";
import { showNumber, showPercent } from "../number.ts";
import type { Pen } from "../plot.ts";
import { labelWidth, short } from "./labels.ts";

/** The parts of the layers in the upper bound; null where there are none. */
export function blameFigure(pen: Pen, { layers }: Bracket): Html | null {
  if (layers.length === 0) return null;
  const { plot } = pen;
  const title = "Which layers are to blame";
  const shown = layers
    .map((layer, at) => ({ ...layer, at: String(at), share: layer.shareOfLog ?? 0 }))
    .sort((a, b) => Math.abs(b.share) - Math.abs(a.share))
    .slice(0, mostLayers)
    .sort((a, b) => Number(a.at) - Number(b.at));
  const names = new Map(shown.map((l) => [l.at, short(l.node)]));
  const widest = Math.max(...shown.map((l) => Math.abs(l.share)), 1e-9);
  const drawing = pen.draw(
    {
      height: 74 + 26 * shown.length,
      marginLeft: labelWidth([...names.values()]),
      insetLeft: shown.some((l) => l.share < 0) ? 50 : 0,
      insetRight: 50,
      x: { label: "share of log L, % (below 0: contracts)", percent: true, nice: true, grid: true },
      y: { domain: shown.map((l) => l.at), tickFormat: (at: string) => names.get(at) ?? "", label: null, tickSize: 0 },
      marks: [
        plot.barX(shown, {
          x: "share",
          y: "at",
          fill: (l: (typeof shown)[number]) => (l.share < 0 ? "var(--blue)" : "var(--vermillion)"),
        }),
        plot.ruleX([0], { stroke: "var(--ink)" }),
        plot.text(shown, {
          x: "share",
          y: "at",
          text: (l: (typeof shown)[number]) => showNumber(l.upper),
          filter: (l: (typeof shown)[number]) => l.share >= 0,
          textAnchor: "start",
          dx: 5,
          fill: "var(--ink)",
        }),
        plot.text(shown, {
          x: "share",
          y: "at",
          text: (l: (typeof shown)[number]) => showNumber(l.upper),
          filter: (l: (typeof shown)[number]) => l.share < 0,
          textAnchor: "end",
          dx: -5,
          fill: "var(--ink)",
        }),
      ],
    },
    { title, description: `Largest share: ${showPercent(widest)}` },
  );
  return figure({
    title,
    drawing,
    note: html`Bars are shares of the logarithm of the layer-by-layer bound, numbers the factor of each layer.${
      layers.length > mostLayers ? ` The ${mostLayers} largest of ${layers.length} are shown.` : ""
    }`,
    numbers: table(
      "Layers",
      [
        { head: "node", align: "left" },
        { head: "op", align: "left" },
        { head: "shape", align: "left" },
        { head: "upper" },
        { head: "lower" },
        { head: "share of log L" },
      ],
      layers.map((l) => [
        l.node,
        l.op,
        `[${l.shape.join(", ")}]`,
        showNumber(l.upper),
        showNumber(l.lower),
        showPercent(l.shareOfLog),
      ]),
    ),
  });
}

// --- internal ---

const mostLayers = 20;
