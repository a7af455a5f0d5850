/** @file Learning rates over time, as functions of the epoch (a fraction within it counts: 2.5 is half-way through the third). */
import { UsageError } from "../tensor/errors.ts";

export interface Schedule {
  readonly name: string;
  /** The rate at a moment of a training of `epochs` epochs. */
  rate(epoch: number, epochs: number): number;
}

/** The same rate throughout. */
export const constantRate = (rate: number): Schedule => ({ name: `constant ${checked(rate)}`, rate: () => rate });

/** Straight lines between points [part of the training in 0..1, rate]. */
export function piecewiseLinear(points: readonly (readonly [number, number])[]): Schedule {
  if (points.length < 2 || points.some(([at], i) => i > 0 && at <= points[i - 1][0])) {
    throw new UsageError(
      `piecewiseLinear: needs at least two points in increasing order, got ${JSON.stringify(points)}`,
    );
  }
  return {
    name: `piecewise linear ${JSON.stringify(points)}`,
    rate(epoch, epochs) {
      const at = epoch / epochs;
      const next = points.findIndex(([p]) => p > at);
      if (next === 0) return points[0][1];
      if (next === -1) return points[points.length - 1][1];
      const [[a, low], [b, high]] = [points[next - 1], points[next]];
      return low + ((high - low) * (at - a)) / (b - a);
    },
  };
}

/** `rate`, multiplied by `factor` at each of the given epochs. */
export function stepRate(rate: number, epochs: readonly number[], factor = 0.1): Schedule {
  checked(rate);
  return {
    name: `step ${rate} x ${factor} at ${epochs.join(",")}`,
    rate: (epoch) => rate * factor ** epochs.filter((e) => epoch >= e).length,
  };
}

/** From `rate` down to 0 along half a cosine, after a straight rise over the first `warmup` epochs. Reference: Loshchilov and Hutter 2017, eq. 5. */
export function cosine(rate: number, warmup = 0): Schedule {
  checked(rate);
  return {
    name: `cosine ${rate}`,
    rate: (epoch, epochs) =>
      epoch < warmup
        ? (rate * epoch) / warmup
        : (rate / 2) * (1 + Math.cos((Math.PI * (epoch - warmup)) / Math.max(epochs - warmup, 1e-9))),
  };
}

// --- internal ---

function checked(rate: number): number {
  if (!(rate > 0 && Number.isFinite(rate))) throw new UsageError(`schedule: a rate must be above 0, got ${rate}`);
  return rate;
}
