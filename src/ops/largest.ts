/** @file The largest along an axis as rounds of pairs: what reductions and pools are made of where their parts are asked for. */
import type { Node } from "../graph/graph.ts";
import { maximum } from "./arith.ts";
import { concat, sliceAxis } from "./movement.ts";

/** The largest along an axis, which stays with size 1. Each round is one maximum of two halves, so that n numbers take log2 n ops. */
export function largestAlong(x: Node, axis: number): Node {
  const n = x.shape[axis];
  if (n === 1) return x;
  const half = Math.floor(n / 2);
  const larger = maximum(sliceAxis(x, axis, 0, half), sliceAxis(x, axis, half, 2 * half));
  return largestAlong(2 * half === n ? larger : concat([larger, sliceAxis(x, axis, 2 * half, n)], axis), axis);
}
