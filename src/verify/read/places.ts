/** @file Places in tensors, by axes and in a row, and what is made by moving numbers from place to place. */
import { largestTensor, selection } from "../algebra/sparse.ts";
import { type Arguments, check, isVarying, type Made } from "./arguments.ts";
import type { Constant } from "./constant.ts";
import { count, linear, type Varying } from "./step.ts";

/** How far apart two numbers are in a row that are neighbours along an axis. */
export const stridesOf = (shape: readonly number[]): readonly number[] =>
  shape.map((_, axis) => shape.slice(axis + 1).reduce((n, d) => n * d, 1));

/** The place of number k. */
export function placeOf(k: number, shape: readonly number[]): readonly number[] {
  const place = new Array<number>(shape.length);
  let rest = k;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    place[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return place;
}

/** Every number of the result is one of x, a constant or what varies: that at the place that `from` says. */
export function moved(
  a: Arguments,
  x: Varying | Constant,
  shape: readonly number[],
  from: (place: readonly number[]) => readonly number[],
): Made {
  const numbers = numbersMoved(a, x.shape, shape, from);
  if (isVarying(x)) return linear(a.out, shape, x.tensor, selection(numbers, count(x.shape)));
  return { ...x, shape, data: Float64Array.from(numbers, (k) => x.data[k]) };
}

/** Which number each number of the result is. */
export function numbersMoved(
  a: Arguments,
  of: readonly number[],
  shape: readonly number[],
  from: (place: readonly number[]) => readonly number[],
): Int32Array {
  const size = shape.reduce((n, d) => n * d, 1);
  check(a, size >= 1 && size <= largestTensor, `[${shape}]: it must hold something, and not be that large`);
  const strides = stridesOf(of);
  return Int32Array.from({ length: size }, (_, k) =>
    from(placeOf(k, shape)).reduce((at, p, axis) => at + p * strides[axis], 0),
  );
}

/** The shape that two broadcast to: axes of length 1 are repeated, counted from the last. */
export function broadcastShape(a: Arguments, x: readonly number[], y: readonly number[]): readonly number[] {
  const rank = Math.max(x.length, y.length);
  const [p, q] = [x, y].map((s) => [...new Array<number>(rank - s.length).fill(1), ...s]);
  check(
    a,
    p.every((d, i) => d === q[i] || d === 1 || q[i] === 1),
    `[${x}] and [${y}] must fit`,
  );
  return p.map((d, i) => (d === 1 ? q[i] : d));
}

/** Which number of a tensor each number of what it is broadcast to is. */
export function broadcastNumbers(a: Arguments, of: readonly number[], to: readonly number[]): Int32Array {
  check(a, broadcastShape(a, of, to).join() === to.join(), `[${of}] must fit [${to}]`);
  const missing = to.length - of.length;
  return numbersMoved(a, of, to, (place) => place.slice(missing).map((p, axis) => (of[axis] === 1 ? 0 : p)));
}
