/** @file Where samples may move: a ball in l1, l2 or l-inf around each, or a box; and the least value of a linear form there, as graph. */
import type { Node } from "../../graph/graph.ts";
import { mul } from "../../ops/arith.ts";
import { sum } from "../../ops/broadcast.ts";
import { gather } from "../../ops/gather.ts";
import { abs, sqrt } from "../../ops/pointwise.ts";
import { reduceMax } from "../../ops/reduce.ts";
import type { Norm } from "../bound.ts";
import { rowLength } from "./back.ts";

/** A norm of which the set is a ball of a radius, or a box of half-widths of its own. */
export type SetKind = Norm | "box";

/**
 * How far g . x falls from the center to the edge of the sets of the samples `who`, [rows, 1], rounding not counted: r |g|_q for balls, w . |g| for
 * boxes. g [rows, size]; radii [samples, 1] for balls and [samples, size] for boxes.
 */
export function fallOn(kind: SetKind, g: Node, radii: Node, who: Node): Node {
  const r = gather(radii, who, 0);
  switch (kind) {
    case "box":
      return sum(mul(abs(g), r), [1], true);
    case "inf":
      return mul(rowLength(g), r);
    case 2:
      return mul(sqrt(sum(mul(g, g), [1], true)), r);
    case 1:
      return mul(reduceMax(abs(g), [1], true), r);
    default:
      return kind satisfies never;
  }
}

/** g . x at the centers [samples, size] of the samples `who`, [rows, 1]. */
export const atCenter = (g: Node, center: Node, who: Node): Node => sum(mul(g, gather(center, who, 0)), [1], true);
