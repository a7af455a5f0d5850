/** @file ONNX operators that centre and scale. Batch normalisation has fixed statistics; the others compute them, and are built from parts. */
import type { Node } from "../../graph/graph.ts";
import { add, div, mul, pow, sub } from "../../ops/arith.ts";
import { pad, reshape, sliceAxis } from "../../ops/movement.ts";
import { batchNorm } from "../../ops/normalize.ts";
import { sqrt } from "../../ops/pointwise.ts";
import { mean } from "../../ops/reduce.ts";
import { ReadError } from "../../tensor/errors.ts";
import { checkAxis } from "../../tensor/shape.ts";
import { type Operator, Refusal } from "../call.ts";

/** Until opset 8 `spatial` 0 gave every element its own statistics. */
export const BatchNormalization: Operator = (c) => {
  const { attributes: a } = c;
  a.ignore("momentum");
  const trains =
    c.opset >= 14 ? a.int("training_mode", 0) !== 0 : c.opset < 7 ? a.int("is_test", 0) === 0 : c.outputs > 1;
  if (trains) throw new Refusal("it is in training mode; export the model for inference");
  const [x, scale, shift, average, variance] = [0, 1, 2, 3, 4].map((i) => c.input(i));
  const epsilon = a.float("epsilon", 1e-5);
  if (c.opset >= 9 || a.int("spatial", 1) !== 0) return [batchNorm(x, scale, shift, average, variance, epsilon)];
  const factor = div(scale, sqrt(add(variance, epsilon)));
  return [add(mul(sub(x, average), factor), shift)];
};

export const InstanceNormalization: Operator = (c) => {
  const x = c.input(0);
  const space = x.shape.map((_, i) => i).slice(2);
  const { scaled } = standard(x, space, c.attributes.float("epsilon", 1e-5));
  return [affine(scaled, c.input(1), c.input(2), [-1, ...space.map(() => 1)])];
};

/** Channels in groups, each with its own statistics; until opset 20 scale and shift belong to groups, from 21 on to channels. */
export const GroupNormalization: Operator = (c) => {
  c.attributes.ignore("stash_type");
  const x = c.input(0);
  const groups = c.attributes.int("num_groups", 0);
  const [n, channels] = x.shape;
  if (!(groups > 0) || channels % groups !== 0)
    throw new ReadError(`${channels} channels do not fall into ${groups} groups`);
  const apart = reshape(x, [n, groups, channels / groups, ...x.shape.slice(2)]);
  const inner = apart.shape.map((_, i) => i).slice(2);
  const { scaled } = standard(apart, inner, c.attributes.float("epsilon", 1e-5));
  if (c.opset < 21) {
    return [reshape(affine(scaled, c.input(1), c.input(2), [-1, ...inner.map(() => 1)]), x.shape)];
  }
  return [affine(reshape(scaled, x.shape), c.input(1), c.input(2), [-1, ...x.shape.slice(2).map(() => 1)])];
};

/** The statistics are the second and third output: mean and 1 / deviation. */
export const LayerNormalization: Operator = (c) => {
  c.attributes.ignore("stash_type");
  const x = c.input(0);
  const axis = checkAxis("LayerNormalization", c.attributes.int("axis", -1), x.shape.length);
  const axes = x.shape.map((_, i) => i).slice(axis);
  const { scaled, average, deviation } = standard(x, axes, c.attributes.float("epsilon", 1e-5));
  const shift = c.optional(2);
  const y = mul(scaled, c.input(1));
  return [shift ? add(y, shift) : y, average, div(1, deviation)];
};

/** x / sqrt(mean of x^2 + epsilon) over the axes from `axis` on, from opset 23. */
export const RMSNormalization: Operator = (c) => {
  c.attributes.ignore("stash_type");
  const x = c.input(0);
  const axis = checkAxis("RMSNormalization", c.attributes.int("axis", -1), x.shape.length);
  const axes = x.shape.map((_, i) => i).slice(axis);
  const size = sqrt(add(mean(mul(x, x), axes, true), c.attributes.float("epsilon", 1e-5)));
  return [mul(div(x, size), c.input(1))];
};

export const MeanVarianceNormalization: Operator = (c) => {
  const x = c.input(0);
  const axes = c.attributes.ints("axes") ?? [0, 2, 3];
  // ONNX Runtime takes the variance as the mean of squares less the square of the mean, which comes out below 0 by rounding.
  if (axes.every((a) => x.shape[checkAxis("MeanVarianceNormalization", a, x.shape.length)] === 1)) {
    throw new Refusal("the variance of one number is 0, of which ONNX Runtime may make no number");
  }
  if (c.value(0)) throw new Refusal("the variance of a constant may be 0, of which ONNX Runtime may make no number");
  const centred = sub(x, mean(x, axes, true));
  return [div(centred, add(sqrt(mean(mul(centred, centred), axes, true)), 1e-9))];
};

/** x / (bias + alpha / size * sum of squares over neighbouring channels) ^ beta. */
export const LRN: Operator = (c) => {
  const x = c.input(0);
  const { attributes: a } = c;
  const size = a.int("size", 0);
  if (!(size >= 1 && size <= neighboursAtMost)) throw new Refusal(`a neighbourhood of ${size} channels is not read`);
  const [alpha, beta] = [a.float("alpha", 1e-4), a.float("beta", 0.75)];
  if (size % 2 === 0 || !(alpha > 0 && beta > 0))
    throw new Refusal("only an odd size, and an alpha and a beta above 0, are read, as ONNX Runtime does");
  const before = (size - 1) / 2;
  const onChannels = (n: number) => x.shape.map((_, i) => (i === 1 ? n : 0));
  const squares = pad(mul(x, x), onChannels(before), onChannels(size - 1 - before));
  const total = Array.from({ length: size }, (_, k) => sliceAxis(squares, 1, k, k + x.shape[1])).reduce(add);
  const base = add(mul(total, alpha / size), a.float("bias", 1));
  return [div(x, pow(base, beta))];
};

const neighboursAtMost = 64;

// --- internal ---

function standard(x: Node, axes: readonly number[], epsilon: number) {
  const average = mean(x, axes, true);
  const centred = sub(x, average);
  const deviation = sqrt(add(mean(mul(centred, centred), axes, true), epsilon));
  return { scaled: div(centred, deviation), average, deviation };
}

function affine(x: Node, scale: Node, shift: Node, shape: readonly number[]): Node {
  return add(mul(x, reshape(scale, shape)), reshape(shift, shape));
}
