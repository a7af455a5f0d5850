/** @file Preprocessing as the first part of a network, so that its constants and radii are in the units of the data. */
import { checkPreprocessing, listOf, type Preprocessing } from "../data/preprocess.ts";
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { gammaKey } from "../layers/bounded.ts";
import type { Model } from "../layers/family.ts";
import type { Layer } from "../layers/layer.ts";
import { div, mul, sub } from "../ops/arith.ts";
import { reshape, transpose } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Shape, sameShape, showShape, sizeOf } from "../tensor/shape.ts";
import { cast, tensor } from "../tensor/tensor.ts";

/**
 * Put y = network(reshape(layout((x * scale - mean) / std))) in place of a network; x is [batch, ...sample], or with a fixed batch
 * of n, [n, ...sample]. scale, mean and std count as float32, in every dtype. Without `sample`, samples have the network's shape.
 * Throws UsageError where samples do not fit: other sizes, or axes that mean something else (a layout).
 */
export function withPreprocessing(network: Network, preprocessing: Preprocessing, sample?: Shape): Network {
  const who = network.name || "network";
  if (network.inputs.length !== 1) {
    throw new UsageError(`${who}: preprocessing needs a network with one input, got ${network.inputs.length}`);
  }
  const [port] = network.inputs;
  const [first, ...rest] = port.shape;
  const own = rest.map((d) => {
    if (typeof d === "number") return d;
    const rule = `the size "${d}" is free in its input "${port.name}" ${showShape(port.shape)}`;
    throw new UsageError(`${who}: ${rule}; say it, as --shape ${port.name}=1,... does (readOnnx: shapes)`);
  });
  const shape = sample ?? own;
  checkPreprocessing(preprocessing, shape);
  const { layout = "nchw" } = preprocessing;
  const before = layout === "nhwc" ? [shape[1], shape[2], shape[0]] : shape;
  const batch = batchOf(who, port.shape, before);
  // Without a batch axis the whole port is one sample.
  const target = batch === null ? [Number(first), ...own] : own;
  checkOrder(who, before, target);
  if (isPlain(preprocessing) && layout === "nchw" && sameShape(shape, own) && batch !== null) return network;
  return {
    ...network,
    inputs: [{ ...port, shape: [batch ?? 1, ...shape] }],
    build([x]) {
      let y = affine(x, preprocessing, shape);
      if (layout === "nhwc") y = transpose(y, [0, 2, 3, 1]);
      return network.build([reshape(y, batch === null ? target : [x.shape[0], ...target])]);
    },
  };
}

/**
 * A model behind the numbers of a preprocessing (its layout does not count), of any family of layers. A constant that the model prescribes
 * is that from its own input; what the written model says of itself is times the largest factor |scale / std|, from the units of the data.
 */
export function preprocessedModel(model: Layer, preprocessing: Preprocessing, sample: Shape): Layer {
  checkPreprocessing(preprocessing, sample);
  if (isPlain(preprocessing)) return model;
  const behind = (own: Layer): Layer => ({
    ...own,
    forward: (x, weights, run) => own.forward(affine(x, preprocessing, sample), weights, run),
    metadata: (weights) => {
      const said = own.metadata?.(weights) ?? {};
      const gamma = said[gammaKey];
      return gamma === undefined ? said : { ...said, [gammaKey]: String(Number(gamma) * largestFactor(preprocessing)) };
    },
  });
  const { inFamily } = model as Partial<Model>;
  if (!inFamily) return behind(model);
  const built: Model = { ...behind(model), inFamily: (family) => behind(inFamily(family)) };
  return built;
}

// --- internal ---

const isPlain = ({ scale = 1, mean = [0], std = [1] }: Preprocessing): boolean =>
  listOf(scale).every((s) => s === 1) && mean.every((m) => m === 0) && std.every((s) => s === 1);

/** (x * scale - mean) / std, per channel of samples of a shape. */
function affine(x: Node, { scale = 1, mean = [0], std = [1] }: Preprocessing, shape: Shape): Node {
  const channels = (values: readonly number[]) => {
    const spread = values.length === 1 ? [] : [values.length, ...shape.slice(1).map(() => 1)];
    return constant(cast(tensor(Float32Array.from(values), spread), x.dtype));
  };
  let y = x;
  if (listOf(scale).some((s) => s !== 1)) y = mul(y, channels(listOf(scale)));
  if (mean.some((m) => m !== 0)) y = sub(y, channels(mean));
  if (std.some((s) => s !== 1)) y = div(y, channels(std));
  return y;
}

/** The norm of the linear part, which is diagonal. */
function largestFactor({ scale = 1, std = [1] }: Preprocessing): number {
  const at = (values: readonly number[], i: number) => Math.fround(values[values.length === 1 ? 0 : i]);
  const channels = Math.max(listOf(scale).length, std.length);
  return Array.from({ length: channels }, (_, i) => Math.abs(at(listOf(scale), i)) / at(std, i)).reduce((a, b) =>
    Math.max(a, b),
  );
}

/** The batch of the new input: the port's own first dimension, or null where the port is one sample without a batch axis. */
function batchOf(who: string, port: readonly (number | string)[], sample: Shape): number | string | null {
  const [first, ...rest] = port;
  const size = sizeOf(sample);
  if (port.length > 0 && sizeOf(rest.map(Number)) === size) return first;
  if (port.every((d) => typeof d === "number") && sizeOf(port as Shape) === size) return null;
  throw new UsageError(`${who}: samples must fit its input ${showShape(port)}, got ${showShape(sample)}`);
}

/** The same numbers in the same order: equal but for axes of length 1, or one of the two a plain vector. */
function checkOrder(who: string, sample: Shape, own: Shape): void {
  const [ours, theirs] = [own, sample].map((s) => s.filter((d) => d !== 1));
  if (ours.length <= 1 || theirs.length <= 1 || sameShape(ours, theirs)) return;
  throw new UsageError(
    `${who}: samples must come in the order of its input ${showShape(own)}, got ${showShape(sample)}; set the layout of the preprocessing`,
  );
}
