/** @file Windows on a periodic grid: what they read outside the image, how large the grid must be for that to be outside it there too, and whether anything is left behind. */

/** Output p of an axis reads the places stride p + offset of an image of `size`; outputs 0 .. out - 1 are meant. */
export interface Axis {
  readonly offsets: readonly number[];
  readonly stride: number;
  readonly size: number;
  readonly out: number;
}

/** Is anything read that is not in the image? */
export const readsOutside = (axis: Axis): boolean => lowest(axis) < 0 || highest(axis) >= axis.size;

/** The least side of a periodic grid on which what is read outside the image is not inside it. */
export const leastSide = (axis: Axis): number =>
  Math.max(axis.size + Math.max(0, -lowest(axis)), highest(axis) + 1, axis.size, axis.stride * axis.out);

/** Does an output beyond those that are meant read the image? */
export function spills({ offsets, stride, size, out }: Axis): boolean {
  const extent = Math.ceil((size + Math.max(...offsets.map(Math.abs))) / stride) + 1;
  for (let p = -extent; p < out + extent; p++) {
    if (p >= 0 && p < out) continue;
    if (offsets.some((o) => stride * p + o >= 0 && stride * p + o < size)) return true;
  }
  return false;
}

// --- internal ---

const lowest = ({ offsets }: Axis): number => Math.min(...offsets);

const highest = ({ offsets, stride, out }: Axis): number => stride * (out - 1) + Math.max(...offsets);
