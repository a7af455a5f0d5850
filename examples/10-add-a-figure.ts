// Adds a figure: how many samples are certified to which radius, drawn as the report draws, on a page of its own.
// Run: npx tsx examples/10-add-a-figure.ts
import { certify, iris, mlp, trainNetwork } from "lipschitz";
import { nodeEngine } from "lipschitz/node";
import { figure, html, openPen, page, showNumber } from "lipschitz/report";

const engine = nodeEngine();
const data = iris();
const { network } = await trainNetwork({ engine, data, model: mlp([4, 16, 3]), epochs: 40, batch: 16, seed: 1 });
const { samples, averageRadius } = await certify(network, { engine, data: data.test, radii: [] });

const { plot, draw } = await openPen();
const title = "Certified radii";
const bars = plot.rectY(samples, plot.binX({ y: "count" }, { x: "radius" }));
const drawing = draw({ x: { label: "radius" }, y: { label: "samples", grid: true }, marks: [bars] }, { title });
const note = `${samples.length} samples, ${showNumber(averageRadius)} in the mean`;
const text = page({ title, body: html`<h1>Iris</h1>${figure({ title, drawing, note })}` });
// To a file with writeFile("radii.html", text).
console.log(`a page without scripts: ${!text.includes("<script")}, bars: ${text.match(/<rect/g)?.length}, ${note}`);
