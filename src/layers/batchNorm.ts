/** @file Batch normalisation: batch statistics in training, running ones in evaluation, where it is one affine map per channel. */
import type { Node } from "../graph/graph.ts";
import { add, div, mul, sub } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { reshape } from "../ops/movement.ts";
import { sqrt } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { full, zeros } from "../tensor/tensor.ts";
import type { Layer } from "./layer.ts";

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
  if (!(momentum >= 0 && momentum < 1)) throw new UsageError(`batchNorm: momentum must be in [0, 1), got ${momentum}`);
  if (!(epsilon > 0)) throw new UsageError(`batchNorm: epsilon must be above 0, got ${epsilon}`);
  return {
    name: "batchNorm",
    shape(input) {
      if (input.length < 1) throw new ShapeError("batchNorm: a sample must have channels, got []");
      return input;
    },
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
      const perChannel = (v: Node) => reshape(v, [1, v.shape[0], ...x.shape.slice(2).map(() => 1)]);
      // No weights left: the layer before has absorbed them.
      if (run.mode === "eval") return w.factor ? add(mul(x, perChannel(w.factor)), perChannel(w.offset)) : x;
      const axes = x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));
      const n = sizeOf(x.shape) / x.shape[1];
      if (n < 2) throw new UsageError("batchNorm: training needs at least 2 values per channel in a batch, got 1");
      const batchMean = mean(x, axes);
      const centred = sub(x, perChannel(batchMean));
      const squares = sum(mul(centred, centred), axes);
      const variance = mul(squares, 1 / n);
      const keep = (old: Node, fresh: Node) => add(mul(old, momentum), mul(fresh, 1 - momentum));
      run.update("mean", keep(w.mean, batchMean));
      run.update("variance", keep(w.variance, mul(squares, 1 / (n - 1))));
      const factor = div(w.scale, sqrt(add(variance, epsilon)));
      return add(mul(centred, perChannel(factor)), perChannel(w.shift));
    },
    affine: (w) => ({ factor: w.factor, offset: w.offset }),
  };
}
