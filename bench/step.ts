/** @file The training steps that are timed: the library's own step graph, gone through by the block as the training loop does. */
import type { Dataset } from "../src/data/dataset.ts";
import type { Engine } from "../src/engine/engine.ts";
import type { Node } from "../src/graph/graph.ts";
import { inFamily } from "../src/layers/family.ts";
import type { Layer } from "../src/layers/layer.ts";
import { convnet } from "../src/models/convnet.ts";
import { mlp } from "../src/models/mlp.ts";
import { mapNamed, type Named, within } from "../src/tensor/named.ts";
import { random, uniformTensor } from "../src/tensor/random.ts";
import { type Shape, sizeOf } from "../src/tensor/shape.ts";
import { scalar, type Tensor, tensor } from "../src/tensor/tensor.ts";
import { blockLength, stepInputs } from "../src/train/block.ts";
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

/** Steps as the training loop takes them: some at a time, by the same batch in memory of each step's own. */
export async function stepper(engine: Engine, task: Task): Promise<Stepper> {
  const { outputs, feeds } = stepProgram(task);
  const carried = Object.fromEntries(Object.keys(within("next", outputs)).map((name) => [name, `next/${name}`]));
  const program = await engine.iterate({ outputs, carried, each: stepInputs });
  const own = (name: string) => (stepInputs as readonly string[]).includes(name);
  const each = Object.fromEntries(Object.entries(program.inputs).filter(([name]) => own(name)));
  const block = blockLength(outputs, each);
  const repeated = mapNamed(each, (_, name) => repeat(feeds[name], block));
  let state = Object.fromEntries(
    Object.keys(program.inputs)
      .filter((name) => !own(name))
      .map((name) => [name, feeds[name]]),
  );
  return {
    async steps(count) {
      const start = performance.now();
      for (let done = 0; done < count; done += block) {
        const turns = Math.min(block, count - done);
        const results = await program.run({ ...state, ...mapNamed(repeated, (t) => first(t, turns)) }, turns);
        state = mapNamed(state, (t, name) => results[carried[name]] ?? t);
      }
      return (performance.now() - start) / 1000;
    },
    close: () => program.dispose(),
  };
}

// --- internal ---

function repeat({ dtype, shape, data }: Tensor, times: number): Tensor {
  const all = new Float32Array(times * data.length);
  for (let k = 0; k < times; k++) all.set(data as Float32Array, k * data.length);
  return { dtype, shape: [times, ...shape], data: all };
}

function first({ dtype, shape: [, ...shape], data }: Tensor, count: number): Tensor {
  return { dtype, shape: [count, ...shape], data: data.subarray(0, count * sizeOf(shape)) };
}
