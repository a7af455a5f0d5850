/**
 * @file Margins and generalisation after Bartlett, Foster and Telgarsky 2017: over a sweep of networks, how do the gap between training and test and the normalised margins go together? Writes
 * results/margins.json and margins.md beside itself.
 */
import { accuracyOf } from "../../src/certify/evaluate.ts";
import { type NormalizedMargins, normalizedMargins } from "../../src/certify/normalizedMargins.ts";
import { take } from "../../src/data/dataset.ts";
import { digits } from "../../src/data/digits.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { mlp } from "../../src/models/mlp.ts";
import { random } from "../../src/tensor/random.ts";
import { randomLabels } from "../../src/train/afresh.ts";
import { lmt } from "../../src/train/lmt.ts";
import type { Method } from "../../src/train/method.ts";
import { plain, weightDecay } from "../../src/train/plain.ts";
import { cosine } from "../../src/train/schedule.ts";
import { trainNetwork } from "../../src/train/trainNetwork.ts";
import { table, writeStudy } from "./study.ts";

const engine = nodeEngine({ threads: 1 });
const { train: all, test: tests } = await digits();
const test = take(tests, 500);
const epochs = 40;

/** Labels of which a part is dealt out at random. */
function partlyRandom(count: number, part: number) {
  const data = take(all, count);
  const dealt = randomLabels(data, random(7)).labels;
  const source = random(8);
  return { ...data, labels: data.labels.map((label, k) => (source.uniform() < part ? dealt[k] : label)) };
}

interface Run {
  readonly count: number;
  readonly width: number;
  readonly method: Method;
  readonly random: number;
}

const runs: readonly Run[] = [
  ...[0, 0.25, 0.5, 0.75, 1].map((part) => ({ count: 500, width: 64, method: plain(), random: part })),
  ...[0, 1].flatMap((part) => [
    { count: 500, width: 32, method: plain(), random: part },
    { count: 500, width: 64, method: weightDecay({ decay: 1 }), random: part },
  ]),
  ...[200, 1000].map((count) => ({ count, width: 64, method: plain(), random: 0 })),
  ...[0.2, 0.5].map((c) => ({ count: 500, width: 64, method: lmt({ c }), random: 0 })),
];

interface Row {
  readonly samples: number;
  readonly width: number;
  readonly method: string;
  readonly random: number;
  readonly trainAccuracy: number;
  readonly testAccuracy: number;
  readonly gap: number;
  readonly complexity: number;
  readonly constant: NormalizedMargins["constant"];
  /** Medians over the training samples. */
  readonly margin: number;
  readonly byComplexity: number;
  readonly byConstant: number;
}

const rows: Row[] = [];
for (const { count, width, method, random: part } of runs) {
  const train = partlyRandom(count, part);
  const { network } = await trainNetwork({
    engine,
    data: { train, test: take(test, 1) },
    model: mlp([784, width, 10]),
    method,
    schedule: cosine(3e-3),
    epochs: Math.round((epochs * 1000) / count),
    batch: 50,
    seed: 1,
  });
  const found = await normalizedMargins(network, { engine, data: train });
  const at = found.quantiles.find((q) => q.part === 0.5);
  const testAccuracy = await accuracyOf(network, engine, test);
  const row = {
    samples: count,
    width,
    method: method.name,
    random: part,
    trainAccuracy: found.accuracy,
    testAccuracy,
    gap: found.accuracy - testAccuracy,
    complexity: found.complexity?.value ?? Number.NaN,
    constant: found.constant,
    margin: at?.margin ?? Number.NaN,
    byComplexity: at?.byComplexity ?? Number.NaN,
    byConstant: at?.byConstant ?? Number.NaN,
  };
  console.log(JSON.stringify(row));
  rows.push(row);
}

/** Of pairs that differ in both, the part in the same order less the part in the other (Kendall's tau-a without ties). */
function kendall(a: readonly number[], b: readonly number[]): number {
  let [same, pairs] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j < i; j++) {
      const sign = Math.sign(a[i] - a[j]) * Math.sign(b[i] - b[j]);
      if (sign === 0) continue;
      same += sign;
      pairs++;
    }
  }
  return same / pairs;
}

/** Pearson's correlation. */
function pearson(a: readonly number[], b: readonly number[]): number {
  const mean = (v: readonly number[]) => v.reduce((s, x) => s + x, 0) / v.length;
  const [ma, mb] = [mean(a), mean(b)];
  const dot = (u: readonly number[], mu: number, v: readonly number[], mv: number) =>
    u.reduce((s, x, k) => s + (x - mu) * (v[k] - mv), 0);
  return dot(a, ma, b, mb) / Math.sqrt(dot(a, ma, a, ma) * dot(b, mb, b, mb));
}

const gaps = rows.map((r) => r.gap);
const measures: readonly (readonly [string, (row: Row) => number])[] = [
  ["1 / median margin", (r) => 1 / r.margin],
  ["R_A", (r) => r.complexity],
  ["constant, proved", (r) => r.constant.upper],
  ["1 / (median margin over R_A)", (r) => 1 / r.byComplexity],
  ["1 / (median margin over the constant)", (r) => 1 / r.byConstant],
];
const correlations = measures.map(([name, of]) => {
  const values = rows.map(of);
  return {
    name,
    pearson: pearson(values, gaps),
    pearsonOfLog: pearson(values.map(Math.log), gaps),
    kendall: kendall(values, gaps),
  };
});
const digitsOf = (v: number) => v.toPrecision(3);
await writeStudy("margins", { epochs, rows, correlations }, [
  "# Margins and generalisation",
  "",
  "`npx tsx bench/studies/margins.ts`",
  "",
  "The paper's claim (Bartlett, Foster and Telgarsky 2017, abstract): on an AlexNet trained on MNIST and CIFAR-10, with original and random labels, the bound, the Lipschitz constants and the excess risks are all in direct",
  "correlation. It gives figures and no coefficients (none were found); its constants are products of norms. Ours: 784-w-10 ReLU networks on the first n digits, Adam (3e-3, cosine), about",
  `${epochs * 20} steps of 50 samples, a part of the labels dealt out at random; the gap is training accuracy (on the labels that were trained on) less the accuracy on 500 test images with their true labels.`,
  "Norms and constants are proved; the constant is the upper end of a bracket, whose lower end stands before it.",
  "",
  table(
    [
      "n",
      "w",
      "method",
      "random labels",
      "train, %",
      "test, %",
      "gap",
      "R_A",
      "constant",
      "median margin",
      "over R_A",
      "over the constant",
    ],
    rows.map((r) => [
      String(r.samples),
      String(r.width),
      r.method,
      `${100 * r.random} %`,
      (100 * r.trainAccuracy).toFixed(1),
      (100 * r.testAccuracy).toFixed(1),
      (100 * r.gap).toFixed(1),
      digitsOf(r.complexity),
      `${digitsOf(r.constant.lower)} to ${digitsOf(r.constant.upper)}`,
      digitsOf(r.margin),
      digitsOf(r.byComplexity),
      digitsOf(r.byConstant),
    ]),
  ),
  "",
  `Correlation with the gap over the ${rows.length} networks: Pearson's of the measure and of its logarithm, and Kendall's tau.`,
  "",
  table(
    ["measure", "Pearson", "Pearson, log", "Kendall"],
    correlations.map((c) => [c.name, c.pearson.toFixed(2), c.pearsonOfLog.toFixed(2), c.kendall.toFixed(2)]),
  ),
]);
