/**
 * @file The Cayley map: from free numbers to matrices with orthonormal columns, one to one onto all but a thin set of them. The free
 * numbers enter as a direction and a length, and the length is bent so that it stays below 1000: beyond that rounding would win.
 */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { add, div, maximum, mul, stopGradient, sub } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { inverse } from "../ops/inverse.ts";
import { matmul } from "../ops/matmul.ts";
import { concat, sliceAxis, transpose } from "../ops/movement.ts";
import { sqrt, tanh } from "../ops/pointwise.ts";
import type { Named } from "../tensor/named.ts";
import { normalTensor, type Random } from "../tensor/random.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";

/** Squares of lengths below this count as this: a direction of zeros stays zeros. */
const smallest = 1e-30;

/** Two matrices on top of each other whose columns are orthonormal together: square^T square + rest^T rest = I. */
export interface Columns {
  /** [..., q, q]. */
  readonly square: Node;
  /** [..., p, q]. */
  readonly rest: Node;
}

/**
 * Make orthonormal columns of free X [..., q, q] and Y [..., p, q].
 *
 *     Z = X - X^T + Y^T Y,   square = (I + Z)^-1 (I - Z) = 2 (I + Z)^-1 - I,   rest = -2 Y (I + Z)^-1
 *
 * The symmetric part of I + Z is at least I, so that the inverse always exists and has norm at most 1. One step of refinement follows the
 * inverse; the gradient is that of the inverse.
 * Reference: Wang and Manchester 2023, equation 6; Trockman and Kolter 2021.
 */
export function cayley(X: Node, Y: Node): Columns {
  const q = X.shape[X.shape.length - 1];
  const one = identity(q);
  const Z = add(sub(X, transpose(X)), matmul(transpose(Y), Y));
  const V = refinedInverse(add(Z, one));
  return { square: sub(mul(V, 2), one), rest: mul(matmul(Y, V), -2) };
}

/** A free matrix [p + q, q] and its length, as the Cayley map takes them: X above Y. */
export interface Free {
  readonly direction: Node;
  readonly length: Node;
}

/** Free numbers for q orthonormal columns of height p + q: drawn normally, and as long as they were drawn. */
export function drawFree(
  random: Random,
  p: number,
  q: number,
): { readonly direction: Tensor; readonly length: Tensor } {
  const direction = normalTensor(random, [p + q, q], Math.sqrt(2 / (p + 2 * q)));
  return { direction, length: lengthOf(direction) };
}

/** The free numbers among the variables of a layer. */
export const freeOf = ({ direction, length }: Named<Node>): Free => ({ direction, length });

/** The length of all numbers of a tensor, as a scalar. */
export function lengthOf({ data }: Tensor): Tensor {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += Number(data[i]) ** 2;
  return tensor([Math.sqrt(sum)], []);
}

/** Orthonormal columns from a free matrix: `cayley` of 1000 tanh(length / 1000) direction / |direction|. */
export function cayleyOf({ direction, length }: Free): Columns {
  const scaled = mul(direction, scaleOf(direction, length));
  const [height, q] = direction.shape;
  return cayley(sliceAxis(scaled, 0, 0, q), sliceAxis(scaled, 0, q, height));
}

/** What a direction is times so that it has the length; 0 gives 0. */
export function scaleOf(direction: Node, length: Node): Node {
  const limit = 1000;
  const bent = mul(tanh(mul(length, div(constant(1), limit))), limit);
  return div(bent, sqrt(maximum(sum(mul(direction, direction)), smallest)));
}

/** X^-1, once refined by V (2 I - X V). What the refinement adds is rounding, so that it has no part in the gradient. */
export function refinedInverse(X: Node): Node {
  const V = inverse(X);
  const off = sub(identity(X.shape[X.shape.length - 1]), matmul(X, V));
  return add(V, stopGradient(matmul(V, off)));
}

/** I, of side n. */
export function identity(n: number): Node {
  const data = new Float32Array(n * n);
  for (let i = 0; i < n; i++) data[i * (n + 1)] = 1;
  return constant(tensor(data, [n, n]));
}

/** A matrix [rows, columns] whose shorter side is orthonormal, from a free matrix [max(rows, columns), min(rows, columns)]. */
export function orthonormal(free: Free, rows: number, columns: number): Node {
  const { square, rest } = cayleyOf(free);
  const tall = rest.shape[0] === 0 ? square : concat([square, rest], 0);
  return rows >= columns ? tall : transpose(tall);
}
