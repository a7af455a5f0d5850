/**
 * @file Attack by geometric transformations: which turns, shifts, scalings of an image change its decision, and how little of one does. What counts is what the network
 * itself decides on the transformed image.
 */
import { checkBatches, likely } from "../bounds/batchRuns.ts";
import { subjectOf } from "../bounds/subject.ts";
import type { Dataset } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import { walkerOf } from "./manifool.ts";
import { hasChanged } from "./refine.ts";
import { targetOf } from "./target.ts";
import { type Hunt, searchBy, type TransformSearch, transformSearchNames, type Values } from "./transformSearch.ts";
import {
  imageShape,
  type Limits,
  type Parameter,
  type TransformName,
  type Transforms,
  transformImage,
  transformsOf,
} from "./transforms.ts";

export interface TransformAttackOptions {
  readonly engine: Engine;
  /** Images, samples [channels, height, width]. */
  readonly data: Dataset;
  /** Applied one after the other; see `transformsOf`. */
  readonly transforms: readonly TransformName[];
  /** Largest absolute values, by the name of a parameter or of a transformation; defaults in `transformsOf`. */
  readonly limits?: Limits;
  /** Default: all three, in this order. */
  readonly searches?: readonly TransformSearch[];
  /** Transformations that grid and random try for each sample; default 64. */
  readonly tries?: number;
  /** Steps of a walk of manifool; default 20. */
  readonly steps?: number;
  /** Walks of manifool: the first from the image itself, others from drawn transformations; default 3. */
  readonly restarts?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

export interface TransformedSample {
  readonly index: number;
  /** What the sample is called where it comes from. */
  readonly id?: string;
  readonly label: number;
  /** The decision on the image as it is, in float32; -1 where an output is not a number. */
  readonly predicted: number;
  /** The decision on the transformed image; null where none within the limits was found that changes it. */
  readonly becomes: number | null;
  /** Of the transformation with the smallest score that was found. */
  readonly parameters: readonly number[] | null;
  /**
   * How far the image moves on the way: the length in l2 of t -> x(t parameters), t from 0 to 1, over the length of x, from below by chords. Of a single parameter
   * that is the geodesic distance.
   */
  readonly score: number | null;
  readonly search: TransformSearch | null;
  /** Does float64 decide otherwise there too? */
  readonly confirmed: boolean;
}

/** What attacks by transformations found, as plain data but for `examples`. */
export interface TransformAttacked {
  readonly transforms: readonly TransformName[];
  /** With the limits that hold. */
  readonly parameters: readonly Parameter[];
  readonly protocol: {
    readonly searches: readonly TransformSearch[];
    readonly tries: number;
    readonly steps: number;
    readonly restarts: number;
    readonly seed: number;
  };
  /** Without any transformation. */
  readonly accuracy: number;
  /** The part of the samples that are right and that no transformation found within the limits changes. */
  readonly robust: number;
  /** The same for each search by itself, and the median of its scores over the samples that it changed. */
  readonly searches: readonly {
    readonly name: TransformSearch;
    readonly robust: number;
    readonly medianScore: number | null;
  }[];
  /** The mean over the samples that were changed: the paper's invariance score; null where none was. */
  readonly meanScore: number | null;
  readonly samples: readonly TransformedSample[];
  /** The transformed images, [count, ...shape]; an image as it is where nothing was found. */
  readonly examples: Float32Array;
}

/**
 * Search for every image the least transformation of some family that changes its decision.
 *
 * - grid: points in equal distances within the limits; random: points drawn uniformly. Of those that change the decision the nearest to 0, in parts of the limits.
 * - manifool: from the image, steps in the tangent space of its transformations onto the nearest linearised boundary (`tangentStep`), each image read anew from
 *   the one as it was, so that interpolations do not add up.
 *
 * Every find goes back towards the image, along its own line of parameters, as far as the decision stays changed. What is not found proves nothing.
 * Throws UsageError for samples that are no images, BatchError where a sample's output depends on the batch around it.
 * Reference: Kanbak, Moosavi-Dezfooli and Frossard 2018, algorithm 1; here with the tangent space and score of any product of parameters.
 */
export async function attackTransforms(network: Network, options: TransformAttackOptions): Promise<TransformAttacked> {
  const { data, searches = transformSearchNames, tries = 64, steps = 20, restarts = 3, seed = 1 } = options;
  const engine = needEngine("attackTransforms", options.engine);
  for (const [what, value] of Object.entries({ tries, steps, restarts })) {
    if (!(Number.isInteger(value) && value >= 1))
      throw new UsageError(`attackTransforms: ${what} must be a whole number >= 1, got ${value}`);
  }
  const strange = searches.find((name) => !transformSearchNames.includes(name));
  if (searches.length === 0 || strange !== undefined)
    throw new UsageError(
      `attackTransforms: unknown search "${strange ?? ""}"; known: ${transformSearchNames.join(", ")}`,
    );
  const transforms = transformsOf(options.transforms, options.limits);
  const shape = imageShape("attackTransforms", data.shape);
  const target = targetOf(network, engine, data);
  await checkBatches(subjectOf(network), engine, data.x, likely);
  const walker = await walkerOf(target, shape, transforms, Math.min(9, target.classes - 1));
  try {
    const own = await target.decide(data.x);
    const { signal } = options;
    const hunt: Hunt = { target, walker, transforms, shape, data, own, tries, steps, restarts, signal };
    const right = Array.from(own, (decision, i) => decision === data.labels[i]);
    const all = nothing(data.count);
    const each = [];
    for (const [k, name] of searches.entries()) {
      const own = random(seed).fork(`${name} ${options.transforms.join()}`);
      const part = (fraction: number) => options.onProgress?.((k + fraction) / searches.length);
      const values = await searchBy(hunt, name, own, part);
      const found = await nearer(hunt, values);
      each.push({
        name,
        robust: partOf(right, (i) => found.values[i] === null),
        medianScore: median(found.scores.filter((_, i) => found.values[i] !== null)),
      });
      found.scores.forEach((score, i) => {
        if (!(score < all.scores[i])) return;
        all.scores[i] = score;
        all.values[i] = found.values[i];
        all.becomes[i] = found.becomes[i];
        all.search[i] = name;
      });
    }
    const examples = Float32Array.from(data.x);
    all.values.forEach((values, i) => {
      if (values) examples.set(imageAt(hunt, i, values), i * target.size);
    });
    const exact = await target.decide(data.x, "float64");
    const there = await target.decide(examples, "float64");
    const changed = all.scores.filter(Number.isFinite);
    return {
      transforms: transforms.names,
      parameters: transforms.parameters,
      protocol: { searches, tries, steps, restarts, seed },
      accuracy: partOf(right, () => true),
      robust: partOf(right, (i) => all.values[i] === null),
      searches: each,
      meanScore: changed.length > 0 ? changed.reduce((a, b) => a + b, 0) / changed.length : null,
      samples: Array.from(own, (predicted, index) => ({
        index,
        ...(data.ids && { id: data.ids[index] }),
        label: data.labels[index],
        predicted,
        becomes: all.values[index] ? all.becomes[index] : null,
        parameters: all.values[index],
        score: Number.isFinite(all.scores[index]) ? all.scores[index] : null,
        search: all.search[index],
        confirmed: all.values[index] !== null && hasChanged(there[index], exact[index]),
      })),
      examples,
    };
  } finally {
    await walker.dispose();
    await target.dispose();
  }
}

/** The length of t -> x(t values), t from 0 to 1, over the length of x, by 32 chords: not above the exact one. */
export function transformScore(
  x: ArrayLike<number>,
  shape: readonly [number, number, number],
  transforms: Transforms,
  values: readonly number[],
): number {
  const pieces = 32;
  let before: Float64Array = Float64Array.from(x);
  let total = 0;
  const size = Math.hypot(...before);
  for (let k = 1; k <= pieces; k++) {
    const next = transformImage(
      x,
      shape,
      transforms,
      values.map((v) => (v * k) / pieces),
    );
    total += Math.sqrt(next.reduce((sum, v, i) => sum + (v - before[i]) ** 2, 0));
    before = next;
  }
  return size > 0 ? total / size : 0;
}

// --- internal ---

interface Found {
  readonly scores: number[];
  readonly values: Values;
  readonly becomes: number[];
  readonly search: (TransformSearch | null)[];
}

const nothing = (count: number): Found => ({
  scores: new Array(count).fill(Number.POSITIVE_INFINITY),
  values: new Array(count).fill(null),
  becomes: new Array(count).fill(-1),
  search: new Array(count).fill(null),
});

/** Halvings of the way back to the image. */
const bisections = 12;

/** Confirm finds on the images of float64, and go back along their own lines. */
async function nearer(hunt: Hunt, values: Values): Promise<Found> {
  const { target, transforms, data, own, shape } = hunt;
  const found = nothing(data.count);
  const at = values.flatMap((v, i) => (v ? [i] : []));
  const tryAll = async (parts: readonly number[]) => {
    const images = new Float32Array(at.length * target.size);
    at.forEach((i, k) => {
      images.set(imageAt(hunt, i, scaled(values[i] as readonly number[], parts[k])), k * target.size);
    });
    return target.decide(images);
  };
  if (at.length === 0) return found;
  const best = at.map(() => Number.NaN);
  const becomes = at.map(() => -1);
  const keep = (decisions: Int32Array, parts: readonly number[]) =>
    at.map((i, k) => {
      if (!hasChanged(decisions[k], own[i])) return false;
      best[k] = parts[k];
      becomes[k] = decisions[k];
      return true;
    });
  const whole = at.map(() => 1);
  keep(await tryAll(whole), whole);
  const low = at.map(() => 0);
  const high = at.map(() => 1);
  for (let round = 0; round < bisections; round++) {
    const middle = low.map((v, k) => (v + high[k]) / 2);
    const changed = keep(await tryAll(middle), middle);
    changed.forEach((is, k) => {
      if (is) high[k] = middle[k];
      else low[k] = middle[k];
    });
  }
  at.forEach((i, k) => {
    if (Number.isNaN(best[k])) return;
    const own = scaled(values[i] as readonly number[], best[k]);
    found.values[i] = own;
    found.becomes[i] = becomes[k];
    found.scores[i] = transformScore(data.x.subarray(i * target.size, (i + 1) * target.size), shape, transforms, own);
  });
  return found;
}

const scaled = (values: readonly number[], part: number): number[] => values.map((v) => v * part);

const imageAt = ({ data, target: { size }, shape, transforms }: Hunt, i: number, values: readonly number[]) =>
  Float32Array.from(transformImage(data.x.subarray(i * size, (i + 1) * size), shape, transforms, values));

const partOf = (right: readonly boolean[], holds: (i: number) => boolean): number =>
  right.filter((is, i) => is && holds(i)).length / right.length;

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? null;
}
