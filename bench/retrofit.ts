/**
 * @file Networks that nobody here made, trained on: accuracy, proved constant and certified share before and after. `npx tsx bench/retrofit.ts [NAME...]`; needs ../shared.
 * What it last said stands in retrofit.md.
 */
import { fileURLToPath } from "node:url";
import { provedUpper } from "../src/bounds/bound.ts";
import { lipschitz } from "../src/bounds/index.ts";
import { accuracyOf, certify } from "../src/certify/evaluate.ts";
import { curvature } from "../src/curvature/measure.ts";
import { type Split, take } from "../src/data/dataset.ts";
import { loadDataset } from "../src/data/files.ts";
import type { Preprocessing } from "../src/data/preprocess.ts";
import { nodeEngine } from "../src/engine/node.ts";
import type { Network } from "../src/graph/network.ts";
import { decisionNetwork } from "../src/models/decision.ts";
import { frozenWeights } from "../src/models/freeze.ts";
import { modelAt } from "../src/onnx/file.ts";
import { modelHash } from "../src/onnx/read.ts";
import { train } from "../src/train/loop.ts";
import { buildMethod, type MethodSpec } from "../src/train/methods.ts";
import { retrofit } from "../src/train/retrofit.ts";
import { cosine } from "../src/train/schedule.ts";

interface Case {
  readonly file: string;
  readonly preprocessing?: Preprocessing;
  readonly method: MethodSpec;
  readonly rate: number;
  readonly epochs: number;
  readonly samples: number;
  /** Of the certified share, in l2 and in pixels of [0, 1]. */
  readonly radius: number;
  /** Carried out only where it is named; its curvature is measured, too. */
  readonly slow?: boolean;
}

const cases: Readonly<Record<string, Case>> = {
  fc: {
    file: "mnist/mnist_fc_256x2.onnx",
    method: { name: "lmt", c: 0.2, ramp: 1 },
    rate: 1e-3,
    epochs: 2,
    samples: 60000,
    radius: 0.1,
  },
  conv: {
    file: "mnist/verivital_convnet_avgpool.onnx",
    method: { name: "lmt", c: 0.1, ramp: 1 },
    rate: 2e-3,
    epochs: 1,
    samples: 60000,
    radius: 0.1,
  },
  soft: {
    file: "mnist/verivital_convnet_maxpool.onnx",
    method: { name: "lcnn", betaWeight: 1e-3, gradientWeight: 0.1 },
    rate: 1e-3,
    epochs: 1,
    samples: 60000,
    radius: 0.1,
    slow: true,
  },
  leaky: {
    file: "mnist/marabou_mnist5x20_leaky_relu.onnx",
    method: { name: "lmt", c: 0.02, ramp: 2 },
    rate: 1e-3,
    epochs: 3,
    samples: 60000,
    radius: 0.02,
  },
};

const shared = fileURLToPath(new URL("../../shared/data/", import.meta.url));
const engine = nodeEngine();
const seed = 1;

const named = process.argv.slice(2);
const data = await loadDataset("mnist", { dataDir: shared, seed });
for (const [name, own] of Object.entries(cases)) {
  if (named.length > 0 ? !named.includes(name) : own.slow) continue;
  await run(own, { ...data, train: take(data.train, own.samples) });
}

async function run(
  { file, preprocessing = {}, method, rate, epochs, radius, slow = false }: Case,
  split: Split,
): Promise<void> {
  const source = await modelAt(`${shared}onnx/${file}`);
  const sha256 = await modelHash(source.bytes);
  const given = retrofit(source, { sha256, preprocessing, sample: split.train.shape, task: "classification" });
  const words = Object.entries(method).map(([key, value]) => (key === "name" ? value : `${key} ${value}`));
  console.log(`${file}: ${words.join(", ")}, ${epochs} epoch of ${split.train.count}, rate ${rate}`);
  const before = await measured(given.behind(given.reading(source.bytes).network), split, radius, slow);
  const begun = performance.now();
  const options = {
    engine,
    data: { ...split, test: take(split.test, 1000) },
    model: given,
    method: buildMethod(method),
  };
  for await (const event of train({ ...options, batch: 128, epochs, seed, schedule: cosine(rate) })) {
    if (event.kind !== "end") continue;
    const seconds = (performance.now() - begun) / 1000;
    const own = options.method.family ? given.inFamily(options.method.family) : given;
    const bytes = own.written(await frozenWeights(engine, own, event.variables));
    const after = await measured(given.behind(given.reading(bytes).network), split, radius, slow);
    for (const [what, value] of Object.entries(before))
      console.log(`  ${what}: ${show(value)} -> ${show(after[what as keyof Measured] ?? Number.NaN)}`);
    console.log(`  training: ${seconds.toFixed(1)} s`);
  }
}

interface Measured {
  readonly accuracy: number;
  readonly constant: number;
  readonly certified: number;
  readonly averageRadius: number;
  readonly curvature?: number;
}

/** Accuracy on all 10,000 test images; radii, in l2, of the first 1000 by the proved constant alone. */
async function measured(network: Network, { test }: Split, radius: number, bent: boolean): Promise<Measured> {
  const decided = decisionNetwork(network, test.shape);
  const upper = provedUpper(await lipschitz(decided, { engine, methods: ["autolip", "eclipse-fast"] }));
  if (!upper) throw new Error("no constant");
  const some = take(test, 1000);
  const found = await certify(network, { engine, data: some, radii: [radius], local: "off", order: "first", upper });
  return {
    accuracy: await accuracyOf(network, engine, test),
    constant: upper.value,
    certified: found.certified[0].accuracy,
    averageRadius: found.averageRadius,
    ...(bent && {
      curvature: (await curvature(network, { engine, data: take(test, 100), steps: 20, seed })).curvature.mean,
    }),
  };
}

function show(v: number): string {
  return Number(v.toPrecision(4)).toString();
}
