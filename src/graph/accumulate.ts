/** @file Addition of two nodes of equal type: the one op that calculus itself needs, because cotangents meet by adding. */
import { ShapeError } from "../tensor/errors.ts";
import { sameShape } from "../tensor/shape.ts";
import { apply, type Node, type Op, shapesOf } from "./graph.ts";

const addOp: Op<null> = {
  name: "Add",
  computes: "sum",
  order: "adds",
  infer([a, b]) {
    if (!sameShape(a.shape, b.shape) || a.dtype !== b.dtype) {
      throw new ShapeError(`add: types must match, got ${a.dtype}${shapesOf([a])} and ${b.dtype}${shapesOf([b])}`);
    }
    return { dtype: a.dtype, shape: a.shape };
  },
  vjp: (_, dy) => [dy, dy],
  behaviour(_, [a, b]) {
    // x + constant moves every point by the same vector; two varying branches are one linear map of the pair.
    if (!(a && b)) return { kind: "isometry" };
    const sqrt2 = Math.SQRT2; // as a float64 just above the real number
    return { kind: "linear", of: { form: "bounded", norm: { 1: 1, 2: sqrt2, inf: 2 } } };
  },
  evaluate: (_, [a, b]) => a.map((v, i) => v + b[i]),
  onnx: (_, build) => build.node("Add", build.operands()),
};

/** a + b for nodes of one type. */
export const accumulate = (a: Node, b: Node): Node => apply(addOp, [a, b], null);

/** Is the node a sum of two? */
export const isSum = (node: Node): boolean => node.op === (addOp as Op);
