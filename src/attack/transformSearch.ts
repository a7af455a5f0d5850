/** @file The searches of an attack by transformations: points of a grid, points drawn, and walks in the tangent space. Each says where decisions seem to change. */
import type { Dataset } from "../data/dataset.ts";
import type { Random } from "../tensor/random.ts";
import { tangentStep, type Walker } from "./manifool.ts";
import { hasChanged } from "./refine.ts";
import type { Target } from "./target.ts";
import type { Transforms } from "./transforms.ts";

export const transformSearchNames = ["grid", "random", "manifool"] as const;

export type TransformSearch = (typeof transformSearchNames)[number];

/** What a search works with. */
export interface Hunt {
  readonly target: Target;
  readonly walker: Walker;
  readonly transforms: Transforms;
  readonly shape: readonly [number, number, number];
  readonly data: Dataset;
  readonly own: Int32Array;
  readonly tries: number;
  readonly steps: number;
  readonly restarts: number;
  readonly signal?: AbortSignal;
}

/** Values of each sample at which a decision may have changed; null where none was seen. */
export type Values = (readonly number[] | null)[];

/** Carry one search out. */
export function searchBy(
  hunt: Hunt,
  name: TransformSearch,
  source: Random,
  part: (fraction: number) => void,
): Promise<Values> {
  switch (name) {
    case "grid":
      return sweep(hunt, gridOf(hunt), part);
    case "random": {
      const draws = Array.from({ length: hunt.tries }, () => drawn(hunt.transforms, source));
      return sweep(hunt, draws, part);
    }
    case "manifool":
      return walk(hunt, source, part);
    default:
      return name satisfies never;
  }
}

// --- internal ---

/** As many points as there may be, but at least two along every parameter (256 for projective maps), equally far apart, without 0. */
function gridOf({ transforms: { parameters }, tries }: Hunt): readonly (readonly number[])[] {
  const side = Math.max(2, Math.floor(tries ** (1 / parameters.length) + 1e-9));
  return Array.from({ length: side ** parameters.length }, (_, at) =>
    parameters.map(({ limit }, k) => limit * ((2 * (Math.trunc(at / side ** k) % side)) / (side - 1) - 1)),
  ).filter((values) => values.some((v) => v !== 0));
}

const drawn = ({ parameters }: Transforms, source: Random): number[] =>
  parameters.map(({ limit }) => limit * (2 * source.uniform() - 1));

/** How far out values are, in parts of their limits. */
const reach = ({ parameters }: Transforms, values: readonly number[]): number =>
  Math.hypot(...values.map((v, k) => v / parameters[k].limit));

/** Every image at every point, the nearest first. */
async function sweep(
  hunt: Hunt,
  points: readonly (readonly number[])[],
  part: (fraction: number) => void,
): Promise<Values> {
  const { target, walker, transforms, data, own, signal } = hunt;
  const { rows, classes } = target;
  const found: Values = new Array(data.count).fill(null);
  const sorted = [...points].sort((a, b) => reach(transforms, a) - reach(transforms, b));
  for (let first = 0; first < data.count; first += rows) {
    const images = imagesFrom(hunt, first);
    for (const values of sorted) {
      signal?.throwIfAborted();
      const fed = Float32Array.from({ length: rows * values.length }, (_, i) => values[i % values.length]);
      const scores = await walker.scores(images, fed);
      for (let r = 0; r < rows && first + r < data.count; r++) {
        const i = first + r;
        if (found[i] !== null || own[i] < 0) continue;
        if (hasChanged(largest(scores.subarray(r * classes, (r + 1) * classes)), own[i])) found[i] = values;
      }
    }
    part(Math.min(1, (first + rows) / data.count));
  }
  return found;
}

/** Longest step, as a part of the image's own length. */
const longest = 0.15;
/** A step goes so many times as far as the linearised boundary is. */
const overshoot = 1.05;

