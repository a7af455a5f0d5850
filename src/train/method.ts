/** @file A training method is a record; the loop knows none of them by name. What a method needs of a step it builds as graph. */
import type { Node } from "../graph/graph.ts";
import type { Named } from "../tensor/named.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Loss } from "./loss.ts";

/** One training step as a method sees it, while the step's graph is being built. */
export interface Step {
  /** [batch, ...sample] and [batch, classes or outputs]. */
  readonly x: Node;
  readonly y: Node;
  /** The model in training mode on a batch; with batch-norm, state is updated by the first call. */
  forward(x: Node): Node;
  /** The data term. */
  readonly loss: Loss;
  readonly params: Named<Node>;
  /** The method's own state, as its `init` made it. */
  readonly state: Named<Node>;
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
  /** Fresh state of the method. */
  init?(params: Named<Tensor>): Named<Tensor>;
  /** The objective of one step; the data term alone unless told. */
  objective?(step: Step): Objective;
  /** Weight decay of a parameter, by name; 0 unless told. */
  decay?(name: string): number;
  /** State to change after an epoch. */
  after?(summary: EpochSummary, state: Named<Tensor>): Named<Tensor>;
}
