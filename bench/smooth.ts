/** @file What low curvature costs: training steps of LCNN as a multiple of the same network's plain step, turn and turn about in one run. */
import type { Engine } from "../src/engine/engine.ts";
import { inFamily } from "../src/layers/family.ts";
import type { Layer } from "../src/layers/layer.ts";
import { softplusFamily } from "../src/layers/lowCurvature.ts";
import { mlp } from "../src/models/mlp.ts";
import { resnet } from "../src/models/resnet.ts";
import { under } from "../src/tensor/named.ts";
import { random, uniformTensor } from "../src/tensor/random.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { scalar, type Tensor, tensor } from "../src/tensor/tensor.ts";
import { lcnn } from "../src/train/lcnn.ts";
import { crossEntropy } from "../src/train/loss.ts";
import type { Method } from "../src/train/method.ts";
import { adam } from "../src/train/optimizer.ts";
import { plain } from "../src/train/plain.ts";
import { stepGraph } from "../src/train/step.ts";

const batch = 128;

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
    const runs = await Promise.all(
      Object.entries(methods).map(async ([method, m]) => ({ method, run: await stepsOf(engine, model, m, sample) })),
    );
    const times = runs.map(() => [] as number[]);
    for (let round = -1; round < rounds; round++) {
      for (const [k, { run }] of runs.entries()) {
        const seconds = await run.steps(steps);
        if (round >= 0) times[k].push((1000 * seconds) / steps);
      }
    }
    const against = (k: number, other: number) => median(times[k].map((t, i) => t / times[other][i]));
    runs.forEach(({ method }, k) => {
      rows.push({
        network: name,
        method,
        milliseconds: Math.min(...times[k]),
        standard: against(k, 1),
        relu: against(k, 0),
      });
    });
    for (const { run } of runs) await run.close();
  }
  return rows;
}

// --- internal ---

async function stepsOf(engine: Engine, model: Layer, method: Method, sample: Shape) {
  const r = random(0);
  const built = method.family ? inFamily(model, method.family) : model;
  const optimizer = adam();
  const { params, state } = built.init(r.fork("init"), sample);
  const initial = {
    ...under("params", params),
    ...under("state", state),
    ...under("optimizer", optimizer.init(params)),
  };
  const { outputs } = stepGraph({
    ...{ model: built, method, optimizer, loss: crossEntropy, initial, batch, sample },
    target: 10,
    classification: false,
  });
  const program = await engine.compile(outputs);
  const y = Float32Array.from({ length: batch * 10 }, (_, i) => (Math.floor(i / 10) % 10 === i % 10 ? 1 : 0));
  const x = uniformTensor(r.fork("x"), [batch, ...sample]);
  const all: Record<string, Tensor> = { ...initial, x, y: tensor(y, [batch, 10]), rate: scalar(1e-3), step: scalar(1) };
  const fed: Record<string, Tensor> = Object.fromEntries(Object.keys(program.inputs).map((name) => [name, all[name]]));
  return {
    async steps(count: number) {
      const start = performance.now();
      for (let i = 0; i < count; i++) {
        const results = await program.run(fed);
        for (const name in results) if (name.startsWith("next/")) fed[name.slice(5)] = results[name];
      }
      return (performance.now() - start) / 1000;
    },
    close: () => program.dispose(),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
