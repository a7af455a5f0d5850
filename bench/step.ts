/** @file The training steps that are timed: the library's own step graph, its state fed back as the training loop does. */
import type { Dataset } from "../src/data/dataset.ts";
import type { Engine } from "../src/engine/engine.ts";
import type { Node } from "../src/graph/graph.ts";
import { inFamily } from "../src/layers/family.ts";
import type { Layer } from "../src/layers/layer.ts";
import { convnet } from "../src/models/convnet.ts";
import { mlp } from "../src/models/mlp.ts";
import type { Named } from "../src/tensor/named.ts";
import { random, uniformTensor } from "../src/tensor/random.ts";
import type { Shape } from "../src/tensor/shape.ts";
import { scalar, type Tensor, tensor } from "../src/tensor/tensor.ts";
import { freshState } from "../src/train/checkpoint.ts";
import { crossEntropy, type Loss } from "../src/train/loss.ts";
import type { Method } from "../src/train/method.ts";
import { type Optimizer, sgd } from "../src/train/optimizer.ts";
import { plain } from "../src/train/plain.ts";
import { stepGraph } from "../src/train/step.ts";

export interface Task {
  readonly model: Layer;
  readonly sample: Shape;
  readonly batch: number;
  /** Absent: plain training by SGD with the cross-entropy. */
  readonly method?: Method;
  readonly optimizer?: Optimizer;
  readonly loss?: Loss;
}

export interface StepProgram {
  readonly outputs: Named<Node>;
  readonly feeds: Named<Tensor>;
}

const batch = 128;
const image = [1, 28, 28];

/** The same networks stand in networks.py and networks_jax.py. */
export const tasks: Named<Task> = {
  mlp: { model: mlp([784, 256, 256, 10]), sample: [784], batch },
  fashion: { model: mlp([784, 128, 64, 10]), sample: [784], batch },
  convnet: { model: convnet(10, { channels: [16, 32], hidden: 100 }), sample: image, batch },
  images: { model: convnet(10, { channels: [32, 64, 64, 128], hidden: 256 }), sample: [3, 32, 32], batch: 64 },
};

/** The graph of one step on random images of 10 classes, and what it is fed at first. */
export function stepProgram(task: Task): StepProgram {
  const { sample, batch, method = plain(), optimizer = sgd(), loss = crossEntropy } = task;
  const model = method.family ? inFamily(task.model, method.family) : task.model;
  const r = random(0);
  const x = uniformTensor(r.fork("x"), [batch, ...sample]);
  const labels = Int32Array.from({ length: batch }, (_, i) => i % 10);
  const data: Dataset = {
    ...{ name: "noise", shape: sample, x: x.data as Float32Array, count: batch },
    ...{ task: "classification", labels, targets: new Float32Array(0), classes: 10 },
  };
  const initial = freshState(model, method, optimizer, r.fork("init"), data, batch);
  const { outputs } = stepGraph({
    ...{ model, method, optimizer, loss, initial, batch, sample, target: 10, classification: false },
  });
  const y = Float32Array.from({ length: batch * 10 }, (_, i) => (labels[Math.floor(i / 10)] === i % 10 ? 1 : 0));
  const feeds = { ...initial, x, y: tensor(y, [batch, 10]), rate: scalar(1e-3), step: scalar(1), epoch: scalar(1) };
  return { outputs, feeds };
}

export interface Stepper {
  /** Seconds that so many steps take. */
  steps(count: number): Promise<number>;
  close(): Promise<void>;
}

export async function stepper(engine: Engine, task: Task): Promise<Stepper> {
  const { outputs, feeds } = stepProgram(task);
  const program = await engine.compile(outputs);
  const fed: Record<string, Tensor> = Object.fromEntries(
    Object.keys(program.inputs).map((name) => [name, feeds[name]]),
  );
  // What a method only watches is fed back to nobody.
  const kept = Object.keys(fed).filter((name) => `next/${name}` in outputs);
  return {
    async steps(count) {
      const start = performance.now();
      for (let i = 0; i < count; i++) {
        const results = await program.run(fed);
        for (const name of kept) fed[name] = results[`next/${name}`];
      }
      return (performance.now() - start) / 1000;
    },
    close: () => program.dispose(),
  };
}
