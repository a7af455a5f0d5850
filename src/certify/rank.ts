/**
 * @file Samples in the order of their distance to the decision boundary: each distance between a certified radius and a witnessed change of decision, and each rank
 * between what those prove of it.
 */
import { attack } from "../attack/attack.ts";
import { moved } from "../attack/ball.ts";
import { type AttackName, type AttackSpec, deepfool, shrink } from "../attack/protocol.ts";
import type { Dataset } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { sumUp, up } from "../linalg/rounding.ts";
import { decidingNetwork } from "../models/decision.ts";
import { InternalError, UsageError } from "../tensor/errors.ts";
import { type Certification, type CertifiedSample, type CertifyOptions, certify, logitsOf } from "./evaluate.ts";

export interface RankOptions extends Pick<CertifyOptions, "local" | "seconds" | "limit"> {
  readonly engine: Engine;
  /** Labels are not looked at: of samples without any, those of `labelledBy`. */
  readonly data: Dataset;
  /** 2 (default) or "inf"; also as the word "2". */
  readonly norm?: 2 | "inf" | "2";
  /** What searches the change of decision; default deepfool and shrink, outside of the range of the data too, as radii hold there. */
  readonly attacks?: readonly (AttackName | AttackSpec)[];
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

export interface RankedSample {
  readonly index: number;
  /** What the sample is called where it comes from. */
  readonly id?: string;
  readonly predicted: number;
  /** The distance to the nearest point that is decided otherwise is at least this (proved, by what `by` says) and at most that (witnessed; null where nothing was found). */
  readonly lower: number;
  readonly upper: number | null;
  readonly by: CertifiedSample["by"];
  /** The decision at the point that was found. */
  readonly becomes: number | null;
  /** Place in the order of `upper`, then of `lower`, from 1: the first is nearest to the boundary. */
  readonly place: number;
  /** The place in the order of the true distances lies between these, proved: samples that are as far share places. */
  readonly rank: readonly [first: number, last: number];
}

export interface Ranked {
  readonly norm: "2" | "inf";
  readonly constant: Certification["constant"];
  /** What every logit may err by in float64: at a witness the margin is below 0 by more than twice that. */
  readonly allowance: number;
  /** The part of all pairs of samples whose order is proved. */
  readonly proved: number;
  /** In the order of `place`. */
  readonly samples: readonly RankedSample[];
  /** The points that were found, [count, size], in the order of the data; a sample as it is where nothing was. */
  readonly points: Float32Array;
}

/**
 * Bracket the distance of every sample to the decision boundary, and rank by it.
 *
 *     certified radius <= distance <= ||x' - x||,   x' a point at which the float64 margin is below 0 by more than its rounding
 *     1 + #{j: upper_j < lower_i}  <=  rank of i  <=  n - #{j: lower_j > upper_i}
 *
 * Throws UsageError and BatchError as `certify` and `attack` do, and InternalError where a change of decision lies inside of a certified radius.
 * Reference: Ducoffe and Precioso 2018, who rank by the DeepFool distance alone; the lower side: Tsuzuku, Sato and Sugiyama 2018, propositions 1 and 2.
 */
export async function rankByDistance(network: Network, options: RankOptions): Promise<Ranked> {
  const { data, attacks = [deepfool(), shrink()], seed = 1, signal, local, seconds, limit, onProgress } = options;
  const engine = needEngine("rankByDistance", options.engine);
  const norm = String(options.norm ?? 2) === "inf" ? ("inf" as const) : (2 as const);
  if (options.norm !== undefined && !["2", "inf"].includes(String(options.norm)))
    throw new UsageError(`rankByDistance: norm must be 2 or inf, got ${options.norm}`);
  const certified = await certify(network, {
    ...{ engine, data, norm, local, seconds, limit, signal },
    onProgress: (part) => onProgress?.(0.7 * part),
  });
  const predicted = certified.samples.map((s) => s.predicted);
  const own = { ...data, labels: Int32Array.from(predicted) };
  const attacked = await attack(network, {
    ...{ engine, data: own, norm, attacks, seed, signal, clip: "none" },
    onProgress: (part) => onProgress?.(0.7 + 0.25 * part),
  });
  const points = attacked.examples;
  const uppers = await witnessed(network, engine, own, points, norm, certified.allowance, signal);
  const lowers = certified.samples.map((s) => s.radius);
  const crossed = lowers.findIndex((lower, i) => uppers[i] !== null && lower > (uppers[i] as number));
  if (crossed >= 0) {
    throw new InternalError(
      `rankByDistance: sample ${crossed} is certified to ${lowers[crossed]} and changes at ${uppers[crossed]}; a proved bound is wrong, please report it`,
    );
  }
  const ranks = provedRanks(
    lowers,
    uppers.map((u) => u ?? Number.POSITIVE_INFINITY),
  );
  const order = Array.from(lowers.keys()).sort(
    (a, b) =>
      (uppers[a] ?? Number.POSITIVE_INFINITY) - (uppers[b] ?? Number.POSITIVE_INFINITY) || lowers[a] - lowers[b],
  );
  onProgress?.(1);
  return {
    norm: norm === 2 ? "2" : "inf",
    constant: certified.constant,
    allowance: certified.allowance,
    proved: ranks.proved,
    samples: order.map((i, k) => {
      const { index, id, by } = certified.samples[i];
      return {
        index,
        ...(id !== undefined && { id }),
        predicted: predicted[i],
        lower: lowers[i],
        upper: uppers[i],
        by,
        becomes: uppers[i] === null ? null : attacked.samples[i].becomes,
        place: k + 1,
        rank: ranks.ranks[i],
      };
    }),
    points,
  };
}

/** Ranks of distances between lower and upper ones, from 1, and the part of pairs whose order those prove. */
export function provedRanks(
  lowers: readonly number[],
  uppers: readonly number[],
): { readonly ranks: readonly (readonly [first: number, last: number])[]; readonly proved: number } {
  const n = lowers.length;
  const [low, high] = [lowers, uppers].map((values) => [...values].sort((a, b) => a - b));
  /** How many of sorted numbers are below v. */
  const below = (sorted: readonly number[], v: number, orEqual: boolean): number => {
    let [from, to] = [0, n];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (sorted[middle] < v || (orEqual && sorted[middle] === v)) from = middle + 1;
      else to = middle;
    }
    return from;
  };
  let pairs = 0;
  const ranks = lowers.map((lower, i) => {
    const nearer = below(high, lower, false);
    const further = n - below(low, uppers[i], true);
    pairs += nearer + further;
    return [1 + nearer, n - further] as const;
  });
  return { ranks, proved: n > 1 ? pairs / (n * (n - 1)) : 1 };
}

