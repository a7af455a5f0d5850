/**
 * @file Networks of prescribed constant on images: the dense net of the Julia package's documentation, a net for certified accuracy at a
 * radius of 1.58, and convolutional nets on MNIST and on the part of CIFAR-10 that is at hand. Which to run: names as arguments; the data
 * are found as everywhere, in $LIPSCHITZ_DATA.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { attack } from "../../src/attack/attack.ts";
import { deepfool, pgd } from "../../src/attack/protocol.ts";
import { provedUpper } from "../../src/bounds/bound.ts";
import { lipschitz } from "../../src/bounds/index.ts";
import { certify } from "../../src/certify/evaluate.ts";
import { type Dataset, take } from "../../src/data/dataset.ts";
import { loadDataset } from "../../src/data/files.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import type { Network } from "../../src/graph/network.ts";
import type { Layer } from "../../src/layers/layer.ts";
import { convnet } from "../../src/models/convnet.ts";
import { mlp } from "../../src/models/mlp.ts";
import { type LbdnOptions, lbdn } from "../../src/train/lbdn.ts";
import { train } from "../../src/train/loop.ts";
import { crossEntropy, type Loss, multiMargin, offsetCrossEntropy } from "../../src/train/loss.ts";
import { piecewiseLinear } from "../../src/train/schedule.ts";

interface Experiment {
  readonly data: string;
  /** Training samples. Default: all. */
  readonly samples?: number;
  readonly model: Layer;
  readonly method: LbdnOptions;
  readonly epochs: number;
  readonly loss: Loss;
  readonly seeds: readonly number[];
  readonly radii: readonly number[];
}

const experiments: Readonly<Record<string, Experiment>> = {
  "mnist-dense": {
    data: "mnist",
    model: mlp([784, 64, 64, 10]),
    method: { gamma: 5 },
    epochs: 6,
    loss: crossEntropy,
    seeds: [1],
    radii: [0.1, 0.5, 1.58],
  },
  "mnist-certified": {
    data: "mnist",
    model: mlp([784, 190, 190, 128, 10]),
    method: { gamma: 1 },
    epochs: 8,
    // The margin that a radius of 1.58 needs is 1.58 sqrt(2) gamma = 2.23.
    loss: offsetCrossEntropy({ offset: 2.8, temperature: 0.25 }),
    seeds: [1],
    radii: [0.5, 1, 1.58],
  },
  "mnist-conv": {
    data: "mnist",
    samples: 10_000,
    model: convnet(10),
    method: { gamma: 2 },
    epochs: 3,
    loss: multiMargin(0.5),
    seeds: [1, 2, 3],
    radii: [0.1, 0.3, 0.5],
  },
  "cifar10-conv": {
    // Five thousand images of CIFAR-10 as x.npy [5000, 3, 32, 32] in 0..1 with y.npy, of which four fifths are for training.
    data: process.env.CIFAR ?? "cifar10",
    model: convnet(10, { channels: [16, 32] }),
    method: { gamma: 10 },
    epochs: 5,
    loss: multiMargin(0.5),
    seeds: [1, 2, 3],
    radii: [36 / 255, 72 / 255, 108 / 255],
  },
};

/** The attacks see so many test samples. */
const attackedSamples = 100;

const engine = nodeEngine();
const file = new URL("results/lbdn-images.json", import.meta.url);
const asked = process.argv.slice(2);
const results: Record<string, unknown> = existing();
for (const name of asked.length > 0 ? asked : Object.keys(experiments)) {
  for (const seed of experiments[name].seeds) {
    results[`${name} ${seed}`] = await once(experiments[name], seed);
    process.stderr.write(`${name} ${seed} ${JSON.stringify(results[`${name} ${seed}`])}\n`);
    writeFileSync(file, `${JSON.stringify(results, null, 1)}\n`);
  }
}

// --- internal ---

async function once(experiment: Experiment, seed: number) {
  const { data: source, samples, model, method, epochs, loss, radii } = experiment;
  const whole = await loadDataset(source);
  const data = samples ? { ...whole, train: take(whole.train, samples) } : whole;
  let network: Network | undefined;
  let seconds = 0;
  let trainAccuracy: number | null = null;
  const training = train({
    engine,
    data: { ...data, test: take(data.test, 1000) },
    model,
    method: lbdn(method),
    epochs,
    batch: 256,
    seed,
    loss,
    schedule: piecewiseLinear([
      [0, 0],
      [0.4, 0.01],
      [0.8, 0.0005],
      [1, 0],
    ]),
  });
  for await (const event of training) {
    if (event.kind === "epoch") {
      seconds += event.seconds;
      ({ trainAccuracy } = event);
    }
    if (event.kind === "end") network = event.network;
  }
  if (!network) throw new Error("no network");
  const bracket = await lipschitz(network, {
    engine,
    methods: ["autolip", "lipsdp", "pairs"],
    seconds: 10,
    data: take(data.test, 100),
  });
  const upper = provedUpper(bracket);
  const options = { engine, radii, ...(upper ? { upper } : {}), seconds: 20 };
  const certification = await certify(network, { ...options, data: data.test });
  const few: Dataset = take(data.test, attackedSamples);
  const attacked = await attack(network, { engine, data: few, norm: 2, radii, attacks: [pgd(), deepfool()] });
  const refuted = attacked.samples.filter(
    (s) => s.distance !== null && s.distance < certification.samples[s.index].radius,
  );
  return {
    gamma: method.gamma ?? 1,
    seconds,
    trainAccuracy,
    testAccuracy: certification.accuracy,
    lower: bracket.lower?.value,
    upper: bracket.upper?.value,
    method: bracket.upper?.method,
    certified: certification.certified,
    robust: attacked.robust,
    refuted: refuted.length,
  };
}

function existing(): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  } catch {
    return {};
  }
}
