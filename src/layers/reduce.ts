/** @file A sample made narrower by an orthonormal map, before a layer that keeps its width. */
import type { Node } from "../graph/graph.ts";
import type { Named } from "../tensor/named.ts";
import { type Pending, taken } from "./bounded.ts";
import { freeOf, orthonormal } from "./cayley.ts";

/** The map [size, width] that makes a sample narrower, with what is pending. */
export function reduction(free: Named<Node>, pending: Pending): Node {
  const [tall, short] = free.direction.shape;
  return taken(pending, orthonormal(freeOf(free), tall, short));
}
