/** @file The inverse of square matrices. ONNX has no operator for it; ONNX Runtime does, in its own domain. */
import { apply, type Node, type Op } from "../graph/graph.ts";
import { ShapeError } from "../tensor/errors.ts";
import { showShape, sizeOf } from "../tensor/shape.ts";
import { isFloat } from "../tensor/tensor.ts";
import { neg } from "./arith.ts";
import { steep, unbounded } from "./facts.ts";
import { matmul } from "./matmul.ts";
import { transpose } from "./movement.ts";
import { reciprocalSlopes } from "./slopes.ts";

/** X^-1 for X [..., n, n]. A singular matrix gives infinities or NaN, not an error; ONNX Runtime's cut-offs are its own. */
export const inverse = (x: Node): Node => apply(inverseOp, [x], null);

const inverseOp: Op<null> = {
  name: "Inverse",
  infer([x]) {
    const [rows, columns] = x.shape.slice(-2);
    if (x.shape.length < 2 || rows !== columns || !isFloat(x.dtype)) {
      throw new ShapeError(`inverse: needs square matrices of floats, got ${x.dtype}${showShape(x.shape)}`);
    }
    return { dtype: x.dtype, shape: x.shape };
  },
  // d(X^-1) = -X^-1 dX X^-1.
  vjp(y, dy) {
    const turned = transpose(y);
    return [neg(matmul(matmul(turned, dy), turned))];
  },
  behaviour(y) {
    const why = "the slope of an inverse grows without bound near a singular matrix";
    return y.shape[y.shape.length - 1] === 1 ? steep(why, reciprocalSlopes) : unbounded(why);
  },
  evaluate(y, [x]) {
    const n = y.shape[y.shape.length - 1];
    const out = new Float64Array(x.length);
    for (let k = 0; k < sizeOf(y.shape.slice(0, -2)); k++) {
      out.set(gaussJordan(x.slice(k * n * n, (k + 1) * n * n), n), k * n * n);
    }
    return out;
  },
  onnx: (_, build) => build.node("Inverse", [build.input(0)], {}, "com.microsoft"),
};

// --- internal ---

/** Reduce [A | I] to [I | A^-1], the largest remaining element of each column as pivot. Overwrites `a`. */
function gaussJordan(a: Float64Array, n: number): Float64Array {
  const b = new Float64Array(n * n);
  for (let i = 0; i < n; i++) b[i * n + i] = 1;
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let i = column + 1; i < n; i++) {
      if (Math.abs(a[i * n + column]) > Math.abs(a[pivot * n + column])) pivot = i;
    }
    const scale = a[pivot * n + column];
    for (const m of [a, b]) {
      for (let j = 0; j < n; j++) {
        const moved = m[pivot * n + j];
        m[pivot * n + j] = m[column * n + j];
        m[column * n + j] = moved / scale;
      }
    }
    for (let i = 0; i < n; i++) {
      const factor = a[i * n + column];
      if (i === column || factor === 0) continue;
      for (const m of [a, b]) for (let j = 0; j < n; j++) m[i * n + j] -= factor * m[column * n + j];
    }
  }
  return b;
}
