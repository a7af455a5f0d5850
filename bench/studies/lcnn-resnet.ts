/**
 * @file The full recipe of LCNN - centred softplus, capped batch-norm, spectrally normalised convolutions - on a small residual network:
 * 8 and 16 channels, 10,000 images of MNIST at 14 x 14, 2 seeds. `npx tsx bench/studies/lcnn-resnet.ts` writes results/lcnn-resnet.json and prints the table.
 */
import { writeFileSync } from "node:fs";
import { type Dataset, take } from "../../src/data/dataset.ts";
import { loadDataset } from "../../src/data/files.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { resnet } from "../../src/models/resnet.ts";
import { cosine } from "../../src/train/schedule.ts";
import { type Found, methods, study, table, type Weights } from "./smoothness.ts";

const weights: Weights = { beta: 0.01, gamma: 0.01, gradient: 0.1, curvature: 0.1, decay: 0.5 };
const settings = { train: 10000, test: 2000, channels: [8, 16], epochs: 5, batch: 128, rate: 5e-3, samples: 100 };
const seeds = [1, 2];
const names = ["Standard", "LCNN", "LCNN + GradReg"];

const engine = nodeEngine({ threads: 2 });
const mnist = await loadDataset("mnist");
const data = { train: halved(take(mnist.train, settings.train)), test: halved(take(mnist.test, settings.test)) };
const results: Record<string, Found[]> = {};
for (const seed of seeds) {
  for (const name of names) {
    const { epochs, batch, rate, samples, channels } = settings;
    const { network: _, ...found } = await study(
      { engine, data, samples, dtype: "float32" },
      { model: resnet(10, { channels }), method: methods(weights)[name], epochs, batch, schedule: cosine(rate), seed },
    );
    results[name] = [...(results[name] ?? []), found];
    const { accuracy, hessian, curvature, betas, gammas, seconds } = found;
    console.error(name, seed, { accuracy, hessian, curvature, betas, gammas, seconds });
    const path = new URL("results/lcnn-resnet.json", import.meta.url);
    writeFileSync(path, `${JSON.stringify({ settings: { ...settings, seeds, weights }, results }, null, 1)}\n`);
  }
}
console.log(table(results));

// --- internal ---

/** The means of 2 x 2 pixels: the study takes minutes and not an hour. */
function halved(data: Dataset): Dataset {
  const [, height, width] = data.shape;
  const [rows, columns] = [height / 2, width / 2];
  const x = new Float32Array(data.count * rows * columns);
  for (let k = 0; k < x.length; k++) {
    const [image, row, column] = [Math.floor(k / (rows * columns)), Math.floor(k / columns) % rows, k % columns];
    const at = (image * height + 2 * row) * width + 2 * column;
    x[k] = (data.x[at] + data.x[at + 1] + data.x[at + width] + data.x[at + width + 1]) / 4;
  }
  return { ...data, x, shape: [1, rows, columns] };
}
