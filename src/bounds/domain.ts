/** @file Where a bound is to hold: everywhere, in a ball or in a box of inputs. A ball of the inf-norm is a box, but keeps its name in messages. */

import { down, up } from "../linalg/rounding.ts";
import { UsageError } from "../tensor/errors.ts";

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

/** Can one move from a point of the domain in every direction? Not in a ball of radius 0, nor in a box with a side of length 0. */
export function hasInterior(domain: Domain): boolean {
  switch (domain.kind) {
    case "global":
      return true;
    case "ball":
      return domain.radius > 0;
    case "box":
      return Array.from(domain.low).every((low, i) => low < domain.high[i]);
    default:
      return domain satisfies never;
  }
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
