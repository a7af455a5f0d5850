/** @file CLIP on Fashion-MNIST, after Bungert et al. 2021, table 1: what each goal costs and buys. Writes results/clip-fashion.json and .md beside itself. */
import { parseArgs } from "node:util";
import { attack } from "../../src/attack/attack.ts";
import { pgd } from "../../src/attack/protocol.ts";
import { provedUpper } from "../../src/bounds/bound.ts";
import { lipschitz } from "../../src/bounds/index.ts";
import { accuracyOf, certify } from "../../src/certify/evaluate.ts";
import { type Dataset, subset, take } from "../../src/data/dataset.ts";
import { loadDataset } from "../../src/data/files.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import type { Network } from "../../src/graph/network.ts";
import { mlp } from "../../src/models/mlp.ts";
import { random } from "../../src/tensor/random.ts";
import { clip } from "../../src/train/clip.ts";
import { train } from "../../src/train/loop.ts";
import type { Method } from "../../src/train/method.ts";
import { sgd } from "../../src/train/optimizer.ts";
import { plain } from "../../src/train/plain.ts";
import { constantRate } from "../../src/train/schedule.ts";
import { weightPenalty } from "../../src/train/weightPenalty.ts";
import { showSpread, spread, table, writeStudy } from "./study.ts";

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "3" }, epochs: { type: "string", default: "12" } },
});
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
const epochs = Number(values.epochs);
const engine = nodeEngine();
const split = await loadDataset("fashion-mnist");
const data = { train: take(split.train, 20000), test: take(split.test, 2000) };

const rows: readonly { readonly name: string; readonly method: () => Method }[] = [
  { name: "plain", method: plain },
  { name: "weight penalty, goal 0.85", method: () => weightPenalty({ goal: 0.85 }) },
  { name: "CLIP, goal 0.85", method: () => clip({ goal: 0.85, pairs: 128 }) },
  { name: "CLIP, goal 0.80", method: () => clip({ goal: 0.8, pairs: 128 }) },
];

/** The test part with N(0, 1) added to every pixel, as in the paper. */
function noisy(test: Dataset): Dataset {
  const r = random(99);
  const { range: _, ...rest } = test;
  return { ...rest, x: Float32Array.from(test.x, (v) => v + r.normal()) };
}

async function measure(method: Method, seed: number) {
  let network: Network | undefined;
  let trainAccuracy = 0;
  let weight = 0;
  let seconds = 0;
  const model = mlp([784, 64, 64, 10], { activation: "sigmoid" });
  const options = { engine, data, model, method, epochs, batch: 128, seed };
  for await (const event of train({ ...options, optimizer: sgd({ momentum: 0.9 }), schedule: constantRate(0.1) })) {
    if (event.kind === "epoch") {
      trainAccuracy = event.trainAccuracy ?? 0;
      // The weight that the last epoch was trained with is that of the epoch before.
      weight = Number(event.checkpoint.state["method/weight"]?.data[0] ?? 0);
      seconds += event.seconds;
    }
    if (event.kind === "end") network = event.network;
  }
  if (!network) throw new Error("clip-fashion: training gave no network");
  const some = take(data.test, 500);
  const attacked = await attack(network, {
    engine,
    data: some,
    norm: 2,
    radii: [0.5, 2],
    attacks: [pgd({ steps: 100, restarts: 1 })],
    seed,
  });
  const bracket = await lipschitz(network, {
    engine,
    data: subset(
      data.test,
      Array.from({ length: 300 }, (_, i) => i),
    ),
  });
  const upper = provedUpper(bracket);
  const certified = await certify(network, {
    engine,
    data: some,
    radii: [0.1, 0.3],
    ...(upper ? { upper } : {}),
  });
  const violations = attacked.samples.filter(
    ({ index, confirmed }) => confirmed !== null && certified.samples[index].radius > confirmed,
  ).length;
  return {
    seed,
    train: trainAccuracy,
    test: await accuracyOf(network, engine, data.test),
    noise: await accuracyOf(network, engine, noisy(data.test)),
    pgd: attacked.robust,
    weight,
    lower: bracket.lower?.value ?? null,
    upper: bracket.upper?.value ?? null,
    upperMethod: bracket.upper?.method ?? null,
    product: bracket.bounds.find((b) => b.method === "autolip")?.value ?? null,
    certified: certified.certified,
    violations,
    seconds,
  };
}

type Run = Awaited<ReturnType<typeof measure>>;

const results: { readonly name: string; readonly runs: readonly Run[] }[] = [];
for (const { name, method } of rows) {
  const runs: Run[] = [];
  for (const seed of seeds) {
    const run = await measure(method(), seed);
    console.log(name, JSON.stringify(run));
    runs.push(run);
  }
  results.push({ name, runs });
}

const by = (pick: (run: Run) => number) => results.map(({ runs }) => spread(runs.map(pick)));
const columns = {
  "train %": by((r) => 100 * r.train),
  "test %": by((r) => 100 * r.test),
  "noise %": by((r) => 100 * r.noise),
  "PGD 0.5 %": by((r) => 100 * r.pgd[0].accuracy),
  "PGD 2 %": by((r) => 100 * r.pgd[1].accuracy),
  "final weight": by((r) => r.weight),
  "constant, lower": by((r) => r.lower ?? Number.NaN),
  "constant, upper": by((r) => r.upper ?? Number.NaN),
  product: by((r) => r.product ?? Number.NaN),
};

await writeStudy("clip-fashion", { epochs, seeds, samples: { train: 20000, test: 2000, attacked: 500 }, results }, [
  "# CLIP on Fashion-MNIST",
  "",
  "`npx tsx bench/studies/clip-fashion.ts`: 784-64-64-10, sigmoid, linear output, the first 20,000 training images, 12 epochs of SGD (rate 0.1,",
  "momentum 0.9, batch 128), 128 pairs, lambda moved by 0.05 an epoch. Mean (and half the range) of the seeds. PGD: l2, 100 steps, 500 test images.",
  "",
  table(
    ["", ...Object.keys(columns)],
    results.map(({ name }, i) => [name, ...Object.values(columns).map((c) => showSpread(c[i]))]),
  ),
  "",
  "The paper's table 1 (other network: convolutional; 98.5 % without): Standard 98.5 / 92.0 / 25.7 / 1.9; CLIP 0.85: 85.9 / 83.1 / 31.9 / 14.9;",
  "weight regularisation 0.85: 85.3 / 85.4 / 34.2 / 10.2 (train / test / noise / PGD at 2, all in %).",
  "",
  `Certified radii above the smallest perturbation found: ${results.flatMap((r) => r.runs).reduce((n, r) => n + r.violations, 0)}.`,
]);
