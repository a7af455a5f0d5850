/** @file Shapes: sizes, strides, broadcasting. A dimension is always a number; a free batch is bound when a graph is built. */
import { ShapeError } from "./errors.ts";

export type Shape = readonly number[];

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const d of shape) size *= d;
  return size;
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** `[2,3]`, for messages. */
export function showShape(shape: readonly (number | string)[]): string {
  return `[${shape.join(",")}]`;
}

/** Turn an axis that may count from the end into one that counts from the start. */
export function checkAxis(who: string, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= Math.max(rank, 1)) {
    throw new ShapeError(`${who}: axis must be within -${rank}..${rank - 1}, got ${axis}`);
  }
  return positive;
}

/** The NumPy rule: align right, a 1 stretches. */
export function broadcastShapes(who: string, ...shapes: readonly Shape[]): Shape {
  const rank = Math.max(0, ...shapes.map((s) => s.length));
  const out = new Array<number>(rank).fill(1);
  for (const shape of shapes) {
    const offset = rank - shape.length;
    shape.forEach((d, i) => {
      const at = offset + i;
      if (out[at] === 1) out[at] = d;
      else if (d !== 1 && d !== out[at]) {
        throw new ShapeError(`${who}: shapes must broadcast, got ${shapes.map(showShape).join(" and ")}`);
      }
    });
  }
  return out;
}
