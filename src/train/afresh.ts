/** @file A network that is there, from the start again: its graph with weights that are drawn, as a control of what its training has made of it. */
import type { Dataset } from "../data/dataset.ts";
import { glorotUniform } from "../layers/initializer.ts";
import type { Layer } from "../layers/layer.ts";
import type { Random } from "../tensor/random.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Retrofit } from "./retrofit.ts";

/** The same graph with matrices and kernels that are drawn (Glorot and Bengio 2010); other numbers (biases, scales of normalisations, slopes of PRelu) begin as they are in the file. */
export function afresh(model: Retrofit): Layer {
  return {
    ...model,
    init(random, input) {
      const { params, state } = model.init(random, input);
      const own = Object.entries(params).map(([name, value]): [string, Tensor] => [
        name,
        name.endsWith("/weight") ? drawn(random.fork(name), value) : value,
      ]);
      return { params: Object.fromEntries(own), state };
    },
  };
}

/** The same samples with their labels dealt out at random: as many of each class as before, and nothing to learn. */
export function randomLabels(data: Dataset, random: Random): Dataset {
  const order = random.permutation(data.count);
  return { ...data, labels: Int32Array.from(order, (k) => data.labels[k]), name: `${data.name}, random labels` };
}

// --- internal ---

function drawn(random: Random, { shape }: Tensor): Tensor {
  const window = sizeOf(shape.slice(2));
  return glorotUniform(random, shape, (shape[1] ?? 1) * window, shape[0] * window);
}
