/**
 * @file Gauss-Newton beside Adam and Rprop: error over time on the regression of CLIP, on two control fits and on a small one. Writes results/gauss-newton.json and gauss-newton.md beside itself.
 */
import type { Dataset } from "../../src/data/dataset.ts";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { taught } from "../../src/experiment/taught.ts";
import { constant } from "../../src/graph/leaf.ts";
import { activation } from "../../src/layers/activation.ts";
import { dense } from "../../src/layers/dense.ts";
import type { Initializer } from "../../src/layers/initializer.ts";
import type { Layer } from "../../src/layers/layer.ts";
import { sequential } from "../../src/layers/sequential.ts";
import { mlp } from "../../src/models/mlp.ts";
import { readOnnx } from "../../src/onnx/file.ts";
import { add, mul, sub } from "../../src/ops/arith.ts";
import { concat, sliceAxis } from "../../src/ops/movement.ts";
import { sin } from "../../src/ops/pointwise.ts";
import { random, uniformTensor } from "../../src/tensor/random.ts";
import { tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { freshState } from "../../src/train/checkpoint.ts";
import { gaussNewton } from "../../src/train/gaussNewton.ts";
import { networkAt, train } from "../../src/train/loop.ts";
import { adam, type Optimizer } from "../../src/train/optimizer.ts";
import { plain } from "../../src/train/plain.ts";
import { rprop } from "../../src/train/rprop.ts";
import { constantRate } from "../../src/train/schedule.ts";
import type { Target } from "../../src/train/sobolev.ts";
import { targetOf } from "../../src/train/teacher.ts";
import { islands } from "./islands.ts";
import { table, writeStudy } from "./study.ts";

const engine = nodeEngine({ threads: 1 });
const times = [0.5, 1, 2, 4];
const noise = 0.1;

const points = (count: number, sides: readonly number[], seed: number) => ({
  name: "states",
  task: "none" as const,
  x: (uniformTensor(random(seed), [count, sides.length], -1, 1).data as Float32Array).map(
    (v, i) => v * sides[i % sides.length],
  ),
  shape: [sides.length],
  count,
});

/** Van der Pol's oscillator under a force: (x2, (1 - x1^2) x2 - x1 + u). */
const vanDerPol: Target = (x) => {
  const [a, b, u] = [0, 1, 2].map((i) => sliceAxis(x, 1, i, i + 1));
  return concat([b, add(sub(mul(sub(1, mul(a, a)), b), a), u)], 1);
};

const wide: Initializer = (source, shape) => uniformTensor(source, shape, -8, 8);
const large: Initializer = (source, shape, fanIn, fanOut) => {
  const limit = 4 * Math.sqrt(6 / (fanIn + fanOut));
  return uniformTensor(source, shape, -limit, limit);
};
const clipModel = sequential([
  dense(500, { initializer: wide }),
  ...[200, 100, 1].flatMap((width) => [activation("sigmoid"), dense(width, { initializer: large })]),
  activation("sigmoid"),
]);

interface Problem {
  readonly name: string;
  readonly data: Dataset;
  readonly model: Layer;
  readonly optimizers: readonly (readonly [string, Optimizer, number])[];
}

const usual = [
  ["gauss-newton", gaussNewton(), 1],
  ["adam, 1e-2", adam(), 1e-2],
  ["adam, 1e-3", adam(), 1e-3],
  ["rprop", rprop(), 1e-2],
] as const;
const policy = targetOf(await readOnnx(new URL("../../examples/policy.onnx", import.meta.url)));
const problems: readonly Problem[] = [
  {
    name: "sine (3x), 50 samples, 1-10-1",
    data: await taught(points(50, [1], 1), (x) => sin(mul(x, 3)), engine),
    model: mlp([1, 10, 1], { activation: "tanh" }),
    optimizers: [["gauss-newton, 60 iterations", gaussNewton({ iterations: 60 }), 1], ...usual],
  },
  {
    name: "policy.onnx, 300 states, 3-8-8-2",
    data: await taught(points(300, [1, 1, 1], 1), policy, engine),
    model: mlp([3, 8, 8, 2], { activation: "tanh" }),
    optimizers: [["gauss-newton, 60 iterations", gaussNewton({ iterations: 60 }), 1], ...usual],
  },
  {
    name: "Van der Pol, 300 states, 3-20-2",
    data: await taught(points(300, [2, 2, 1], 1), vanDerPol, engine),
    model: mlp([3, 20, 2], { activation: "tanh" }),
    optimizers: [["gauss-newton, 60 iterations", gaussNewton({ iterations: 60 }), 1], ...usual],
  },
  {
    name: "CLIP's regression, 100 noisy samples, 1-500-200-100-1 (sigmoid)",
    data: islands(1, noise),
    model: clipModel,
    optimizers: [
      ["gauss-newton", gaussNewton(), 1],
      [`gauss-newton, tikhonov by noise ${noise}`, gaussNewton({ tikhonov: 1e-3, noise }), 1],
      ["adam, 1e-3", adam(), 1e-3],
      ["rprop", rprop(), 1e-2],
    ],
  },
];

const grid = Float64Array.from({ length: 801 }, (_, i) => -4 + i / 100);

interface Row {
  readonly problem: string;
  readonly optimizer: string;
  /** Training loss when so many seconds of the processor were over. */
  readonly losses: readonly number[];
  readonly steps: number;
  /** Seconds to a loss, where it was reached. */
  readonly reached: Readonly<Record<string, number>>;
  /** Of CLIP's regression: root mean square of the error on [-4, 4]. */
  readonly error?: number;
}

const rows: Row[] = [];
for (const { name, data, model, optimizers } of problems) {
  for (const [label, optimizer, rate] of optimizers) {
    const start = { ...freshState(model, plain(), optimizer, random(1), data, data.count) };
    if (model === clipModel) {
      // Turns all over [-4, 4], as in clip-regression.ts.
      const centre = random(1).fork("centres");
      const bias = Float32Array.from(toFloat64(start["params/0/weight"]), (w) => w * (8 * centre.uniform() - 4));
      start["params/0/bias"] = { ...start["params/0/bias"], data: bias };
    }
    const options = {
      engine,
      data: {
        train: data,
        test: {
          ...data,
          x: data.x.subarray(0, data.x.length / data.count),
          targets: data.targets.subarray(0, data.classes),
          count: 1,
        },
      },
      model,
      optimizer,
      schedule: constantRate(rate),
      batch: data.count,
      seed: 1,
      epochs: 1e6,
      start,
    };
    const losses: number[] = [];
    const reached: Record<string, number> = {};
    let [seconds, steps, last] = [0, 0, Number.POSITIVE_INFINITY];
    let error: number | undefined;
    let begun = process.cpuUsage();
    for await (const event of train(options)) {
      // What is compiled is not counted.
      if (event.kind === "start") begun = process.cpuUsage();
      if (event.kind !== "epoch") continue;
      const used = process.cpuUsage(begun);
      seconds = (used.user + used.system) / 1e6;
      steps++;
      last = event.trainLoss;
      for (const goal of [1e-4, 1e-6, 1e-8]) if (last <= goal) reached[goal] ??= seconds;
      while (losses.length < times.length && seconds >= times[losses.length]) losses.push(last);
      if (losses.length < times.length) continue;
      if (model === clipModel) {
        const network = await networkAt({ engine, data: { train: data, test: data }, model }, event.checkpoint);
        const [y] = network.build([constant(tensor(grid, [grid.length, 1], "float64"))]);
        const curve = toFloat64(evaluate({ y }, {}).y);
        error = Math.sqrt(
          curve.reduce((sum, v, k) => sum + (v - Math.max(Math.abs(grid[k]) - 3, 0) / 2) ** 2, 0) / grid.length,
        );
      }
      break;
    }
    const row = { problem: name, optimizer: label, losses, steps, reached, ...(error !== undefined && { error }) };
    console.log(JSON.stringify(row));
    rows.push(row);
  }
}

const show = (v: number) => v.toExponential(1);
await writeStudy("gauss-newton", { times, noise, rows }, [
  "# Gauss-Newton beside Adam and Rprop",
  "",
  "`npx tsx bench/studies/gauss-newton.ts`",
  "",
  "Training loss (half the mean squared length of the error) after so many seconds of the processor (one thread, compilation not counted), all samples in every step, one seed; the time to a loss of",
  "1e-8, and the steps in 4 s. Gauss-Newton with 20 steps of conjugate gradients, or as said. tanh where nothing else is said. No paper's table is repeated here; of the neighbours that are",
  "named (R's neuralnet, Tikhonov training) no figures were found.",
  "",
  ...problems.flatMap(({ name }) => {
    const own = rows.filter((r) => r.problem === name);
    const noisy = own.some((r) => r.error !== undefined);
    return [
      `## ${name}`,
      "",
      table(
        ["optimizer", ...times.map((t) => `${t} s`), noisy ? "error to the truth, [-4, 4]" : "1e-8 after", "steps"],
        own.map((r) => [
          r.optimizer,
          ...r.losses.map(show),
          noisy
            ? (r.error?.toFixed(3) ?? "")
            : r.reached["1e-8"] === undefined
              ? "not in 4 s"
              : `${r.reached["1e-8"].toFixed(2)} s`,
          String(r.steps),
        ]),
      ),
      "",
    ];
  }),
  `On CLIP's regression the targets have an error of ${noise}, a loss of ${((noise * noise) / 2).toPrecision(1)}: what is lower has learnt the noise. The discrepancy rule stops there.`,
]);
