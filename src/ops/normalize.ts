/** @file Normalisation. Of other ops only: what they say of themselves is then all that is to be said of it. */
import type { Node } from "../graph/graph.ts";
import { ShapeError } from "../tensor/errors.ts";
import { checkAxis, sameShape, showShape } from "../tensor/shape.ts";
import { add, div, mul, sub } from "./arith.ts";
import { reshape } from "./movement.ts";
import { sqrt } from "./pointwise.ts";
import { mean } from "./reduce.ts";

/**
 * Batch normalisation with known statistics: (x - mean) / sqrt(variance + epsilon) * scale + shift.
 * x is [batch, channels, ...], the others [channels]. Factor and offset are computed per channel first, so that as a
 * function of x it is a diagonal map and a translation.
 */
export function batchNorm(x: Node, scale: Node, shift: Node, mean: Node, variance: Node, epsilon = 1e-5): Node {
  for (const p of [scale, shift, mean, variance]) {
    if (x.shape.length < 2 || !sameShape(p.shape, [x.shape[1]])) {
      throw new ShapeError(
        `batchNorm: needs [batch, channels, ...] and statistics [channels], got ${showShape(x.shape)} and ${showShape(p.shape)}`,
      );
    }
  }
  const factor = div(scale, sqrt(add(variance, epsilon)));
  const offset = sub(shift, mul(mean, factor));
  return add(mul(x, perChannel(factor, x)), perChannel(offset, x));
}

/** Normalise to mean 0 and variance 1 over the axes from `axis` on, then scale and shift by nodes of their shape. */
export function layerNorm(x: Node, scale: Node, shift: Node, axis = -1, epsilon = 1e-5): Node {
  const from = checkAxis("layerNorm", axis, x.shape.length);
  const axes = x.shape.flatMap((_, i) => (i >= from ? [i] : []));
  return add(mul(standardise(x, axes, epsilon), scale), shift);
}

/** Normalise every channel of every sample of [batch, channels, ...] over its positions; scale and shift are [channels]. */
export function instanceNorm(x: Node, scale: Node, shift: Node, epsilon = 1e-5): Node {
  if (x.shape.length < 3 || !sameShape(scale.shape, [x.shape[1]]) || !sameShape(shift.shape, [x.shape[1]])) {
    throw new ShapeError(
      `instanceNorm: needs [batch, channels, ...] with positions, scale and shift [channels], got ${showShape(x.shape)}`,
    );
  }
  const axes = x.shape.flatMap((_, i) => (i >= 2 ? [i] : []));
  return add(mul(standardise(x, axes, epsilon), perChannel(scale, x)), perChannel(shift, x));
}

// --- internal ---

/** [channels] -> [channels, 1, ...], to stretch over [batch, channels, ...]. */
const perChannel = (p: Node, x: Node): Node => reshape(p, [p.shape[0], ...x.shape.slice(2).map(() => 1)]);

function standardise(x: Node, axes: readonly number[], epsilon: number): Node {
  const centred = sub(x, mean(x, axes, true));
  return div(centred, sqrt(add(mean(mul(centred, centred), axes, true), epsilon)));
}
