/** @file Reverse mode: one backward walk that builds the gradient as graph, so that a gradient can be differentiated again. */
import { ShapeError } from "../tensor/errors.ts";
import { sameShape } from "../tensor/shape.ts";
import { isFloat } from "../tensor/tensor.ts";
import { accumulate } from "./accumulate.ts";
import { dependents, type Node, shapesOf, topological } from "./graph.ts";
import { filledLike } from "./leaf.ts";

/**
 * Pull cotangents of `ys` back to `xs`: sum_k (d ys[k] / d xs[i])^T dys[k].
 * The result at i has the shape of xs[i], or is null where no y depends on it.
 */
export function vjp(ys: readonly Node[], dys: readonly Node[], xs: readonly Node[]): (Node | null)[] {
  const order = topological(ys);
  const active = dependents(order, xs);
  const cotangents = new Map<Node, Node>();
  const meet = (node: Node, d: Node) => {
    const have = cotangents.get(node);
    cotangents.set(node, have ? accumulate(have, d) : d);
  };
  ys.forEach((y, k) => {
    if (!sameShape(y.shape, dys[k].shape)) {
      throw new ShapeError(`vjp: a cotangent has the shape of its output, got ${shapesOf([y, dys[k]])}`);
    }
    if (active.has(y)) meet(y, dys[k]);
  });
  const targets = new Set(xs);
  for (let k = order.length - 1; k >= 0; k--) {
    const node = order[k];
    const dy = cotangents.get(node);
    if (!dy || !active.has(node) || !node.inputs.some((i) => active.has(i))) continue;
    if (!targets.has(node)) cotangents.delete(node);
    const pulled = node.op.vjp(node, dy);
    node.inputs.forEach((x, i) => {
      const dx = pulled[i];
      if (!dx || !active.has(x) || !isFloat(x.dtype)) return;
      if (!sameShape(dx.shape, x.shape)) {
        throw new ShapeError(`${node.op.name}: vjp of input ${i} must have its shape, got ${shapesOf([dx, x])}`);
      }
      meet(x, dx);
    });
  }
  return xs.map((x) => cotangents.get(x) ?? null);
}

/** The gradient of a scalar node with respect to `xs`; zeros where it does not depend on one. */
export function grad(y: Node, xs: readonly Node[]): Node[] {
  if (y.shape.length !== 0) throw new ShapeError(`grad: the output must be a scalar, got ${shapesOf([y])}`);
  return vjp([y], [filledLike(y, 1)], xs).map((g, i) => g ?? filledLike(xs[i], 0));
}
