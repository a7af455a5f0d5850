/** @file Does an op only move numbers? Then what is computed by it is as exact as what it was given. */
import { random } from "../tensor/random.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Node } from "./graph.ts";

/**
 * Is every number of the result one of the one input's, perhaps with the other sign, or 0? True of what is told by the isometry of an input,
 * and of a linear map that makes of random numbers nothing but these numbers: a row with two entries would have to hit one by accident.
 */
export function onlyCopies(node: Node): boolean {
  if (node.inputs.length !== 1) return false;
  const behaviour = node.op.behaviour(node, [true]);
  if (behaviour.kind === "isometry") return true;
  if (behaviour.kind !== "linear") return false;
  const source = random(0);
  const drawn = Float64Array.from({ length: sizeOf(node.inputs[0].shape) }, () => source.normal());
  const sizes = new Set(drawn.map(Math.abs)).add(0);
  return node.op.evaluate(node, [drawn]).every((v) => sizes.has(Math.abs(v)));
}
