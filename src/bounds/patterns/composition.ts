/** @file A part of a graph that is a function of one node: what is looked at to see which function it is. */
import type { Node } from "../../graph/graph.ts";
import type { Fixed } from "../fixed.ts";

/** A node and the one varying node that it is a function of, found through ops that may stand in a composition. */
export interface Composition {
  readonly y: Node;
  readonly x: Node;
  /** What depends on x, each after its inputs, y the last. */
  readonly inner: readonly Node[];
  fixed(node: Node): Fixed;
}
