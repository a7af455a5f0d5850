/** @file Matrix product, batched over leading axes. With one side fixed it is linear; of two varying sides it has no constant. */
import { isSum } from "../graph/accumulate.ts";
import { apply, type Node, type OnnxBuilder, type Op, shapesOf } from "../graph/graph.ts";
import { ShapeError } from "../tensor/errors.ts";
import { broadcastShapes, sameShape, sizeOf } from "../tensor/shape.ts";
import { add, mul } from "./arith.ts";
import { broadcastTo, isBroadcast } from "./broadcast.ts";
import { otherLinear, product } from "./facts.ts";
import { isTranspose, reshape, transpose } from "./movement.ts";

const matmulOp: Op<null> = {
  name: "MatMul",
  infer([a, b]) {
    const rank = a.shape.length;
    const fits =
      rank >= 2 &&
      rank === b.shape.length &&
      a.shape[rank - 1] === b.shape[rank - 2] &&
      sameShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
    if (!fits) throw new ShapeError(`matmul: inner axes must match, got ${shapesOf([a, b])}`);
    if (a.dtype !== b.dtype) throw new ShapeError(`matmul: dtypes must match, got ${a.dtype} and ${b.dtype}`);
    return { dtype: a.dtype, shape: [...a.shape.slice(0, -1), b.shape[rank - 1]] };
  },
  vjp(y, dy) {
    const [a, b] = y.inputs;
    return [apply(matmulOp, [dy, transpose(b)], null), apply(matmulOp, [transpose(a), dy], null)];
  },
  behaviour(y, [a, b]) {
    if (a && b) return product("matrices");
    const held = y.inputs[a ? 1 : 0];
    const weight = repeatsMatrix(held) ? held.inputs[0] : held;
    if (weight.shape.length !== 2) return otherLinear;
    return { kind: "linear", of: { form: "matrix", weight, side: a ? "right" : "left" } };
  },
  evaluate(y, [a, b]) {
    const [rows, cols] = y.shape.slice(-2);
    const inner = y.inputs[0].shape[y.inputs[0].shape.length - 1];
    const out = new Float64Array(sizeOf(y.shape));
    for (let n = 0; n < sizeOf(y.shape.slice(0, -2)); n++) {
      for (let i = 0; i < rows; i++) {
        for (let k = 0; k < inner; k++) {
          const v = a[(n * rows + i) * inner + k];
          for (let j = 0; j < cols; j++) out[(n * rows + i) * cols + j] += v * b[(n * inner + k) * cols + j];
        }
      }
    }
    return out;
  },
  onnx(y, build) {
    const [a, b] = y.inputs;
    // Before opset 11 Gemm had to add something too.
    if (build.opset >= 11 && y.shape.length === 2 && (isTranspose(a) || isTranspose(b))) return gemmForm(y, build);
    // The reader repeats matrices over leading axes by itself, never a row or a column.
    const bare = [a, b].map(repeatsMatrix);
    if (bare[0] && bare[1]) bare[0] = false;
    return build.node(
      "MatMul",
      [a, b].map((x, i) => (bare[i] ? build.value(x.inputs[0]) : build.input(i))),
    );
  },
};

/** A transposed matrix is an attribute of Gemm, so that no transposed copy is made; what is to be added Gemm starts from. */
function gemmForm(y: Node, build: OnnxBuilder, ...start: readonly string[]): string {
  const side = (x: Node) => build.value(isTranspose(x) ? x.inputs[0] : x);
  const [a, b] = y.inputs;
  const turned = { transA: isTranspose(a) ? 1 : 0, transB: isTranspose(b) ? 1 : 0 };
  return build.node("Gemm", [side(a), side(b), ...start], turned);
}

/** Is the node a product over samples, as a weight's gradient is? One that is only added to something need not be written by itself. */
export const isSampleProduct = (y: Node): boolean =>
  y.op === (matmulOp as Op) && y.shape.length === 2 && isTranspose(y.inputs[0]);

/**
 * p + factor g for a parameter and its gradient. Every product over samples that g is the sum of starts from p, and is scaled on its smaller side, so that no value
 * of the size of the parameter is made on the way.
 */
export function addScaled(p: Node, g: Node, factor: Node): Node {
  if (isSum(g) && g.inputs.some(isSampleProduct)) {
    const [a, b] = g.inputs;
    return addScaled(addScaled(p, a, factor), b, factor);
  }
  if (!isSampleProduct(g)) return add(p, mul(g, factor));
  const [a, b] = g.inputs;
  return add(p, sizeOf(b.shape) < sizeOf(g.shape) ? matmul(a, mul(b, factor)) : mul(g, factor));
}

/** The node `y`, a sum of `product` and a value, written as one Gemm. */
export function writeAccumulated(product: Node, value: string, build: OnnxBuilder): string {
  return gemmForm(product, build, value);
}

/** Is a node the same matrix over and over, along leading axes alone? */
function repeatsMatrix(x: Node): boolean {
  if (!isBroadcast(x)) return false;
  const { shape } = x.inputs[0];
  return shape.length >= 2 && sameShape(shape.slice(-2), x.shape.slice(-2));
}

/** a @ b: [..., m, k] x [..., k, n] -> [..., m, n]. Leading axes broadcast; a vector is a row on the left, a column on the right. */
export function matmul(a: Node, b: Node): Node {
  if (a.shape.length === 0 || b.shape.length === 0)
    throw new ShapeError(`matmul: needs vectors or matrices, got ${shapesOf([a, b])}`);
  if (a.shape.length === 1 && b.shape.length === 1) {
    return reshape(matmul(reshape(a, [1, a.shape[0]]), reshape(b, [b.shape[0], 1])), []);
  }
  if (a.shape.length === 1) {
    const y = matmul(reshape(a, [1, a.shape[0]]), b);
    return reshape(y, [...y.shape.slice(0, -2), y.shape[y.shape.length - 1]]);
  }
  if (b.shape.length === 1) {
    const y = matmul(a, reshape(b, [b.shape[0], 1]));
    return reshape(y, y.shape.slice(0, -1));
  }
  if (b.shape.length === 2 && a.shape.length > 2) {
    // One matrix for the whole batch: a single product of [batch * rows, k].
    const flat = apply(matmulOp, [reshape(a, [-1, a.shape[a.shape.length - 1]]), b], null);
    return reshape(flat, [...a.shape.slice(0, -1), b.shape[1]]);
  }
  const lead = broadcastShapes("matmul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  return apply(
    matmulOp,
    [broadcastTo(a, [...lead, ...a.shape.slice(-2)]), broadcastTo(b, [...lead, ...b.shape.slice(-2)])],
    null,
  );
}

/** alpha * A' @ B' + beta * C, as ONNX's Gemm; a prime is an optional transpose. */
export function gemm(
  a: Node,
  b: Node,
  c?: Node,
  options: {
    readonly alpha?: number;
    readonly beta?: number;
    readonly transA?: boolean;
    readonly transB?: boolean;
  } = {},
): Node {
  const { alpha = 1, beta = 1, transA = false, transB = false } = options;
  const product = mul(matmul(transA ? transpose(a) : a, transB ? transpose(b) : b), alpha);
  return c ? add(product, mul(c, beta)) : product;
}
