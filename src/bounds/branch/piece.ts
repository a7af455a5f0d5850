/**
 * @file A piece of the domain in a branch and bound: a box of inputs and a side of 0 for some neurons, with what holds for the slopes there.
 * A side is a restriction of the inputs as well as of the slopes, so that the pieces together still cover the domain.
 */
import { gamma, up } from "../../linalg/rounding.ts";
import type { Norm } from "../bound.ts";
import type { Chain } from "../chain.ts";
import { boxAround, type Domain, type Range } from "../domain.ts";
import { type IntervalMatrix, intervalJacobians, intervalNorm } from "../local/interval.ts";
import { both, ranges, slopesOn } from "../local/ranges.ts";
import { type Clock, recurJacobians } from "../local/recurJac.ts";

/** Which side of 0 the pre-activation of a neuron is on: 1 and -1 include 0, at 0 it is not said. */
export type Sides = readonly Int8Array[];

export interface Piece {
  readonly box: Range;
  readonly sides: Sides;
  /** No Jacobian on this piece has a larger norm. */
  readonly bound: number;
  /** Of the pre-activations. */
  readonly found: readonly Range[];
  readonly slopes: readonly Range[];
  readonly jacobians: readonly IntervalMatrix[];
}

/** What does not change from piece to piece. */
export interface Problem {
  readonly chain: Chain;
  readonly domain: Domain;
  readonly norm: Norm;
  /** Ranges on the whole domain. */
  readonly whole: readonly Range[];
  /** By layer and neuron: is the slope one number on each side of 0? */
  readonly kinkedAtZero: readonly (readonly boolean[])[];
  /** A further bound for given slopes, or Infinity. */
  extra?(slopes: readonly Range[]): number;
  /** When it has expired, pieces are bounded quickly. */
  readonly clock: Clock;
}

/** Prepare a chain and a domain. */
export function problemOf(chain: Chain, domain: Domain, norm: Norm, clock: Clock, extra?: Problem["extra"]): Problem {
  const whole = ranges(chain, domain) as readonly Range[];
  const single = ([a, b]: readonly [number, number]) => a === b;
  const kinkedAtZero = chain.activations.map((layer) =>
    Array.from(layer.low, (_, j) => {
      return (
        single(layer.slopeOn(j, Number.NEGATIVE_INFINITY, 0)) && single(layer.slopeOn(j, 0, Number.POSITIVE_INFINITY))
      );
    }),
  );
  return { chain, domain, norm, whole, kinkedAtZero, extra, clock };
}

/** The piece that is everything. */
export function wholePiece(problem: Problem): Piece {
  const { chain, domain } = problem;
  const box = boxAround(domain, chain.affine[0].weight.cols);
  const sides = chain.activations.map((layer) => new Int8Array(layer.low.length));
  return pieceOf(problem, box, sides, Number.POSITIVE_INFINITY) as Piece;
}

/** Bound the Jacobian on a part of a piece; null where the part is empty, by the ranges of its neurons. */
export function pieceOf(problem: Problem, box: Range, sides: Sides, before: number): Piece | null {
  const { chain, domain, norm, whole, extra, clock } = problem;
  clock.spend(pieceWork(chain));
  const here: Domain = domain.kind === "global" ? domain : { kind: "box", ...box };
  const found = ranges(chain, here, {
    narrow(layer, range) {
      const { low, high } = both(range, whole[layer]);
      for (let j = 0; j < low.length; j++) {
        const side = sides[layer][j];
        if (side > 0) low[j] = Math.max(low[j], 0);
        if (side < 0) high[j] = Math.min(high[j], 0);
        if (low[j] > high[j]) return null;
      }
      return { low, high };
    },
  });
  if (!found) return null;
  const slopes = slopesOn(chain, found);
  let jacobians = intervalJacobians(chain, slopes);
  let bound = Math.min(before, intervalNorm(jacobians[0], norm));
  if (chain.affine.length > 2 && !clock.expired) {
    jacobians = recurJacobians(chain, slopes, clock);
    bound = Math.min(bound, intervalNorm(jacobians[0], norm));
  }
  if (extra) bound = Math.min(bound, extra(slopes));
  return { box, sides, bound, found, slopes, jacobians };
}

/** Multiply-adds of a piece without RecurJac, roughly: ranges, interval Jacobians, the sides as half-spaces. */
function pieceWork({ affine }: Chain): number {
  const outputs = affine[affine.length - 1].weight.rows;
  const inputs = affine[0].weight.cols;
  return 1e4 + affine.reduce((sum, { weight }) => sum + weight.rows * weight.cols * (6 * outputs + 4 * inputs), 0);
}

/** Is the box of a piece outside the ball that is the domain? */
export function outsideBall(domain: Domain, { low, high }: Range): boolean {
  if (domain.kind !== "ball" || domain.norm !== 2) return false;
  let square = 0;
  for (let k = 0; k < low.length; k++) {
    const gap = Math.max(0, low[k] - domain.center[k], domain.center[k] - high[k]);
    square += gap * gap;
  }
  return square * (1 - 2 * gamma(3 * low.length + 4)) > up(domain.radius * domain.radius);
}
