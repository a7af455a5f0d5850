/**
 * @file CLIP on a regression with holes in its data, after Bungert et al. 2021, section 3.1: without the penalty the network goes its own way
 * where data are missing, with too much of it it cannot follow the data. Writes results/clip-regression.json and .md beside itself.
 */

import { nodeEngine } from "../../src/engine/node.ts";
import { constant } from "../../src/graph/leaf.ts";
import type { Network } from "../../src/graph/network.ts";
import { activation } from "../../src/layers/activation.ts";
import { dense } from "../../src/layers/dense.ts";
import type { Initializer } from "../../src/layers/initializer.ts";
import { sequential } from "../../src/layers/sequential.ts";
import { random, uniformTensor } from "../../src/tensor/random.ts";
import { scalar, tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { type Checkpoint, freshState } from "../../src/train/checkpoint.ts";
import { clip } from "../../src/train/clip.ts";
import { train } from "../../src/train/loop.ts";
import { adam } from "../../src/train/optimizer.ts";
import { constantRate } from "../../src/train/schedule.ts";
import { islands, truth } from "./islands.ts";
import { showSpread, spread, table, writeStudy } from "./study.ts";

const engine = nodeEngine();
const epochs = 100;
/** Copies of the samples in an epoch, so that an epoch is more than one step. */
const copies = 20;
const weights = [1e-2, 1e-3, 1e-4, 0];
const seeds = [1, 2, 3];
const noise = 0.1;

const penalty = { pairs: 50, start: "box", respawn: 0.02 } as const;

const grid = Float64Array.from({ length: 801 }, (_, i) => -4 + i / 100);

async function curveOf(network: Network): Promise<readonly number[]> {
  const [y] = network.build([constant(tensor(Float32Array.from(grid), [grid.length, 1]))]);
  const program = await engine.compile({ y });
  const out = [...toFloat64((await program.run({})).y)];
  await program.dispose();
  return out;
}

/** How far a curve turns back on itself: its total variation less that of the shortest curve through its value at 0 and at both ends. */
function oscillation(curve: readonly number[]): number {
  const variation = curve.reduce((sum, y, i) => (i === 0 ? 0 : sum + Math.abs(y - curve[i - 1])), 0);
  const middle = curve[(grid.length - 1) / 2];
  return variation - Math.abs(curve[0] - middle) - Math.abs(curve[curve.length - 1] - middle);
}

interface Result {
  readonly seed: number;
  readonly name: string;
  readonly oscillation: number;
  readonly error: number;
  readonly steepest: number;
  readonly curve: readonly number[];
  readonly data?: readonly (readonly number[])[];
}

const results: Result[] = [];
for (const seed of seeds) {
  const data = islands(seed, noise, copies);
  // The first layer begins with turns all over [-4, 4]: with Glorot's weights and biases of 0 all are at 0, and the network is a slow curve;
  // the others are 4 times as large as Glorot's, so that what the data do not hold down stays as it began.
  const wide: Initializer = (random, shape) => uniformTensor(random, shape, -8, 8);
  const large: Initializer = (random, shape, fanIn, fanOut) => {
    const limit = 4 * Math.sqrt(6 / (fanIn + fanOut));
    return uniformTensor(random, shape, -limit, limit);
  };
  const model = sequential([
    dense(500, { initializer: wide }),
    ...[200, 100, 1].flatMap((width) => [activation("sigmoid"), dense(width, { initializer: large })]),
    activation("sigmoid"),
  ]);
  const begin = { ...freshState(model, clip(penalty), adam(), random(seed), data, 100) };
  const centre = random(seed).fork("centres");
  begin["params/0/bias"] = {
    ...begin["params/0/bias"],
    data: Float32Array.from(toFloat64(begin["params/0/weight"]), (w) => w * (8 * centre.uniform() - 4)),
  };
  let last = begin;
  // First the network without penalty; the largest weight starts there, each smaller one from the next larger.
  for (const [i, weight] of [0, ...weights].entries()) {
    const resume: Checkpoint = { epoch: 0, step: 0, state: { ...last, "method/weight": scalar(weight) } };
    const method = clip({ ...penalty, weight });
    const options = { engine, data: { train: data, test: data }, model, method, epochs, batch: 100, seed };
    let network: Network | undefined;
    for await (const event of train({
      ...options,
      optimizer: adam(),
      schedule: constantRate(1e-3),
      resume,
    })) {
      if (event.kind === "epoch") last = event.checkpoint.state;
      if (event.kind === "end") network = event.network;
    }
    if (!network) throw new Error("clip-regression: training gave no network");
    const curve = await curveOf(network);
    const error = Math.sqrt(curve.reduce((sum, y, k) => sum + (y - truth(grid[k])) ** 2, 0) / grid.length);
    const steepest = Math.max(...curve.map((y, k) => (k === 0 ? 0 : Math.abs(y - curve[k - 1]) * 100)));
    const run = {
      seed,
      name: i === 0 ? "none, at first" : String(weight),
      oscillation: oscillation(curve),
      error,
      steepest,
    };
    console.log(JSON.stringify(run));
    results.push({
      ...run,
      curve: curve.map((y) => Number(y.toFixed(4))),
      ...(i === 0 && { data: Array.from({ length: 100 }, (_, k) => [data.x[k], data.targets[k]]) }),
    });
  }
}
const names = [...new Set(results.map((r) => r.name))];
const of = (name: string, pick: (r: Result) => number) =>
  showSpread(spread(results.filter((r) => r.name === name).map(pick)));
await writeStudy("clip-regression", { epochs, seeds, noise, results }, [
  "# CLIP where data are missing",
  "",
  "`npx tsx bench/studies/clip-regression.ts`: f(x) = max(|x| - 3, 0) / 2 from 100 noisy samples on [-4, -3], [-0.3, 0.3] and [3, 4]; 1-500-200-100-1,",
  "sigmoid everywhere; the largest weight of the penalty starts from the network without, each smaller one from the next larger.",
  "Oscillation: the total variation less that of a curve that falls to 0 and rises again; error: root mean square on [-4, 4]; steepest: f has 0.5. Mean (half range) of 3 seeds.",
  "",
  table(
    ["weight", "oscillation", "error", "steepest"],
    names.map((name) => [name, of(name, (r) => r.oscillation), of(name, (r) => r.error), of(name, (r) => r.steepest)]),
  ),
]);
