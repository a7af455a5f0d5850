/** @file What low curvature costs: training steps of LCNN as a multiple of the same network's plain step, turn and turn about in one run. */
import type { Engine } from "../src/engine/engine.ts";
import type { Layer } from "../src/layers/layer.ts";
import { softplusFamily } from "../src/layers/lowCurvature.ts";
import { mlp } from "../src/models/mlp.ts";
import { resnet } from "../src/models/resnet.ts";
import { mapNamed } from "../src/tensor/named.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { lcnn } from "../src/train/lcnn.ts";
import type { Method } from "../src/train/method.ts";
import { adam } from "../src/train/optimizer.ts";
import { plain } from "../src/train/plain.ts";
import { medianOf, takeTurns } from "./rounds.ts";
import { type Stepper, stepper } from "./step.ts";

const networks: readonly {
  readonly name: string;
  readonly model: Layer;
  readonly sample: Shape;
  readonly steps: number;
}[] = [
  { name: "mlp 784-128-64-10", model: mlp([784, 128, 64, 10]), sample: [784], steps: 50 },
  { name: "resnet 16-32-64 on 28x28", model: resnet(10, { channels: [16, 32, 64] }), sample: [1, 28, 28], steps: 4 },
];

const methods: Readonly<Record<string, Method>> = {
  relu: plain(),
  // The standard network of the paper: a softplus with beta 1000.
  standard: { ...plain(), family: softplusFamily(1000) },
  lcnn: lcnn(),
  "lcnn with gradient penalty": lcnn({ gradientWeight: 0.1 }),
};

export interface SmoothRow {
  readonly network: string;
  readonly method: string;
  readonly milliseconds: number;
  /** Of the standard network's and of the ReLU network's step, medians over the rounds. */
  readonly standard: number;
  readonly relu: number;
}

/** Time the steps of every method on every network. */
export async function smooth(engine: Engine, rounds = 9): Promise<SmoothRow[]> {
  const rows: SmoothRow[] = [];
  for (const { name, model, sample, steps } of networks) {
    const runs: Record<string, Stepper> = {};
    for (const method in methods) {
      const task = { model, method: methods[method], optimizer: adam(), sample, batch: 128 };
      runs[method] = await stepper(engine, task);
    }
    const times = await takeTurns(
      rounds,
      mapNamed(runs, (run) => () => run.steps(steps)),
      0,
    );
    for (const method in times) {
      const milliseconds = (1000 * Math.min(...times[method])) / steps;
      const against = (other: string) => medianOf(times[method].map((t, i) => t / times[other][i]));
      rows.push({ network: name, method, milliseconds, standard: against("standard"), relu: against("relu") });
      await runs[method].close();
    }
  }
  return rows;
}
