/** @file The set of perturbations of at most one length. Lengths that count are taken in float64; projections inside a graph are float32. */
import type { Random } from "../tensor/random.ts";

/** The norms in which attacks search. */
export type AttackNorm = 2 | "inf";

export interface Ball {
  readonly norm: AttackNorm;
  /** Finite, >= 0, in the units of the data. */
  readonly radius: number;
}

/** The valid range of every input coordinate. */
export type Range = readonly [low: number, high: number];

/** ||a - b||_p in float64. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>, norm: AttackNorm): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i] - b[i]);
    if (norm === "inf") total = Math.max(total, d);
    else total += d * d;
  }
  return norm === "inf" ? total : Math.sqrt(total);
}

/** A point drawn uniformly from the ball around 0: in l2 a direction and a length r u^(1/n), in l-inf each coordinate by itself. */
export function pointInBall(random: Random, { norm, radius }: Ball, size: number): Float64Array {
  const point = new Float64Array(size);
  if (norm === "inf") {
    for (let i = 0; i < size; i++) point[i] = radius * (2 * random.uniform() - 1);
    return point;
  }
  const length = radius * random.uniform() ** (1 / size);
  const direction = unitDirection(random, size);
  for (let i = 0; i < size; i++) point[i] = length * direction[i];
  return point;
}

/** A direction of l2 length 1, uniform on the sphere. */
export function unitDirection(random: Random, size: number): Float64Array {
  const direction = new Float64Array(size);
  let squares = 0;
  while (!(squares > 0)) {
    for (let i = 0; i < size; i++) {
      direction[i] = random.normal();
      squares += direction[i] ** 2;
    }
  }
  const scale = 1 / Math.sqrt(squares);
  return direction.map((v) => v * scale);
}

/** x + factor * v as float32, clipped to the range. */
export function moved(x: Float32Array, v: ArrayLike<number>, factor: number, range: Range | null): Float32Array {
  const [low, high] = range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  return x.map((value, i) => Math.min(high, Math.max(low, value + factor * v[i])));
}
