/** @file What is proved of each sample beside what an attack shows of it: the truth lies between the two. */
import type { Norm } from "../../bounds/bound.ts";
import type { SampleRecord } from "../../experiment/samples.ts";
import { figure, type Html, table } from "../html.ts";
import { showNorm, showNumber } from "../number.ts";
import { colorOf, type Pen } from "../plot.ts";

type By = NonNullable<SampleRecord["by"]>[number];

/** Certified radius and distance of the smallest attack found, a dot for each attacked sample that is right; null where there are none. */
export function gapsFigure(pen: Pen, { radii, attacked, by }: SampleRecord, norm: Norm): Html | null {
  const rows = attacked.flatMap(({ right, distance }, i) => {
    const radius = radii[i];
    if (!right || distance === null || !Number.isFinite(radius) || !(radius > 0) || !(distance > 0)) return [];
    return [{ index: i, radius, distance, by: by?.[i] }];
  });
  if (rows.length === 0) return null;
  const { plot } = pen;
  const title = "Certified radius and smallest attack, sample by sample";
  const ways = order.filter((way) => rows.some((r) => r.by === way));
  const color = (r: (typeof rows)[number]) => colorOf(r.by === undefined ? 0 : order.indexOf(r.by));
  const all = rows.flatMap((r) => [r.radius, r.distance]);
  const domain = [Math.min(...all) / 1.1, Math.max(...all) * 1.1];
  const gaps = (some: readonly (typeof rows)[number][]) => {
    const sorted = some.map((r) => r.distance / r.radius).sort((a, b) => a - b);
    return [0, 0.5, 1].map((q) => showNumber(sorted[Math.round(q * (sorted.length - 1))]));
  };
  const [least, median] = gaps(rows);
  const groups =
    ways.length > 0 ? ways.map((way) => ({ way: words[way], some: rows.filter((r) => r.by === way) })) : [];
  return figure({
    title,
    ...(ways.length > 1 && {
      legend: ways.map((way) => ({ label: words[way], color: colorOf(order.indexOf(way)), style: "circle" as const })),
    }),
    drawing: pen.draw(
      {
        height: 340,
        x: {
          type: "log",
          domain,
          label: `certified radius, ${showNorm(norm)}`,
          ticks: 5,
          tickFormat: "~g",
          grid: true,
        },
        y: { type: "log", domain, label: "smallest attack found", ticks: 5, tickFormat: "~g", grid: true },
        marks: [
          plot.line(
            domain.map((v) => ({ x: v, y: v })),
            { x: "x", y: "y", stroke: "var(--ink)", strokeDasharray: "5 4" },
          ),
          plot.dot(rows, { x: "radius", y: "distance", r: 2.5, fill: color, fillOpacity: 0.7 }),
        ],
      },
      {
        title,
        description: `Attacks are ${median} times as far as the certified radius in the median of ${rows.length} samples`,
      },
    ),
    note: `${rows.length} right samples whose decision an attack changes. Below the dashed line an attack would lie inside a certified radius; the closest is ${least} times the radius, the median ${median} times.`,
    numbers: table(
      title,
      [
        { head: "radius proved by" },
        { head: "samples" },
        { head: "attack / radius, least" },
        { head: "median" },
        { head: "largest" },
      ],
      [...groups, { way: "all", some: rows }].map(({ way, some }) => [way, String(some.length), ...gaps(some)]),
    ),
  });
}

// --- internal ---

const order: readonly By[] = ["constant", "curvature", "linear", "branching"];

const words: Readonly<Record<By, string>> = {
  constant: "the constant",
  curvature: "the curvature",
  linear: "the linear walk",
  branching: "branching",
};
