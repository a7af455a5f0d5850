/** @file An image read between its pixels: bilinear interpolation, zeros outside, as graph. Positions are values, and gradients reach them: that is how an attack turns an image. */
import type { Node } from "../graph/graph.ts";
import { constant } from "../graph/leaf.ts";
import { ShapeError } from "../tensor/errors.ts";
import { sameShape, showShape } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { add, cast, mul, stopGradient, sub } from "./arith.ts";
import { gather } from "./gather.ts";
import { pad, reshape, transpose } from "./movement.ts";
import { clip, floor } from "./pointwise.ts";

/**
 * Read images [n, channels, height, width] at positions [n, points] in rows and columns (in pixels, the first pixel's centre at 0): [n, channels, points].
 *
 *     b(r, c) = sum_ij  max(0, 1 - |r - i|) max(0, 1 - |c - j|)  x_ij,   x_ij = 0 outside of the image
 *
 * What ONNX calls GridSample (linear, zeros). The function is Lipschitz in the positions, with kinks where one is on a row or column of pixels.
 */
export function bilinear(x: Node, rows: Node, columns: Node): Node {
  const [n, channels, height, width] = x.shape;
  const [, points] = rows.shape;
  if (x.shape.length !== 4 || !sameShape(rows.shape, columns.shape) || !sameShape(rows.shape, [n, points])) {
    const got = [x, rows, columns].map((node) => showShape(node.shape)).join(", ");
    throw new ShapeError(`bilinear: needs images [n, channels, height, width] and positions [n, points], got ${got}`);
  }
  // One row of zeros before and two after: what is further out reads zeros, and the pixel after the last one exists.
  const padded = pad(x, [0, 0, 1, 1], [0, 0, 2, 2]);
  const [tall, wide] = [height + 3, width + 3];
  const pixels = reshape(transpose(padded, [0, 2, 3, 1]), [n * tall * wide, channels]);
  const first = constant(
    tensor(
      Array.from({ length: n }, (_, i) => i * tall * wide),
      [n, 1],
      "int64",
    ),
  );
  const [i, down] = places(rows, height);
  const [j, right] = places(columns, width);
  const at = (row: number, column: number): Node => {
    const place = add(add(first, mul(add(i, row), wide)), add(j, column));
    return reshape(gather(pixels, reshape(place, [n * points])), [n, points, channels]);
  };
  const [down1, right1] = [down, right].map((part) => reshape(part, [n, points, 1]));
  const along = (row: number): Node => {
    const [left, next] = [at(row, 0), at(row, 1)];
    return add(left, mul(sub(next, left), right1));
  };
  const [above, below] = [along(0), along(1)];
  return transpose(add(above, mul(sub(below, above), down1)), [0, 2, 1]);
}

// --- internal ---

/** The pixel before a position, counted with the padding, and how far behind it the position is. */
function places(position: Node, size: number): [Node, Node] {
  const inside = add(clip(position, -1, size), 1);
  const before = stopGradient(floor(inside));
  return [cast(before, "int64"), sub(inside, before)];
}
