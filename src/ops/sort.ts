/** @file Sorting of pairs, of other ops: as an activation it keeps the length of every gradient, which no function of one number can. */
import type { Node } from "../graph/graph.ts";
import { ShapeError } from "../tensor/errors.ts";
import { checkAxis, showShape } from "../tensor/shape.ts";
import { maximum, minimum } from "./arith.ts";
import { concat, sliceAxis } from "./movement.ts";

/**
 * MaxMin, or GroupSort of pairs: with a and b the two halves of x along an axis, [max(a, b), min(a, b)]. 1-Lipschitz in every p-norm.
 * Reference: Anil, Lucas and Grosse 2019, "Sorting out Lipschitz function approximation".
 */
export function maxMin(x: Node, axis = 1): Node {
  const at = checkAxis("maxMin", axis, x.shape.length);
  const size = x.shape[at];
  if (size % 2 !== 0) throw new ShapeError(`maxMin: axis ${at} must have an even length, got ${showShape(x.shape)}`);
  const a = sliceAxis(x, at, 0, size / 2);
  const b = sliceAxis(x, at, size / 2, size);
  return concat([maximum(a, b), minimum(a, b)], at);
}
