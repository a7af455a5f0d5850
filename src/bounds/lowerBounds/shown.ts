/** @file The lower bound that two points show: the one place where a pair becomes a number that is called witnessed. */
import { down, sqrtUp, sumDown, sumUp, up } from "../../linalg/rounding.ts";
import type { Norm } from "../bound.ts";
import { type Domain, holds, type Range } from "../domain.ts";
import type { Rise } from "./enclosure.ts";

/**
 * ||f(y) - f(x)|| / ||y - x|| from below: the length of the shortest difference in the enclosure rounded down, over that of y - x rounded up.
 * 0 where a point is outside the domain or the two are one.
 */
export async function shownQuotient(
  rise: Rise,
  x: Float64Array,
  y: Float64Array,
  norm: Norm,
  domain: Domain,
): Promise<number> {
  if (!finite(x) || !finite(y) || !holds(domain, x) || !holds(domain, y)) return 0;
  const run = runUp(x, y, norm);
  if (!(run > 0 && run < Number.POSITIVE_INFINITY)) return 0;
  const value = down(riseDown(await rise(x, y), norm) / run);
  return value > 0 && value < Number.POSITIVE_INFINITY ? value : 0;
}

/** A lower bound of the length of every vector in a range. */
export function riseDown({ low, high }: Range, norm: Norm): number {
  const least = low.map((l, k) => Math.max(0, l, -high[k]));
  if (norm === "inf") return least.reduce((top, v) => Math.max(top, v), 0);
  if (norm === 1)
    return sumDown(
      least.reduce((sum, v) => sum + v, 0),
      least.length,
    );
  // By the largest, so that no square overflows.
  const top = least.reduce((t, v) => Math.max(t, v), 0);
  if (!(top > 0 && top < Number.POSITIVE_INFINITY)) return 0;
  const squares = least.reduce((sum, v) => {
    const part = Math.max(0, down(v / top));
    return sum + Math.max(0, down(part * part));
  }, 0);
  return Math.max(0, down(top * Math.max(0, down(Math.sqrt(sumDown(squares, least.length))))));
}

/** An upper bound of ||y - x||. */
export function runUp(x: Float64Array, y: Float64Array, norm: Norm): number {
  const most = x.map((c, k) => (c === y[k] ? 0 : up(Math.abs(y[k] - c))));
  if (norm === "inf") return most.reduce((top, v) => Math.max(top, v), 0);
  if (norm === 1)
    return sumUp(
      most.reduce((sum, v) => sum + v, 0),
      most.length,
    );
  const top = most.reduce((t, v) => Math.max(t, v), 0);
  if (!(top > 0 && top < Number.POSITIVE_INFINITY)) return top;
  const squares = most.reduce((sum, v) => {
    const part = v === 0 ? 0 : up(v / top);
    return part === 0 ? sum : sum + up(part * part);
  }, 0);
  return up(top * sqrtUp(sumUp(squares, most.length)));
}

// --- internal ---

const finite = (x: Float64Array): boolean => x.every((v) => Number.isFinite(v));
