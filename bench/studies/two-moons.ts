/**
 * @file A picture of what LCNN does: decision function and curvature on two moons, the standard network beside LCNN.
 * `npx tsx bench/studies/two-moons.ts` writes two-moons.svg and results/two-moons.json; half a minute.
 */
import { writeFileSync } from "node:fs";
import { curvature } from "../../src/curvature/measure.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { twoMoons } from "../../src/data/toy.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { input } from "../../src/graph/leaf.ts";
import type { Network } from "../../src/graph/network.ts";
import { softplusFamily } from "../../src/layers/lowCurvature.ts";
import { mlp } from "../../src/models/mlp.ts";
import { tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { lcnn } from "../../src/train/lcnn.ts";
import { train } from "../../src/train/loop.ts";
import type { Method } from "../../src/train/method.ts";
import { plain } from "../../src/train/plain.ts";
import { constantRate } from "../../src/train/schedule.ts";

const engine = nodeEngine({ threads: 1 });
const data = twoMoons(1, { samples: 400, noise: 0.15 });
const settings = { widths: [2, 64, 64, 2], epochs: 200, batch: 64, rate: 3e-3, betaWeight: 5e-3, gammaWeight: 4e-2 };
const methods: Readonly<Record<string, Method>> = {
  Standard: { ...plain(), family: softplusFamily(1000) },
  LCNN: lcnn({ betaWeight: settings.betaWeight, gammaWeight: settings.gammaWeight }),
};

const [columns, rows] = [96, 72];
const [left, right, low, high] = [-1.6, 2.6, -1.2, 1.9];
const grid = Float32Array.from({ length: columns * rows * 2 }, (_, k) => {
  const cell = k >> 1;
  const [column, row] = [cell % columns, Math.floor(cell / columns)];
  return k % 2 === 0 ? left + ((column + 0.5) / columns) * (right - left) : high - ((row + 0.5) / rows) * (high - low);
});

interface Panel {
  readonly name: string;
  readonly accuracy: number;
  readonly margin: Float64Array;
  readonly bend: Float64Array;
}

const panels: Panel[] = [];
for (const [name, method] of Object.entries(methods)) panels.push(await panelOf(name, method));
const mean = (v: Float64Array) => v.reduce((a, b) => a + b, 0) / v.length;
const figures = panels.map(({ name, accuracy, bend }) => ({
  name,
  accuracy,
  mean: mean(bend),
  most: Math.max(...bend),
}));
writeFileSync(
  new URL("results/two-moons.json", import.meta.url),
  `${JSON.stringify({ settings, figures }, null, 1)}\n`,
);
writeFileSync(new URL("two-moons.svg", import.meta.url), drawing(panels));
console.log(figures);

// --- internal ---

async function panelOf(name: string, method: Method): Promise<Panel> {
  const { widths, epochs, batch, rate } = settings;
  let network: Network | undefined;
  let accuracy = 0;
  const model = mlp(widths);
  for await (const event of train({
    engine,
    data,
    model,
    method,
    epochs,
    batch,
    schedule: constantRate(rate),
    seed: 1,
  })) {
    if (event.kind === "epoch") accuracy = event.testAccuracy ?? 0;
    if (event.kind === "end") network = event.network;
  }
  if (!network) throw new Error("two-moons: training ended without a network");
  const x = input("x", [columns * rows, 2]);
  const program = await engine.compile({ y: network.build([x])[0] });
  const scores = toFloat64((await program.run({ x: tensor(grid, [columns * rows, 2]) })).y);
  await program.dispose();
  const points: Dataset = { ...data.test, x: grid, count: columns * rows, labels: new Int32Array(columns * rows) };
  const bent = await curvature(network, { engine, data: points, of: "margin", steps: 4 });
  const margin = Float64Array.from({ length: columns * rows }, (_, i) => scores[2 * i + 1] - scores[2 * i]);
  return { name, accuracy, margin, bend: Float64Array.from(bent.samples, (s) => s.hessian) };
}

/** Above, the probability of class 1 and the boundary; below, the norm of the Hessian of the margin, by powers of two. */
function drawing(found: readonly Panel[]): string {
  const [scale, gap, top] = [4, 24, 28];
  const [width, height] = [columns * scale, rows * scale];
  const most = Math.max(...found.map((p) => Math.max(...p.bend)));
  const parts = found.flatMap((p, k) => {
    const at = (row: number) => `translate(${gap + k * (width + gap)},${top + row * (height + top)})`;
    const probability = p.margin.map((m) => Math.min(13, Math.floor(14 / (1 + Math.exp(-m)))));
    const bend = p.bend.map((b) => Math.max(0, Math.min(13, Math.floor(14 + Math.log2(b / most)))));
    return [
      panel(at(0), `${p.name}: probability of the second class`, raster(probability, blueToRed), scale, height),
      panel(
        at(1),
        `${p.name}: |Hessian| of the margin, mean ${mean(p.bend).toFixed(1)}`,
        raster(bend, lightToDark),
        scale,
        height,
      ),
    ];
  });
  const size = [2 * width + 3 * gap, 2 * (height + top) + gap];
  const words = "One colour below is a factor of two; white is the least.";
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size[0]} ${size[1]}" font-family="sans-serif" font-size="14">
<title>Two moons: decision function and curvature, the standard network beside LCNN</title>
<rect width="100%" height="100%" fill="#fff"/>
${parts.join("\n")}
<text x="${gap}" y="${size[1] - 6}" font-size="12">${words}</text>
</svg>
`;
}

function panel(at: string, title: string, cells: string, scale: number, height: number): string {
  const sx = (columns * scale) / (right - left);
  const sy = height / (high - low);
  const dots = [0, 1].map((label) => {
    const places = Array.from({ length: data.train.count }, (_, i) => i).filter((i) => data.train.labels[i] === label);
    const marks = places.map((i) => {
      const [x, y] = [data.train.x[2 * i], data.train.x[2 * i + 1]];
      return `M${((x - left) * sx).toFixed(0)} ${((high - y) * sy).toFixed(0)}h0`;
    });
    return `<path d="${marks.join("")}" stroke="${label === 0 ? "#fff" : "#000"}" stroke-width="4" stroke-linecap="round" stroke-opacity="0.6"/>`;
  });
  return `<g transform="${at}"><text y="-7">${title}</text><g transform="scale(${scale})" shape-rendering="crispEdges">${cells}</g>${dots.join("")}</g>`;
}

/** One path for each colour, a run of equal cells in a row being one rectangle. */
function raster(levels: Float64Array, colour: (level: number) => string): string {
  const paths = new Map<number, string>();
  for (let row = 0; row < rows; row++) {
    for (let from = 0, to = 0; from < columns; from = to) {
      const level = levels[row * columns + from];
      while (to < columns && levels[row * columns + to] === level) to++;
      paths.set(level, `${paths.get(level) ?? ""}M${from} ${row}h${to - from}v1h-${to - from}z`);
    }
  }
  return [...paths].map(([level, d]) => `<path fill="${colour(level)}" d="${d}"/>`).join("");
}

function blueToRed(level: number): string {
  const t = level / 13;
  const part = (a: number, b: number, c: number) =>
    Math.round(t < 0.5 ? a + (b - a) * 2 * t : b + (c - b) * (2 * t - 1));
  return `rgb(${part(49, 245, 202)},${part(104, 240, 78)},${part(172, 235, 50)})`;
}

function lightToDark(level: number): string {
  const t = level / 13;
  return `rgb(${Math.round(255 - 175 * t)},${Math.round(255 - 235 * t)},${Math.round(255 - 155 * t)})`;
}
