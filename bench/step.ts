/** @file The training steps that are timed: the library's own step graph, its state fed back as the training loop does. */
import type { Engine, Program } from "../src/engine/engine.ts";
import type { Node } from "../src/graph/graph.ts";
import type { Layer } from "../src/layers/layer.ts";
import { convnet } from "../src/models/convnet.ts";
import { mlp } from "../src/models/mlp.ts";
import { type Named, under } from "../src/tensor/named.ts";
import { random, uniformTensor } from "../src/tensor/random.ts";
import { scalar, type Tensor, tensor } from "../src/tensor/tensor.ts";
import { crossEntropy } from "../src/train/loss.ts";
import { sgd } from "../src/train/optimizer.ts";
import { plain } from "../src/train/plain.ts";
import { stepGraph } from "../src/train/step.ts";

export const batch = 128;

/** The same networks stand in pytorch.py. */
export const networks: Named<Layer> = {
  mlp: mlp([784, 256, 256, 10]),
  convnet: convnet(10, { channels: [16, 32], hidden: 100 }),
};

export interface StepProgram {
  readonly outputs: Named<Node>;
  readonly feeds: Named<Tensor>;
}

/** The graph of one SGD step and what it is fed at first. */
export function stepProgram(network: string): StepProgram {
  const r = random(0);
  const model = networks[network];
  const sample = [1, 28, 28];
  const { params, state } = model.init(r.fork("init"), model.name === "mlp" ? [784] : sample);
  const initial = { ...under("params", params), ...under("state", state) };
  const shape = model.name === "mlp" ? [784] : sample;
  const { outputs } = stepGraph({
    model,
    method: plain(),
    optimizer: sgd(),
    loss: crossEntropy,
    initial,
    batch,
    sample: shape,
    target: 10,
    classification: false,
  });
  const y = Float32Array.from({ length: batch * 10 }, (_, i) => (Math.floor(i / 10) % 10 === i % 10 ? 1 : 0));
  const x = uniformTensor(r.fork("x"), [batch, ...shape]);
  return { outputs, feeds: { ...initial, x, y: tensor(y, [batch, 10]), rate: scalar(0.01) } };
}

export interface Stepper {
  /** Seconds that so many steps take. */
  steps(count: number): Promise<number>;
  close(): Promise<void>;
}

export async function stepper(engine: Engine, network: string): Promise<Stepper> {
  const { outputs, feeds } = stepProgram(network);
  const program: Program = await engine.compile(outputs);
  const state: Record<string, Tensor> = { ...feeds };
  return {
    async steps(count) {
      const start = performance.now();
      for (let i = 0; i < count; i++) {
        const results = await program.run(state);
        for (const name in results) if (name.startsWith("next/")) state[name.slice(5)] = results[name];
      }
      return (performance.now() - start) / 1000;
    },
    close: () => program.dispose(),
  };
}
