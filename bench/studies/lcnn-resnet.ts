/**
 * @file The full recipe of LCNN - centred softplus, capped batch-norm, spectrally normalised convolutions - on a small residual network:
 * 8 and 16 channels, 10,000 images of MNIST, 2 seeds. `npx tsx bench/studies/lcnn-resnet.ts` writes lcnn-resnet.json and prints the table.
 */
import { writeFileSync } from "node:fs";
import { take } from "../../src/data/dataset.ts";
import { loadDataset } from "../../src/data/files.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { resnet } from "../../src/models/resnet.ts";
import { type Found, methods, study, table, type Weights } from "./smoothness.ts";

const weights: Weights = { beta: 0.01, gamma: 0.01, gradient: 0.1, curvature: 0.1, decay: 0.5 };
const settings = { train: 10000, test: 2000, channels: [8, 16], epochs: 3, batch: 128, rate: 1e-3, samples: 100 };
const seeds = [1, 2];
const names = ["Standard", "LCNN", "LCNN + GradReg"];

const engine = nodeEngine({ threads: 2 });
const mnist = await loadDataset("mnist");
const data = { train: take(mnist.train, settings.train), test: take(mnist.test, settings.test) };
const results: Record<string, Found[]> = {};
for (const seed of seeds) {
  for (const name of names) {
    const { epochs, batch, samples, channels } = settings;
    const { network: _, ...found } = await study(
      { engine, data, samples, dtype: "float32" },
      { model: resnet(10, { channels }), method: methods(weights)[name], epochs, batch, seed },
    );
    results[name] = [...(results[name] ?? []), found];
    const { accuracy, hessian, curvature, betas, gammas, seconds } = found;
    console.error(name, seed, { accuracy, hessian, curvature, betas, gammas, seconds });
    const path = new URL("lcnn-resnet.json", import.meta.url);
    writeFileSync(path, `${JSON.stringify({ settings: { ...settings, seeds, weights }, results }, null, 1)}\n`);
  }
}
console.log(table(results));
