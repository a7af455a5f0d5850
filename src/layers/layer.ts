/**
 * @file What a layer is: parameters, the weights made from them, and a forward pass - all of it graph. A layer whose weights are
 * more than its parameters (a spectral normalisation, a batch-norm folded into a convolution) says so in `weights`, and
 * `freeze` evaluates that part once.
 */
import type { Node } from "../graph/graph.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import type { Random } from "../tensor/random.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** In training, batch statistics and noise; in evaluation, neither. */
export type Mode = "train" | "eval";

/** What training changes (`params`, by gradient; `state`, by the forward pass itself). */
export interface Variables {
  readonly params: Named<Tensor>;
  readonly state: Named<Tensor>;
}

/** The surroundings of one forward pass. */
export interface Run {
  readonly mode: Mode;
  /** Uniform numbers in [0, 1), fresh in every training step. */
  noise(shape: Shape): Node;
  /** The value that a state variable of this layer shall have after the step, and what this pass used in its place. */
  update(name: string, value: Node, used?: Node): void;
  /** The run as a part of a layer sees it: names of state are under `name`. */
  child(name: string): Run;
}

/** A layer, or a whole model: both are the same thing. */
export interface Layer {
  /** For messages and for the name of a written model. */
  readonly name: string;
  /** Shape of one sample after the layer; throws ShapeError or UsageError where the input does not fit. */
  shape(input: Shape): Shape;
  /** Fresh variables for samples of a shape. */
  init(random: Random, input: Shape): Variables;
  /** The weights that the forward pass uses, from the variables (params and state by name). */
  weights(variables: Named<Node>, mode: Mode): Named<Node>;
  /** [batch, ...input] -> [batch, ...shape(input)]. */
  forward(x: Node, weights: Named<Node>, run: Run): Node;
  /** What a model of this layer says of itself, from the frozen weights: keys and values that stand in the written model. */
  metadata?(weights: Named<Tensor>): Named<string>;
  /** Weights of this layer followed by y -> factor * y + offset per channel, where that is again such a layer. */
  scaled?(weights: Named<Node>, factor: Node, offset: Node): Named<Node>;
  /** The map per channel that this layer is in evaluation, if it is one: the layer before it may absorb it. */
  affine?(weights: Named<Node>): { readonly factor: Node; readonly offset: Node };
}

export const noVariables: Variables = { params: {}, state: {} };

/** A layer without variables, from its action on one sample's shape and on a batch. */
export function fixed(name: string, rules: { shape(input: Shape): Shape; forward(x: Node, run: Run): Node }): Layer {
  return {
    name,
    shape: rules.shape,
    init: () => noVariables,
    weights: () => ({}),
    forward: (x, _, run) => rules.forward(x, run),
  };
}

/** The run of an evaluation. */
export const evalRun: Run = {
  mode: "eval",
  noise: () => {
    throw new UsageError("noise: evaluation has none");
  },
  update: () => {
    throw new UsageError("update: evaluation changes no state");
  },
  child: () => evalRun,
};

/** Check a width, a kernel size, a stride: a whole number >= 1. */
export function checkCount(who: string, what: string, value: number): void {
  if (!Number.isInteger(value) || value < 1)
    throw new UsageError(`${who}: ${what} must be a whole number >= 1, got ${value}`);
}
