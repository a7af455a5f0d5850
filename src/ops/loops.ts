/** @file The plain loops that reference evaluations share. */
import { type Shape, sizeOf } from "../tensor/shape.ts";

/** out[i] = x[start + sum_k i_k step_k] for every index i of `shape`, row-major. */
export function gatherStrided(x: Float64Array, shape: Shape, step: readonly number[], start: number): Float64Array {
  const out = new Float64Array(sizeOf(shape));
  const index = new Array<number>(shape.length).fill(0);
  let at = start;
  for (let i = 0; i < out.length; i++) {
    out[i] = x[at];
    for (let k = shape.length - 1; k >= 0; k--) {
      at += step[k];
      if (++index[k] < shape[k]) break;
      at -= step[k] * shape[k];
      index[k] = 0;
    }
  }
  return out;
}
