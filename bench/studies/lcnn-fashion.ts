/**
 * @file The seven rows of Table 1 of Srinivas et al. 2022 on a small network: 784-128-64-10 on 20,000 images of Fashion-MNIST, 3 seeds.
 * `npx tsx bench/studies/lcnn-fashion.ts` writes results/lcnn-fashion.json and prints the table; about 8 minutes.
 * The weights were chosen by one run each (seed 1) on training images 20,000 to 23,000; all that is reported is of the test images.
 */
import { writeFileSync } from "node:fs";
import { take } from "../../src/data/dataset.ts";
import { loadDataset } from "../../src/data/files.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { mlp } from "../../src/models/mlp.ts";
import { type Found, mean, methods, study, table, type Weights } from "./smoothness.ts";

const weights: Weights = { beta: 0.01, gamma: 0.1, gradient: 0.1, curvature: 0.1, decay: 0.5 };
const settings = { train: 20000, widths: [784, 128, 64, 10], epochs: 8, batch: 128, rate: 1e-3, samples: 500 };
const seeds = [1, 2, 3];

const engine = nodeEngine({ threads: 1 });
const { train, test } = await loadDataset("fashion-mnist");
const data = { train: take(train, settings.train), test };
const results: Record<string, Found[]> = {};
for (const [name, method] of Object.entries(methods(weights))) {
  results[name] = [];
  for (const seed of seeds) {
    const { epochs, batch, samples, widths } = settings;
    const { network: _, ...found } = await study(
      { engine, data, samples },
      { model: mlp(widths), method, epochs, batch, seed },
    );
    results[name].push(found);
    console.error(name, seed, found.accuracy, found.curvature);
  }
}

const { Standard: standard, LCNN: low } = results;
const ratio = (of: (f: Found) => number) => mean(standard, of) / mean(low, of);
const asked = {
  accuracyLoss: mean(standard, (f) => f.accuracy) - mean(low, (f) => f.accuracy),
  curvatureRatio: ratio((f) => f.curvature),
  hessianRatio: ratio((f) => f.hessian),
  attackedGain: mean(low, (f) => f.attacked[4]) - mean(standard, (f) => f.attacked[4]),
};
const path = new URL("results/lcnn-fashion.json", import.meta.url);
writeFileSync(path, `${JSON.stringify({ settings: { ...settings, seeds, weights }, asked, results }, null, 1)}\n`);
console.log(table(results));
console.log(asked);
