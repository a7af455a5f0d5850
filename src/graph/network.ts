/** @file A network: a recipe for a graph, not a graph. It is built on the inputs of whoever asks, in their batch size and their dtype. */
import type { Named } from "../tensor/named.ts";
import type { DType } from "../tensor/tensor.ts";
import type { Node } from "./graph.ts";

/** What goes into a network. A string among the dimensions is a free one: it takes whatever is fed. */
export interface Port {
  readonly name: string;
  readonly shape: readonly (number | string)[];
  readonly dtype: DType;
}

export interface Network {
  readonly name: string;
  readonly inputs: readonly Port[];
  /** Names of the outputs, in the order in which `build` returns them. */
  readonly outputs: readonly string[];
  /**
   * Build the graph on input nodes, one for each port, in their order. A fixed dimension must match, a free one takes what the
   * node has. Everything floating-point takes the dtype of the floating-point inputs. Throws ShapeError.
   */
  build(inputs: readonly Node[]): readonly Node[];
  /** What the model says about itself: keys and values. */
  readonly metadata: Named<string>;
}
