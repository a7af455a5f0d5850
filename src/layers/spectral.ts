/**
 * @file Spectral normalisation: a linear layer's weight over its operator norm, estimated by power iteration on the layer itself - for a
 * convolution at the size of its real input, zeros around and strides included. The estimate is from below: the norm of what
 * results is 1 or a little more, and what it truly is a bound says of the frozen weights.
 */
import { evaluate } from "../engine/reference.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { div, maximum, mul, stopGradient } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { reshape } from "../ops/movement.ts";
import { exp, sqrt } from "../ops/pointwise.ts";
import { UsageError } from "../tensor/errors.ts";
import { normalTensor } from "../tensor/random.ts";
import { scalar, type Tensor, tensor, toFloat64 } from "../tensor/tensor.ts";
import { evalRun, type Layer } from "./layer.ts";

export interface SpectralOptions {
  /** What the norm becomes: 1 (default), or a gain e^logGamma that is learned and starts at the norm of the first weight. */
  readonly gain?: "one" | "learned";
  /** Power iterations on the first weight. Default: 15. A training step makes one more. */
  readonly warmup?: number;
}

/**
 * Divide the weight of a dense layer or a convolution by its norm: W / <u, W v>, or gamma times that.
 * v is state, of the shape of a sample; a pass makes one power iteration u = W v / ||W v||, v' = W^T u / ||W^T u||, in training keeps
 * v', and lets the gradient flow through W alone. Nothing is divided by less than 1e-12.
 * Reference: Miyato et al. 2018, algorithm 1; at the size of the input: Srinivas et al. 2022, after Ryu et al. 2019.
 */
export function spectral(layer: Layer, { gain = "one", warmup = 15 }: SpectralOptions = {}): Layer {
  if (!Number.isInteger(warmup) || warmup < 1)
    throw new UsageError(`spectral: warmup must be a whole number >= 1, got ${warmup}`);
  const norm = (weight: Node, vector: Node) => iterate(layer, weight, vector);
  return {
    name: `spectral ${layer.name}`,
    shape: (sample) => layer.shape(sample),
    init(random, sample) {
      const { params, state } = layer.init(random, sample);
      if (!params.weight || Object.keys(state).length > 0) {
        throw new UsageError(`spectral: the layer must be linear with a weight and no state, got ${layer.name}`);
      }
      let vector: Tensor = normalTensor(random.fork("vector"), sample);
      let found = 0;
      const step = norm(constant(params.weight), input("vector", sample));
      for (let k = 0; k < warmup; k++) {
        const { next, value } = evaluate({ next: step.vector, value: step.norm }, { vector });
        vector = tensor(Float32Array.from(toFloat64(next)), sample);
        [found] = toFloat64(value);
      }
      const logGamma = scalar(Math.log(Math.max(found, 1e-6)));
      return { params: { ...params, ...(gain === "learned" && { logGamma }) }, state: { vector } };
    },
    weights({ vector, logGamma, ...own }, mode) {
      const step = norm(own.weight, vector);
      const factor = logGamma ? div(exp(logGamma), step.norm) : div(constant(1, own.weight.dtype), step.norm);
      const weights = layer.weights({ ...own, weight: mul(own.weight, factor) }, mode);
      return mode === "train" ? { ...weights, vector: step.vector } : weights;
    },
    forward(x, { vector, ...own }, run) {
      if (run.mode === "train") run.update("vector", vector);
      return layer.forward(x, own, run);
    },
    ...(layer.scaled && { scaled: (w, factor, offset) => (layer.scaled as Scaled)(w, factor, offset) }),
  };
}

// --- internal ---

type Scaled = NonNullable<Layer["scaled"]>;

/** One power iteration: the next vector of length 1, and the norm <u, W v'>. */
function iterate(layer: Layer, weight: Node, vector: Node): { readonly vector: Node; readonly norm: Node } {
  const sample = vector.shape;
  const x = reshape(stopGradient(vector), [1, ...sample]);
  const image = layer.forward(x, { weight }, evalRun);
  const u = stopGradient(normalized(image));
  const [pulled] = vjp([image], [u], [x]);
  if (!pulled) throw new UsageError(`spectral: the layer must be linear, got ${layer.name}`);
  const next = stopGradient(normalized(pulled));
  return { vector: reshape(next, sample), norm: maximum(sum(mul(pulled, next)), 1e-12) };
}

const normalized = (v: Node): Node => div(v, maximum(sqrt(sum(mul(v, v))), 1e-12));
