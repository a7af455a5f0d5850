/** @file Pairs of points along a direction: what a derivative promises, where two points can show it. */
import { boxAround, type Domain, extentOf, inside } from "../domain.ts";
import { lengthOf } from "../length.ts";

export interface Points {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/**
 * Pairs at x along v for lengths t (of the largest coordinate of x, and no longer than the domain reaches), longest first: from x on, from x back, and
 * around x. On a domain they are moved inside, and there is one more: begun t of the way to the middle and so short that a cube around it
 * holds it, for corners, out of which both ways lead.
 */
export function pairsAlong(domain: Domain, x: Float64Array, v: Float64Array, lengths: readonly number[]): Points[] {
  const top = lengthOf(v, "inf");
  if (!(top > 0)) return [];
  const extent = Math.min(extentOf(domain), Math.max(1, lengthOf(x, "inf")));
  const at = (from: Float64Array, t: number) =>
    inside(
      domain,
      from.map((c, i) => c + (t * v[i]) / top),
    );
  const inner = innerOf(domain, x);
  return lengths.flatMap((t) => [
    { x, y: at(x, t * extent) },
    { x, y: at(x, -t * extent) },
    { x: at(x, (-t / 2) * extent), y: at(x, (t / 2) * extent) },
    ...(inner ? [{ x: inner.at(t), y: at(inner.at(t), (t / 2) * inner.room) }] : []),
  ]);
}

// --- internal ---

/** A domain holds the cube of this half side around its middle, and so at every point on the way there a smaller one. */
function innerOf(domain: Domain, x: Float64Array) {
  if (domain.kind === "global") return null;
  const { low, high } = boxAround(domain, x.length);
  const sides = low.map((l, k) => high[k] - l);
  const room = sides.reduce((least, s) => Math.min(least, s), Number.POSITIVE_INFINITY) / 2 / Math.sqrt(x.length);
  const point = (t: number) =>
    inside(
      domain,
      x.map((c, k) => c + t * (low[k] + sides[k] / 2 - c)),
    );
  return { room, at: point };
}
