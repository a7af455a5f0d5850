/** @file What attacks have found so far: one row for each sample, found or not. */
import type { AttackName } from "./protocol.ts";

/** The smallest perturbation of each sample so far. */
export interface Findings {
  /** Infinity where none was found; then the point is the sample. */
  readonly distance: Float64Array;
  /** [count, size]. */
  readonly points: Float32Array;
  /** The decision there, or -1. */
  readonly becomes: Int32Array;
  readonly attack: (AttackName | null)[];
}

export function nothingFound(center: Float32Array, count: number): Findings {
  return {
    distance: new Float64Array(count).fill(Number.POSITIVE_INFINITY),
    points: Float32Array.from(center),
    becomes: new Int32Array(count).fill(-1),
    attack: new Array<AttackName | null>(count).fill(null),
  };
}
