/** @file Data one can draw: of points of the plane the map of the decisions with the certified balls, of a function of one number its graph. */
import type { Norm } from "../../bounds/bound.ts";
import type { LineMap, PlaneMap, SampleRecord } from "../../experiment/samples.ts";
import { figure, type Html, html, table } from "../html.ts";
import { showNorm, showNumber } from "../number.ts";
import { colorOf, type Pen } from "../plot.ts";

/** Where the network decides what, test samples on it, and around each right one the ball in which that is proved to stay. */
export function planeFigure(pen: Pen, plane: PlaneMap, samples: SampleRecord, norm: Norm): Html {
  const { plot } = pen;
  const title = "Map of the decisions, with certified balls";
  const { x, y, size, margins, indices, points } = plane;
  const width = 520;
  const [left, right] = [46, 10];
  const perUnit = (width - left - right) / (x[1] - x[0]);
  const rows = points.map(([px, py], k) => ({
    index: indices[k],
    x: px,
    y: py,
    label: samples.labels[indices[k]],
    predicted: samples.predicted[indices[k]],
    right: samples.labels[indices[k]] === samples.predicted[indices[k]],
    radius: samples.radii[indices[k]] ?? Number.POSITIVE_INFINITY,
  }));
  const certified = rows.filter((r) => r.right && r.radius > 0 && Number.isFinite(r.radius));
  const wrong = rows.filter((r) => !r.right);
  const drawing = pen.draw(
    {
      width,
      height: Math.round(perUnit * (y[1] - y[0])) + 50,
      marginLeft: left,
      marginRight: right,
      marginTop: 10,
      marginBottom: 40,
      x: { domain: x, label: "x₁" },
      y: { domain: y, label: "x₂" },
      r: { type: "identity" },
      marks: [
        ...margins.map((values, k) =>
          plot.contour(values, {
            width: size[0],
            height: size[1],
            x1: x[0],
            y1: y[0],
            x2: x[1],
            y2: y[1],
            thresholds: [0],
            fill: colorOf(k),
            fillOpacity: 0.22,
            stroke: colorOf(k),
            strokeWidth: 1,
          }),
        ),
        ...balls(pen, certified, norm, perUnit),
        plot.dot(rows, { x: "x", y: "y", r: 2, fill: (r: (typeof rows)[number]) => colorOf(r.label) }),
        plot.dot(wrong, { x: "x", y: "y", r: 5, symbol: "times", stroke: "var(--ink)", strokeWidth: 1.5 }),
      ],
    },
    {
      title,
      description: `${certified.length} of ${rows.length} test samples drawn have a certified ball; ${wrong.length} are decided wrong`,
    },
  );
  return figure({
    title,
    drawing,
    legend: [
      ...margins.map((_, k) => ({ label: `class ${k}`, color: colorOf(k), style: "area" as const })),
      { label: "certified ball", color: "var(--ink)", style: "ring" },
    ],
    note: html`Balls are to scale in ${showNorm(norm)}: inside one the decision is proved not to change.${
      wrong.length > 0 ? ` Crosses: ${wrong.length} samples decided wrong.` : ""
    }${points.length < samples.labels.length ? ` ${points.length} of ${samples.labels.length} test samples are drawn.` : ""}`,
    numbers: table(
      title,
      [
        { head: "test sample" },
        { head: "x₁" },
        { head: "x₂" },
        { head: "label" },
        { head: "decided" },
        { head: "certified radius" },
      ],
      rows.map((r) => [
        String(r.index),
        showNumber(r.x),
        showNumber(r.y),
        String(r.label),
        String(r.predicted),
        showNumber(r.radius),
      ]),
    ),
  });
}

/** What the network makes of its one input, beside what it should. */
export function lineFigure(pen: Pen, { x, targets, outputs }: LineMap): Html {
  const { plot } = pen;
  const title = "The function learnt";
  const rows = x.map((at, i) => ({ x: at, target: targets[i], output: outputs[i] }));
  const every = Math.max(1, Math.ceil(rows.length / 50));
  return figure({
    title,
    legend: [
      { label: "target", color: "var(--orange)", style: "dot" },
      { label: "network", color: "var(--blue)" },
    ],
    drawing: pen.draw(
      {
        height: 280,
        x: { label: "input" },
        y: { label: "output", grid: true },
        marks: [
          plot.dot(rows, { x: "x", y: "target", fill: "var(--orange)", r: 2 }),
          plot.line(rows, { x: "x", y: "output", stroke: "var(--blue)", strokeWidth: 2 }),
        ],
      },
      { title },
    ),
    numbers: table(
      title,
      [{ head: "input" }, { head: "target" }, { head: "output" }],
      rows.filter((_, i) => i % every === 0).map((r) => [showNumber(r.x), showNumber(r.target), showNumber(r.output)]),
    ),
  });
}

// --- internal ---

interface Ball {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly label: number;
}

/** Circles in l2, squares in l-inf, squares on their corners in l1. */
function balls({ plot }: Pen, rows: readonly Ball[], norm: Norm, perUnit: number) {
  const style = { strokeOpacity: 0.8, strokeWidth: 1, fill: "none", clip: true } as const;
  if (norm === 2) {
    return [
      plot.dot(rows, {
        x: "x",
        y: "y",
        r: (b: Ball) => perUnit * b.radius,
        stroke: (b: Ball) => colorOf(b.label),
        ...style,
      }),
    ];
  }
  const turns =
    norm === 1 ? [0, 1, 2, 3, 4].map((k) => [Math.cos((k * Math.PI) / 2), Math.sin((k * Math.PI) / 2)]) : corners;
  return rows.map((b) =>
    plot.line(
      turns.map(([dx, dy]) => [b.x + b.radius * dx, b.y + b.radius * dy]),
      { stroke: colorOf(b.label), ...style },
    ),
  );
}

const corners = [
  [1, 1],
  [-1, 1],
  [-1, -1],
  [1, -1],
  [1, 1],
];
