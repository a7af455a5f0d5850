/** @file How fast a margin f_y - f_j can shrink: one proved constant per pair of classes, from the last affine map and the constant of what is before it. */

import { type Region, regionOf } from "../graph/behaviour.ts";
import type { Node } from "../graph/graph.ts";
import { sqrtUp, sumUp, up } from "../linalg/rounding.ts";
import { sizeOf } from "../tensor/shape.ts";
import type { Propagation } from "./autoLip.ts";
import type { Norm, UpperBound } from "./bound.ts";
import { dualNorm } from "./length.ts";
import { linearMap } from "./norm/affine.ts";
import { addUp, timesUp, writingError } from "./norm/region.ts";
import { workOf } from "./work.ts";

export interface Margins {
  /** K with |(f_y - f_j)(x) - (f_y - f_j)(x')| <= K ||x - x'||_p. */
  pair(y: number, j: number): number;
  /** A constant of all outputs as one vector. */
  readonly constant: number;
  readonly method: string;
}

/**
 * Bound the constants of all differences of outputs. If the network ends in an affine map f = sum_s A_s s + b of nodes s with
 * constants L_s (all from `propagation`), with a_y the rows of A and q dual to p,
 *
 *     K_yj = sum_s L_s ||a_y,s - a_j,s||_q,  and in any case  K_yj <= ||e_y - e_j||_q L
 *
 * where ||e_y - e_j||_q is sqrt(2) for l2, 2 for l-inf and 1 for l1. `other` is a proved bound of L from elsewhere.
 * Reference: Tsuzuku, Sato and Sugiyama 2018, propositions 1 and 2, here for three norms and any affine end.
 */
export function marginsOf(propagation: Propagation, norm: Norm, other?: UpperBound): Margins {
  const { flow, constantOf } = propagation;
  const own = constantOf(flow.output);
  const elsewhere = other?.proved && other.value < own ? other : null;
  const constant = elsewhere ? elsewhere.value : own;
  const vector = timesUp(norm === 2 ? up(Math.SQRT2) : norm === "inf" ? 2 : 1, constant);
  const parts = lastMap(propagation, norm);
  const known = new Map<string, number>();
  const pair = (y: number, j: number): number => {
    if (y === j) return 0;
    if (y > j) return pair(j, y);
    const key = `${y} ${j}`;
    let K = known.get(key);
    if (K === undefined) {
      K = Math.min(vector, parts ? parts.reduce((sum, part) => addUp(sum, part(y, j)), 0) : Number.POSITIVE_INFINITY);
      known.set(key, K);
    }
    return K;
  };
  return { pair, constant, method: elsewhere?.method ?? "autolip" };
}

// --- internal ---

/** Most numbers in the rows of the last map, and most work to find them. */
const largest = { entries: 2e7, work: 1e9 };

/** The share of every source in K_yj; null where the network does not end in an affine map, or in one that is too large. */
function lastMap(propagation: Propagation, norm: Norm): ((y: number, j: number) => number)[] | null {
  const { flow } = propagation;
  const region = regionOf(flow.output, flow);
  if (flow.varying.length === 0) return [];
  if (region.nodes.length === 0) return null;
  const inside = new Set<Node>([...region.nodes, ...region.sources]);
  const work = region.nodes.reduce((sum, node) => sum + workOf(node, inside), 0);
  const outputs = sizeOf(region.output.shape);
  const entries = region.sources.reduce((n, s) => n + outputs * sizeOf(s.shape), 0);
  if (entries > largest.entries || outputs * work > largest.work) return null;
  const parts = region.sources.map((source) => shareOf(propagation, region, source, norm));
  return parts.every((part) => part !== null) ? parts : null;
}

function shareOf(propagation: Propagation, region: Region, source: Node, norm: Norm) {
  const { norms, constantOf } = propagation;
  const map = linearMap(region, source);
  if (!map) return null;
  const before = constantOf(source);
  const rows = Array.from({ length: map.rows }, (_, c) => {
    const e = new Float64Array(map.rows);
    e[c] = 1;
    return map.adjoint(e);
  });
  // The error of a row is A^T e for the matrix E of errors, and e_y - e_j is two unit vectors.
  const error = up(2 * writingError(norms, region, source, norm));
  return (y: number, j: number) => timesUp(before, addUp(distanceUp(rows[y], rows[j], dualNorm(norm)), error));
}

/** An upper bound of ||a - b||. */
function distanceUp(a: Float64Array, b: Float64Array, norm: Norm): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i] - b[i]);
    if (norm === "inf") total = Math.max(total, d);
    else total += norm === 1 ? d : d * d;
  }
  // Two more terms stand for the rounding of the differences and of their squares.
  if (norm === "inf") return total === 0 ? 0 : up(total);
  const bound = sumUp(total, a.length + 4);
  return norm === 1 ? bound : sqrtUp(bound);
}