async function walk(hunt: Hunt, source: Random, part: (fraction: number) => void): Promise<Values> {
  const { target, walker, transforms, data, own, steps, restarts, signal } = hunt;
  const { rows, size, classes } = target;
  const { parameters } = transforms;
  const p = parameters.length;
  const found: Values = new Array(data.count).fill(null);
  const order = await target.outputs(data.x, "float32");
  for (let first = 0; first < data.count; first += rows) {
    const images = imagesFrom(hunt, first);
    const index = (r: number) => Math.min(first + r, data.count - 1);
    const lengths = Array.from({ length: rows }, (_, r) => Math.hypot(...images.subarray(r * size, (r + 1) * size)));
    const decisions = Int32Array.from({ length: rows }, (_, r) => Math.max(0, own[index(r)]));
    const ranked = Array.from({ length: rows }, (_, r) =>
      Array.from(order.subarray(index(r) * classes, (index(r) + 1) * classes), (v, k) => [v, k] as const)
        .filter(([, k]) => k !== decisions[r])
        .sort((a, b) => b[0] - a[0])
        .map(([, k]) => k),
    );
    const rivals = Array.from({ length: Math.min(9, classes - 1) }, (_, k) => Int32Array.from(ranked, (row) => row[k]));
    for (let restart = 0; restart < restarts; restart++) {
      const values = new Float32Array(rows * p);
      if (restart > 0) for (let r = 0; r < rows; r++) values.set(drawn(transforms, source), r * p);
      const done = new Uint8Array(rows);
      for (let step = 0; step <= steps && done.some((d) => d === 0); step++) {
        signal?.throwIfAborted();
        const view = await walker.look(images, values, decisions, rivals);
        for (let r = 0; r < rows; r++) {
          if (done[r]) continue;
          const scores = view.scores.subarray(r * classes, (r + 1) * classes);
          const at = Array.from(values.subarray(r * p, (r + 1) * p));
          if (hasChanged(largest(scores), decisions[r])) {
            done[r] = 1;
            const i = first + r;
            if (i >= data.count || own[i] < 0) continue;
            const have = found[i];
            if (have === null || reach(transforms, at) < reach(transforms, have)) found[i] = at;
            continue;
          }
          const gram = Array.from(view.gram.subarray(r * p * p, (r + 1) * p * p));
          const next = stepOf(hunt, at, gram, lengths[r], rivals.length, (k) => ({
            gap: scores[decisions[r]] - scores[rivals[k][r]],
            gradient: Array.from(view.gradients[k].subarray(r * p, (r + 1) * p)),
          }));
          if (next === null) done[r] = 1;
          else values.set(next, r * p);
        }
      }
      part(Math.min(1, (first + (rows * (restart + 1)) / restarts) / data.count));
    }
  }
  return found;
}

/** The values after the shortest of the steps to rivals, within the limits; null where there is no way on. */
function stepOf(
  { transforms: { parameters } }: Hunt,
  at: readonly number[],
  gram: readonly number[],
  length: number,
  rivals: number,
  rival: (k: number) => { readonly gap: number; readonly gradient: readonly number[] },
): number[] | null {
  let best: ReturnType<typeof tangentStep> = null;
  for (let k = 0; k < rivals; k++) {
    const { gap, gradient } = rival(k);
    // What stands at its limit and would leave it stands still.
    const free = at.map((v, i) => !(Math.abs(v) >= parameters[i].limit && v * gradient[i] > 0));
    const step = tangentStep(Math.max(gap, 1e-6), gradient, gram, free);
    if (step && (best === null || step.length < best.length)) best = step;
  }
  if (best === null) return null;
  const { step, length: far } = best;
  const shorter = Math.min(overshoot, (longest * length) / Math.max(far, 1e-30));
  const next = at.map((v, i) => {
    const { limit } = parameters[i];
    const most = limit / 3;
    const move = Math.min(most, Math.max(-most, shorter * step[i]));
    return Math.min(limit, Math.max(-limit, v + move));
  });
  return next.some((v, i) => v !== at[i]) ? next : null;
}

/** A batch of images from a sample on; what is left of the last one repeats the last image. */
function imagesFrom({ data, target: { rows, size } }: Hunt, first: number): Float32Array {
  const images = new Float32Array(rows * size);
  for (let r = 0; r < rows; r++) {
    const i = Math.min(first + r, data.count - 1);
    images.set(data.x.subarray(i * size, (i + 1) * size), r * size);
  }
  return images;
}

/** The first of the largest; -1 where one is not a number. */
function largest(row: Float32Array): number {
  let best = 0;
  for (let j = 0; j < row.length; j++) {
    if (Number.isNaN(row[j])) return -1;
    if (row[j] > row[best]) best = j;
  }
  return best;
}
