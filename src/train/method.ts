/** @file A training method is a record; the loop knows none of them by name. What a method needs of a step it builds as graph. */
import type { Dataset } from "../data/dataset.ts";
import type { Node } from "../graph/graph.ts";
import type { Family } from "../layers/family.ts";
import type { Layer } from "../layers/layer.ts";
import type { Named } from "../tensor/named.ts";
import type { Random } from "../tensor/random.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Loss } from "./loss.ts";

/** One training step as a method sees it, while the step's graph is being built. */
export interface Step {
  /** [batch, ...sample] and [batch, classes or outputs]. */
  readonly x: Node;
  readonly y: Node;
  /** Derivatives of the targets by the inputs, where the data have them: [batch, outputs, ...sample]. */
  readonly slopes?: Node;
  /** The model in training mode on a batch; with batch-norm, state is updated by the first call. */
  forward(x: Node): Node;
  /**
   * The map that the model is in evaluation, with the statistics of the batch that `forward` first saw in place of running ones; on
   * any number of samples. Batch statistics are no function of its input, but their gradients reach the parameters.
   */
  evaluated(x: Node): Node;
  /** The data term. */
  readonly loss: Loss;
  readonly params: Named<Node>;
  /** The method's own state, as its `init` made it. */
  readonly state: Named<Node>;
  /** Epochs done, with the part of the present one that is done: a scalar, 0 in the first step. */
  readonly epoch: Node;
  /** Uniform numbers in [0, 1), fresh in every step. */
  noise(shape: Shape): Node;
}

/** What a method's state may be made from. */
export interface Beginning {
  /** The model that is trained, already of the method's family. */
  readonly model: Layer;
  readonly params: Named<Tensor>;
  /** What the model itself carries from step to step. */
  readonly modelState: Named<Tensor>;
  /** The training part of the data. */
  readonly data: Dataset;
  readonly batch: number;
  readonly random: Random;
}

/** What a method makes of a step. */
export interface Objective {
  /** A scalar; its gradient trains the parameters. */
  readonly loss: Node;
  /** Outputs of the model on the batch, for the training accuracy. */
  readonly outputs: Node;
  /** The method's next state; names left out stay as they are. */
  readonly state?: Named<Node>;
}

/** What a method sees between epochs. */
export interface EpochSummary {
  readonly epoch: number;
  readonly epochs: number;
  readonly trainLoss: number;
  readonly trainAccuracy: number | null;
}

export interface Method {
  readonly name: string;
  /** The layers that the model is built from. Default: as the model comes. */
  readonly family?: Family;
  /** Fresh state of the method. */
  init?(beginning: Beginning): Named<Tensor>;
  /** The objective of one step. Default: the data term alone. */
  objective?(step: Step): Objective;
  /** Weight decay of a parameter, by name. Default: 0. */
  decay?(name: string): number;
  /** What the learning rate of a parameter is times, by name. Default: 1. */
  pace?(name: string): number;
  /** State to change after an epoch. */
  after?(summary: EpochSummary, state: Named<Tensor>): Named<Tensor>;
}
