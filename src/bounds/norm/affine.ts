/** @file A graph that is affine, as a matrix: its adjoint is its vjp, its forward map the vjp of that, its entries what these make of unit vectors. */
import type { Region } from "../../graph/behaviour.ts";
import { vjp } from "../../graph/gradient.ts";
import type { Node } from "../../graph/graph.ts";
import { filledLike, input } from "../../graph/leaf.ts";
import { substitute } from "../../graph/rewrite.ts";
import { jvp } from "../../graph/tangent.ts";
import { type Matrix, matrix } from "../../linalg/matrix.ts";
import { sizeOf } from "../../tensor/shape.ts";
import { asFunction } from "../fixed.ts";

export interface LinearMap {
  readonly rows: number;
  readonly cols: number;
  /** A v. */
  apply(v: Float64Array): Float64Array;
  /** A^T u. */
  adjoint(u: Float64Array): Float64Array;
}

/** The linear part of a region as a function of one of its sources; null where a node on the way gives no derivative. */
export function linearMap({ output, sources, nodes }: Region, source: Node): LinearMap | null {
  // Sources may depend on one another: each is cut off from what is before it.
  const cuts = new Map(sources.map((s, i) => [s, input(`source ${i}`, s.shape, s.dtype)]));
  const [end, ...inner] = substitute([output, ...nodes], cuts);
  const start = cuts.get(source) as Node;
  const reached = new Set<Node>([start]);
  for (const node of inner) {
    if (!node.inputs.some((i) => reached.has(i))) continue;
    reached.add(node);
    const pulled = node.op.vjp(node, input("cotangent", node.shape, node.dtype));
    if (node.inputs.some((x, i) => reached.has(x) && !pulled[i])) return null;
  }
  const u = input("cotangent", end.shape, end.dtype);
  const v = input("tangent", start.shape, start.dtype);
  const [pulled] = vjp([end], [u], [start]);
  const [pushed] = jvp([end], [start], [v]);
  if (!pulled || !pushed) return null;
  // The derivative of an affine map is the same everywhere, but the graph of it may ask where (that of x^1 does).
  const origin = new Map([...cuts.values()].map((cut) => [cut, filledLike(cut, 0)]));
  const [back, forth] = substitute([pulled, pushed], origin);
  return {
    rows: sizeOf(end.shape),
    cols: sizeOf(start.shape),
    apply: lazily(() => asFunction(forth, v)),
    adjoint: lazily(() => asFunction(back, u)),
  };
}

/** The matrix of a map, from whichever side has fewer unit vectors. */
export function denseOf(map: LinearMap): Matrix {
  const { rows, cols } = map;
  const data = new Float64Array(rows * cols);
  const byRows = rows <= cols;
  for (let k = 0; k < (byRows ? rows : cols); k++) {
    const e = new Float64Array(byRows ? rows : cols);
    e[k] = 1;
    if (byRows) data.set(map.adjoint(e), k * cols);
    else
      map.apply(e).forEach((a, i) => {
        data[i * cols + k] = a;
      });
  }
  return matrix(rows, cols, data);
}

// --- internal ---

function lazily(make: () => (x: Float64Array) => Float64Array): (x: Float64Array) => Float64Array {
  let made: ((x: Float64Array) => Float64Array) | undefined;
  return (x) => {
    made ??= make();
    return made(x);
  };
}
