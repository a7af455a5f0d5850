/** @file Where a bound is to hold: everywhere, in a ball or in a box of inputs. A ball of the inf-norm is a box, but keeps its name in messages. */

import { down, sqrtUp, up } from "../linalg/rounding.ts";
import { UsageError } from "../tensor/errors.ts";
import type { Random } from "../tensor/random.ts";

/** Numbers of a layer between two others, one pair each; either may be infinite. */
export interface Range {
  readonly low: Float64Array;
  readonly high: Float64Array;
}

export type Domain =
  | { readonly kind: "global" }
  | {
      readonly kind: "ball";
      readonly center: ArrayLike<number>;
      readonly radius: number;
      readonly norm: 2 | "inf";
    }
  | { readonly kind: "box"; readonly low: ArrayLike<number>; readonly high: ArrayLike<number> };

/** Throw UsageError where a domain does not fit an input of `size` numbers, is empty or is not finite. */
export function checkDomain(domain: Domain, size: number): void {
  switch (domain.kind) {
    case "global":
      return;
    case "ball": {
      checkPoint("ball: the center", domain.center, size);
      const { radius } = domain;
      if (!(radius >= 0 && radius < Number.POSITIVE_INFINITY)) {
        throw new UsageError(`ball: the radius must be finite and not negative, got ${radius}`);
      }
      return;
    }
    case "box":
      checkPoint("box: the low corner", domain.low, size);
      checkPoint("box: the high corner", domain.high, size);
      for (let i = 0; i < size; i++) {
        if (domain.low[i] > domain.high[i]) {
          const got = `${domain.low[i]} and ${domain.high[i]} at position ${i}`;
          throw new UsageError(`box: low must not exceed high, got ${got}`);
        }
      }
      return;
    default:
      domain satisfies never;
  }
}

/** Is a point in the domain, whatever rounding did to its distance from the center? */
export function holds(domain: Domain, x: Float64Array): boolean {
  switch (domain.kind) {
    case "global":
      return true;
    case "ball": {
      const { center, radius, norm } = domain;
      const gaps = x.map((v, k) => (v === center[k] ? 0 : up(Math.abs(v - center[k]))));
      if (norm === "inf") return gaps.every((g) => g <= radius);
      const square = gaps.reduce((sum, g) => (g === 0 ? sum : up(sum + up(g * g))), 0);
      return sqrtUp(square) <= radius;
    }
    case "box":
      return x.every((v, k) => v >= domain.low[k] && v <= domain.high[k]);
    default:
      return domain satisfies never;
  }
}

/** The point itself, or where it is outside the nearest inside (in an l2 ball a hair further in): `holds` says whether rounding spoiled it. */
export function inside(domain: Domain, x: Float64Array): Float64Array {
  switch (domain.kind) {
    case "global":
      return x;
    case "box":
      return x.map((v, k) => Math.min(domain.high[k], Math.max(domain.low[k], v)));
    case "ball": {
      const { center, radius, norm } = domain;
      if (radius === 0) return Float64Array.from(center);
      const near = radius * (1 - 2 ** -40);
      const gaps = x.map((v, k) => v - center[k]);
      if (norm === "inf") return gaps.map((g, k) => center[k] + Math.min(near, Math.max(-near, g)));
      const length = Math.hypot(...gaps);
      return length <= near ? x : gaps.map((g, k) => center[k] + (g / length) * near);
    }
    default:
      return domain satisfies never;
  }
}

/** How far a point of the domain may move at most in one coordinate: half the longest side; Infinity for everything. */
export function extentOf(domain: Domain): number {
  switch (domain.kind) {
    case "global":
      return Number.POSITIVE_INFINITY;
    case "ball":
      return domain.radius;
    case "box":
      return Array.from(domain.low).reduce((top, low, k) => Math.max(top, (domain.high[k] - low) / 2), 0);
    default:
      return domain satisfies never;
  }
}

/** A random point of a ball or box: a third of them in corners or on the sphere, where slopes that grow are steepest. */
export function pointIn(domain: Exclude<Domain, { readonly kind: "global" }>, source: Random): Float64Array {
  const far = source.uniform() < 1 / 3;
  const along = () => (far ? Math.sign(source.uniform() - 0.5) : 2 * source.uniform() - 1);
  if (domain.kind === "box") {
    const middle = (k: number) => domain.low[k] / 2 + domain.high[k] / 2;
    const point = Float64Array.from(domain.low, (l, k) => middle(k) + along() * (domain.high[k] / 2 - l / 2));
    return inside(domain, point);
  }
  const { center, radius, norm } = domain;
  if (norm === "inf")
    return inside(
      domain,
      Float64Array.from(center, (c) => c + radius * along()),
    );
  const way = Float64Array.from(center, () => source.normal());
  const length = Math.hypot(...way);
  const part = far ? 1 : source.uniform() ** (1 / Math.min(8, way.length));
  return inside(
    domain,
    way.map((v, k) => center[k] + (radius * part * v) / length),
  );
}

/** "global", "ball l2 0.1" or "box", for records. */
export function printDomain(domain: Domain): string {
  return domain.kind === "ball" ? `ball l${domain.norm} ${domain.radius}` : domain.kind;
}

/** The smallest box around a domain, rounded outward. */
export function boxAround(domain: Domain, size: number): Range {
  switch (domain.kind) {
    case "global":
      return {
        low: new Float64Array(size).fill(Number.NEGATIVE_INFINITY),
        high: new Float64Array(size).fill(Number.POSITIVE_INFINITY),
      };
    case "ball": {
      const { radius } = domain;
      const center = Float64Array.from(domain.center);
      if (radius === 0) return { low: center, high: center };
      return { low: center.map((c) => down(c - radius)), high: center.map((c) => up(c + radius)) };
    }
    case "box":
      return { low: Float64Array.from(domain.low), high: Float64Array.from(domain.high) };
    default:
      return domain satisfies never;
  }
}

// --- internal ---

function checkPoint(who: string, point: ArrayLike<number>, size: number): void {
  if (point.length !== size) throw new UsageError(`${who} must have ${size} numbers, got ${point.length}`);
  for (let i = 0; i < size; i++) {
    if (!Number.isFinite(point[i])) throw new UsageError(`${who} must be finite, got ${point[i]} at position ${i}`);
  }
}
