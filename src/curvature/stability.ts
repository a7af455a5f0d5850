/** @file How much a gradient turns when its sample moves a little: the reason why an explanation or an attack step at one point holds at the next. */
import { lengthOf } from "../bounds/length.ts";
import { subjectOf } from "../bounds/subject.ts";
import type { Network } from "../graph/network.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Random, random } from "../tensor/random.ts";
import { gradientFloor } from "./measure.ts";
import { type Batch, decisive, openPoints, type PointOptions, type Points } from "./points.ts";
import { type Summary, summarise } from "./summary.ts";

export interface StabilityOptions extends PointOptions {
  /** Lengths of the perturbations in l2, in the units of the data. */
  readonly radii: readonly number[];
  /** Random perturbations of each sample; default 4. */
  readonly draws?: number;
  /** Steps of the search for the worst one, from the worst random one; default 10, 0 for none. */
  readonly steps?: number;
}

export interface RadiusStability {
  readonly radius: number;
  /** ||g(x + e) - g(x)|| / (||g(x)|| + 1e-6), mean over the draws of e, uniform on the sphere of this radius. */
  readonly random: Summary;
  /** The same for the e found by search: an estimate of the worst from below. */
  readonly adversarial: Summary;
}

/**
 * Measure the relative change of the gradient of a sample's scalar under perturbations of given lengths.
 *
 * The search climbs ||g(x + e) - g(x)||^2 / 2, whose gradient is H(x + e) (g(x + e) - g(x)), and puts e back on the sphere after every
 * step; for a quadratic function that is the power method on H^2. To first order both numbers are at most ||e|| C(x).
 *
 * Reference: Srinivas, Matoba, Lakkaraju and Fleuret 2022, section 5 (random perturbations).
 */
export async function gradientStability(network: Network, options: StabilityOptions): Promise<RadiusStability[]> {
  const { radii, draws = 4, steps = 10, seed = 0 } = options;
  for (const r of radii) {
    if (!(Number.isFinite(r) && r > 0)) throw new UsageError(`gradientStability: radii must be above 0, got ${r}`);
  }
  if (!(Number.isInteger(draws) && draws >= 1)) {
    throw new UsageError(`gradientStability: draws must be a whole number >= 1, got ${draws}`);
  }
  const points = await openPoints(subjectOf(decisive(network, options)), options);
  const source = random(seed).fork("stability");
  const found = radii.map(() => ({ random: [] as number[], adversarial: [] as number[] }));
  try {
    for await (const batch of points.batches()) {
      const base = await points.programs.gradient(batch.x, batch.u);
      for (const [k, radius] of radii.entries()) {
        const { mean, worst } = await searched(points, batch, { base, radius, draws, steps }, source);
        found[k].random.push(...mean);
        found[k].adversarial.push(...worst);
      }
    }
  } finally {
    await points.dispose();
  }
  return radii.map((radius, k) => ({
    radius,
    random: summarise(found[k].random),
    adversarial: summarise(found[k].adversarial),
  }));
}

// --- internal ---

interface Search {
  readonly base: Float64Array;
  readonly radius: number;
  readonly draws: number;
  readonly steps: number;
}

async function searched(
  { programs }: Points,
  { first, count, x, u }: Batch,
  { base, radius, draws, steps }: Search,
  source: Random,
): Promise<{ readonly mean: number[]; readonly worst: number[] }> {
  const { samples, size } = programs.layout;
  const part = (values: Float64Array, s: number) => values.subarray(s * size, (s + 1) * size);
  const moved = (e: Float64Array) => x.map((c, i) => c + e[i]);
  /** The change of the gradient, and its relative length per sample. */
  const change = async (e: Float64Array) => {
    const difference = (await programs.gradient(moved(e), u)).map((g, i) => g - base[i]);
    const relative = Array.from(
      { length: samples },
      (_, s) => lengthOf(part(difference, s), 2) / (lengthOf(part(base, s), 2) + gradientFloor),
    );
    return { difference, relative };
  };
  const mean = new Array<number>(samples).fill(0);
  const worst = new Array<number>(samples).fill(-1);
  let e = new Float64Array(samples * size);
  for (let draw = 0; draw < draws; draw++) {
    const drawn = new Float64Array(samples * size);
    for (let s = 0; s < samples; s++) {
      const stream = source.fork(first + s).fork(draw);
      const own = part(drawn, s);
      for (let i = 0; i < size; i++) own[i] = stream.normal();
      toLength(own, radius);
    }
    const { relative } = await change(drawn);
    relative.forEach((value, s) => {
      mean[s] += value / draws;
      if (value > worst[s]) {
        worst[s] = value;
        part(e, s).set(part(drawn, s));
      }
    });
  }
  let { difference } = await change(e);
  for (let step = 0; step < steps; step++) {
    const climbing = await programs.product(moved(e), u, difference);
    const next = e.slice();
    for (let s = 0; s < samples; s++) {
      // Where nothing bends there is nowhere to climb: the perturbation stays.
      if (lengthOf(part(climbing, s), 2) > 0) part(next, s).set(part(climbing, s));
      toLength(part(next, s), radius);
    }
    e = next;
    const there = await change(e);
    difference = there.difference;
    there.relative.forEach((value, s) => {
      worst[s] = Math.max(worst[s], value);
    });
  }
  return { mean: mean.slice(0, count), worst: worst.slice(0, count) };
}

function toLength(v: Float64Array, length: number): void {
  const own = lengthOf(v, 2);
  for (let i = 0; i < v.length; i++) v[i] = own > 0 ? (v[i] * length) / own : 0;
}
