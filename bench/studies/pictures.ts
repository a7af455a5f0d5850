/**
 * @file The pictures of studies, drawn from their results by the report's own pen.
 * `npx tsx bench/studies/pictures.ts` writes clip-regression.svg from results/clip-regression.json; a second.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { colorOf, openPen, standalone } from "../../src/report/plot.ts";

interface Study {
  readonly results: readonly {
    readonly seed: number;
    readonly name: string;
    readonly curve: readonly number[];
    readonly samples?: readonly (readonly [number, number])[];
  }[];
}

const beside = (file: string): URL => new URL(file, import.meta.url);
const { results } = JSON.parse(readFileSync(beside("results/clip-regression.json"), "utf8")) as Study;
const names = [...new Set(results.map((r) => r.name))];
const places = results[0].curve.length;
/** The curves are on [-4, 4]; the study's target, and where it has data. */
const at = (i: number): number => -4 + (8 * i) / (places - 1);
const target = Array.from({ length: places }, (_, i) => ({ x: at(i), y: Math.max(Math.abs(at(i)) - 3, 0) / 2 }));
const islands = [
  { low: -4, high: -3 },
  { low: -0.3, high: 0.3 },
  { low: 3, high: 4 },
];
const rows = results.flatMap(({ seed, name, curve }) =>
  curve.flatMap((y, i) => (i % 4 === 0 ? [{ x: at(i), y, name, seed, row: names.indexOf(name) }] : [])),
);

const { plot, draw } = await openPen();
const title =
  "CLIP where data are missing: what networks do between their data, by weight of the penalty, three seeds each";
const drawing = draw(
  {
    width: 720,
    height: 110 * names.length + 40,
    marginRight: 110,
    fy: { label: null, domain: names, padding: 0.12 },
    x: { label: "x" },
    y: { label: "output", grid: true, ticks: 4 },
    marks: [
      plot.rect(islands, { x1: "low", x2: "high", fill: "var(--ink)", fillOpacity: 0.08 }),
      plot.line(target, { x: "x", y: "y", stroke: "var(--muted)", strokeDasharray: "4 3" }),
      plot.line(rows, {
        x: "x",
        y: "y",
        fy: "name",
        z: "seed",
        stroke: (r: (typeof rows)[number]) => colorOf(r.row),
        strokeWidth: 1.5,
      }),
    ],
  },
  { title, description: "Data are on the shaded parts; the dashed line is the target" },
);
writeFileSync(beside("clip-regression.svg"), `${standalone(drawing)}\n`);