// --- internal ---

/** How much further than the point itself float64 may look for a change beyond its own rounding. */
const further = [0, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2];

/** Lengths, rounded up, of changes that are none of rounding; the points are moved to where those are. */
async function witnessed(
  network: Network,
  engine: Engine,
  data: Dataset,
  points: Float32Array,
  norm: 2 | "inf",
  allowance: number,
  signal?: AbortSignal,
): Promise<(number | null)[]> {
  const size = data.x.length / data.count;
  const decides = decidingNetwork(network, data.shape);
  const found: (number | null)[] = new Array(data.count).fill(null);
  const own = (values: Float32Array, i: number) => values.subarray(i * size, (i + 1) * size);
  // The error of logits is a + b ||x||_inf with a, b >= 0: further out it grows by no more than the length.
  const most = largest(data.x);
  const errorAt = (x: Float32Array) => (allowance * Math.max(1, up(largest(x) / most))) / (1 - 2 ** -30);
  let open = Array.from(found.keys()).filter((i) => own(points, i).some((v, j) => v !== own(data.x, i)[j]));
  for (const extra of further) {
    if (open.length === 0) break;
    const x = new Float32Array(open.length * size);
    open.forEach((i, k) => {
      const [from, to] = [own(data.x, i), own(points, i)];
      const way = Float64Array.from(to, (v, j) => v - from[j]);
      x.set(extra === 0 ? to : moved(from, way, 1 + extra, null), k * size);
    });
    const { ids: _, ...rest } = data;
    const there = { ...rest, x, count: open.length, labels: new Int32Array(open.length) };
    const { data: logits, classes } = await logitsOf(decides, engine, there, { dtype: "float64", signal });
    open = open.filter((i, k) => {
      const row = logits.subarray(k * classes, (k + 1) * classes);
      const best = row.reduce((most, v, j) => (j === data.labels[i] ? most : Math.max(most, v)), -Infinity);
      const point = x.subarray(k * size, (k + 1) * size);
      if (!(best - row[data.labels[i]] > up(2 * errorAt(point)))) return true;
      found[i] = lengthUp(own(data.x, i), point, norm);
      own(points, i).set(point);
      return false;
    });
  }
  for (const i of open) own(points, i).set(own(data.x, i));
  return found;
}

const largest = (x: Float32Array): number => x.reduce((top, v) => Math.max(top, Math.abs(v)), 0);

/** ||a - b||, not below the exact one. */
function lengthUp(a: Float32Array, b: Float32Array, norm: 2 | "inf"): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) {
    const d = Math.abs(a[i] - b[i]);
    total = norm === 2 ? total + d * d : Math.max(total, d);
  }
  // Two more terms stand for the rounding of differences and of squares.
  return norm === 2 ? up(Math.sqrt(sumUp(total, a.length + 4))) : up(total);
}
