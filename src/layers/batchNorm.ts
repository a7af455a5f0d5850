/** @file Batch normalisation: batch statistics in training, running ones in evaluation, where it is one affine map per channel. */
import type { Node } from "../graph/graph.ts";
import { add, div, minimum, mul, neg, sub } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { reshape } from "../ops/movement.ts";
import { exp, sqrt } from "../ops/pointwise.ts";
import { mean, reduceMin } from "../ops/reduce.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import type { Named } from "../tensor/named.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { full, scalar, zeros } from "../tensor/tensor.ts";
import type { Layer, Run } from "./layer.ts";

export interface BatchNormOptions {
  /** How much of the running statistics stays from step to step, in [0, 1): 1 minus what PyTorch calls momentum. */
  readonly momentum?: number;
  readonly epsilon?: number;
}

/**
 * Normalise each channel (axis 1; every feature of a vector is a channel), then scale and shift it:
 * y = scale * (x - mean) / sqrt(variance + epsilon) + shift.
 * In training over the batch and all positions, with the biased variance; in evaluation by the running statistics, which keep
 * `momentum` of their value a step, with the unbiased variance. Training throws UsageError on 1 value per channel.
 * Reference: Ioffe and Szegedy 2015, algorithms 1 and 2.
 */
export function batchNorm({ momentum = 0.9, epsilon = 1e-5 }: BatchNormOptions = {}): Layer {
  checkOptions("batchNorm", momentum, epsilon);
  return {
    name: "batchNorm",
    shape: (input) => withChannels("batchNorm", input),
    init: (_, [channels]) => ({
      params: { scale: full([channels], 1), shift: zeros([channels]) },
      state: { mean: zeros([channels]), variance: full([channels], 1) },
    }),
    weights(v, mode) {
      if (mode === "train") return v;
      const factor = div(v.scale, sqrt(add(v.variance, epsilon)));
      return { factor, offset: sub(v.shift, mul(v.mean, factor)) };
    },
    forward(x, w, run) {
      if (run.mode === "eval") return applied(x, w);
      const { centred, variance } = ofBatch(x, w, run, momentum);
      const factor = div(w.scale, sqrt(add(variance, epsilon)));
      return add(mul(centred, perChannel(factor, x)), perChannel(w.shift, x));
    },
    affine: (w) => ({ factor: w.factor, offset: w.offset }),
  };
}

export interface LipschitzBatchNormOptions extends BatchNormOptions {
  /** The cap at first. Default: 10. */
  readonly gamma?: number;
}

/**
 * Normalise each channel without scale and shift, and shrink all channels alike where that would stretch by more than gamma:
 * y = (x - mean) / sqrt(variance + epsilon) * min(1, gamma m), m = the least over the channels of sqrt(variance + epsilon).
 * gamma = e^logGamma is learned. It is a cap, not a gain: a norm that stretches less stays as it is.
 *
 * In evaluation, and so once frozen or folded into the layer before, this is an affine map with constant min(1 / m, gamma) <= gamma,
 * by the running statistics. In training mean, variance and m are those of the batch: with them held fixed the constant is at most
 * gamma too, but they move with the batch, so that as a function of the whole batch the layer has no such constant.
 * (The authors' code divides by the batch's deviations and caps by the running ones; nothing is capped for sure then.)
 * Reference: Srinivas et al. 2022, section 4.1.
 */
export function lipschitzBatchNorm(options: LipschitzBatchNormOptions = {}): Layer {
  const { momentum = 0.9, epsilon = 1e-5, gamma = 10 } = options;
  checkOptions("lipschitzBatchNorm", momentum, epsilon);
  if (!(gamma > 0 && Number.isFinite(gamma)))
    throw new UsageError(`lipschitzBatchNorm: gamma must be above 0, got ${gamma}`);
  const capped = (variance: Node, logGamma: Node): Node => {
    const deviation = sqrt(add(variance, epsilon));
    return div(minimum(mul(exp(logGamma), reduceMin(deviation)), 1), deviation);
  };
  return {
    name: "lipschitzBatchNorm",
    shape: (input) => withChannels("lipschitzBatchNorm", input),
    init: (_, [channels]) => ({
      params: { logGamma: scalar(Math.log(gamma)) },
      state: { mean: zeros([channels]), variance: full([channels], 1) },
    }),
    weights(v, mode) {
      if (mode === "train") return v;
      const factor = capped(v.variance, v.logGamma);
      return { factor, offset: neg(mul(v.mean, factor)) };
    },
    forward(x, w, run) {
      if (run.mode === "eval") return applied(x, w);
      const { centred, variance } = ofBatch(x, w, run, momentum);
      return mul(centred, perChannel(capped(variance, w.logGamma), x));
    },
    affine: (w) => ({ factor: w.factor, offset: w.offset }),
  };
}

// --- internal ---

/** The affine map of an evaluation; the identity where the layer before has absorbed it. */
const applied = (x: Node, w: Named<Node>): Node =>
  w.factor ? add(mul(x, perChannel(w.factor, x)), perChannel(w.offset, x)) : x;

const perChannel = (v: Node, x: Node): Node => reshape(v, [1, v.shape[0], ...x.shape.slice(2).map(() => 1)]);

/** The batch around its mean and its biased variance, per channel; the running statistics are updated on the way. */
function ofBatch(
  x: Node,
  w: Named<Node>,
  run: Run,
  momentum: number,
): { readonly centred: Node; readonly variance: Node } {
  const axes = x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));
  const n = sizeOf(x.shape) / x.shape[1];
  if (n < 2) throw new UsageError("batchNorm: training needs at least 2 values per channel in a batch, got 1");
  const batchMean = mean(x, axes);
  const centred = sub(x, perChannel(batchMean, x));
  const squares = sum(mul(centred, centred), axes);
  const keep = (old: Node, fresh: Node) => add(mul(old, momentum), mul(fresh, 1 - momentum));
  run.update("mean", keep(w.mean, batchMean), batchMean);
  const variance = mul(squares, 1 / n);
  run.update("variance", keep(w.variance, mul(squares, 1 / (n - 1))), variance);
  return { centred, variance };
}

function checkOptions(who: string, momentum: number, epsilon: number): void {
  if (!(momentum >= 0 && momentum < 1)) throw new UsageError(`${who}: momentum must be in [0, 1), got ${momentum}`);
  if (!(epsilon > 0)) throw new UsageError(`${who}: epsilon must be above 0, got ${epsilon}`);
}

function withChannels(who: string, input: Shape): Shape {
  if (input.length < 1) throw new ShapeError(`${who}: a sample must have channels, got []`);
  return input;
}
