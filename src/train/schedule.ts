/** @file Learning rates over time, as functions of the epoch (a fraction within it counts: 2.5 is half-way through the third). */
import { UsageError } from "../tensor/errors.ts";

export interface Schedule {
  readonly name: string;
  /** The rate at a moment, 0 <= epoch < epochs, of a training of `epochs` epochs. */
  rate(epoch: number, epochs: number): number;
}

/** The same rate throughout. */
export const constantRate = (rate: number): Schedule => ({ name: `constant ${checked(rate)}`, rate: () => rate });

/** Straight lines between points [part of the training in 0..1, rate]; before the first and after the last the rate stays theirs. */
export function piecewiseLinear(points: readonly (readonly [number, number])[]): Schedule {
  const inOrder = points.every(([at], i) => at >= 0 && at <= 1 && (i === 0 || at > points[i - 1][0]));
  if (points.length < 2 || !inOrder || !points.every(([, rate]) => rate >= 0 && Number.isFinite(rate))) {
    throw new UsageError(
      `piecewiseLinear: needs at least two points [part in 0..1, rate >= 0] in increasing order, got ${JSON.stringify(points)}`,
    );
  }
  return {
    name: `piecewise linear ${JSON.stringify(points)}`,
    rate(epoch, epochs) {
      const at = epoch / epochs;
      const next = points.findIndex(([p]) => p > at);
      if (next === 0) return points[0][1];
      if (next === -1) return points[points.length - 1][1];
      const [[a, from], [b, to]] = [points[next - 1], points[next]];
      return from + ((to - from) * (at - a)) / (b - a);
    },
  };
}

/** `rate`, multiplied by `factor` once each of the given numbers of epochs is done; a number twice counts twice. */
export function stepRate(rate: number, epochs: readonly number[], factor = 0.1): Schedule {
  checked(rate);
  if (!(factor > 0 && Number.isFinite(factor)) || !epochs.every((e) => e >= 0)) {
    throw new UsageError(`stepRate: needs a factor above 0 and epochs >= 0, got ${factor} at [${epochs.join(",")}]`);
  }
  return {
    name: `step ${rate} x ${factor} at ${epochs.join(",")}`,
    rate: (epoch) => rate * factor ** epochs.filter((e) => epoch >= e).length,
  };
}

/**
 * From `rate` down to 0 along half a cosine, after a straight rise from 0 over the first `warmup` epochs:
 * (rate / 2) (1 + cos(pi (epoch - warmup) / (epochs - warmup))).
 * Reference: Loshchilov and Hutter 2017, equation 5.
 */
export function cosine(rate: number, warmup = 0): Schedule {
  checked(rate);
  if (!(warmup >= 0)) throw new UsageError(`cosine: warmup must be a number of epochs >= 0, got ${warmup}`);
  return {
    name: `cosine ${rate}${warmup === 0 ? "" : ` after ${warmup} epochs of warmup`}`,
    rate: (epoch, epochs) =>
      epoch < warmup
        ? (rate * epoch) / warmup
        : (rate / 2) * (1 + Math.cos((Math.PI * (epoch - warmup)) / (epochs - warmup))),
  };
}

// --- internal ---

function checked(rate: number): number {
  if (!(rate > 0 && Number.isFinite(rate))) throw new UsageError(`schedule: a rate must be above 0, got ${rate}`);
  return rate;
}
