/** @file Training as one call, for whoever need not watch it. */
import type { Network } from "../graph/network.ts";
import type { Variables } from "../layers/layer.ts";
import { type EpochMetrics, type TrainOptions, train } from "./loop.ts";

/** What a training ends with. */
export interface Trained {
  readonly network: Network;
  readonly variables: Variables;
  /** Of every epoch that was carried out, in order. */
  readonly epochs: readonly EpochMetrics[];
}

/** Train a model to the end: `train` without its events. Equal options give equal bits. Throws as `train` does. */
export async function trainNetwork(options: TrainOptions): Promise<Trained> {
  const epochs: EpochMetrics[] = [];
  for await (const event of train(options)) {
    if (event.kind === "epoch") {
      const { kind: _, checkpoint: __, ...metrics } = event;
      epochs.push(metrics);
    }
    if (event.kind === "end") return { network: event.network, variables: event.variables, epochs };
  }
  throw new Error("trainNetwork: a training ends with its network");
}
