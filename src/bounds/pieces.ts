/** @file The pieces of a range on which a function of one number is looked at for its lines. */

/** Pieces of a range. */
export const pieces = 4;

/** Where piece k of [l, u] begins, k = `pieces` for u; a kink at 0 is one of these points. */
export function cut(l: number, u: number, k: number): number {
  if (k === 0) return l;
  if (k === pieces) return u;
  if (l < 0 && u > 0) return k === 1 ? l / 2 : k === 2 ? 0 : u / 2;
  return Math.min(u, Math.max(l, l + ((u - l) * k) / pieces));
}
