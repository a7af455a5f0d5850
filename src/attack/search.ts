/** @file Carry one attack out on all samples, and keep for each the smallest perturbation that the network itself confirms. */
import type { Random } from "../tensor/random.ts";
import { type AttackNorm, distance, moved, pointInBall, type Range } from "./ball.ts";
import { boundarySearch } from "./deepfool.ts";
import { type Findings, nothingFound } from "./findings.ts";
import { type AscentOptions, ascender } from "./pgd.ts";
import {
  type Ascent,
  type AttackName,
  type AttackSpec,
  type Deepfool,
  type Shrink,
  shrinkPatience,
} from "./protocol.ts";
import { goBack, hasChanged } from "./refine.ts";
import type { RelaxedStarts } from "./relaxed.ts";
import type { Target } from "./target.ts";

export interface Search {
  readonly target: Target;
  readonly norm: AttackNorm;
  readonly range: Range | null;
  readonly radii: readonly number[];
  /** The samples, [count, size], what the network says to them, and what it decides. */
  readonly center: Float32Array;
  readonly outputs: Float64Array;
  readonly own: Int32Array;
  /** Where the linear walk's bounds are lowest; asked for only by attacks that start there. */
  relaxed(): Promise<RelaxedStarts>;
  /** Of all attacks together. */
  readonly best: Findings;
  readonly signal?: AbortSignal;
  onProgress?(fraction: number): void;
}

/** What one attack finds; `search.best` is kept up to date as well. */
export async function runAttack(search: Search, spec: AttackSpec, source: Random): Promise<Findings> {
  const found = nothingFound(search.center, search.own.length);
  if (!search.target.varies) return found;
  if (spec.name === "deepfool") await nearest(search, spec, found);
  else if (spec.name === "shrink") await shorter(search, spec, source, found);
  else await ascend(search, spec, source, found);
  return found;
}

// --- internal ---

/** Radius by radius, from the smallest: a sample that has changed in a ball has changed in the larger ones. */
async function ascend(search: Search, spec: Ascent, source: Random, found: Findings): Promise<void> {
  const { target, norm, range, radii, center, signal } = search;
  const climber = await ascender(target, { ...spec, norm, range });
  try {
    for (const [k, radius] of radii.entries()) {
      if (radius === 0) continue;
      for (let restart = 0; restart < spec.restarts; restart++) {
        const random = source.fork(`${radius} ${restart}`);
        const open = samplesWhere(search, (i) => found.distance[i] > radius);
        const samples = rowsAt(center, open, target.size);
        const ends = await climber.run(
          {
            center: samples,
            start: await startsOf(search, spec, open, samples, { norm, radius }, restart, random),
            own: decisionsAt(search, open),
            radius: new Float64Array(open.length).fill(radius),
          },
          random,
          signal,
        );
        await offer(search, spec.name, open, ends, found);
        search.onProgress?.((k + (restart + 1) / spec.restarts) / radii.length);
      }
    }
  } finally {
    await climber.dispose();
  }
}

async function nearest(search: Search, spec: Deepfool, found: Findings): Promise<void> {
  const { target, norm, range, center, outputs, signal } = search;
  const walker = await boundarySearch(target, spec, norm, range);
  try {
    const all = samplesWhere(search, () => true);
    const rows = {
      center: rowsAt(center, all, target.size),
      own: decisionsAt(search, all),
      outputs: Float64Array.from(
        all.flatMap((i) => [...outputs.subarray(i * target.classes, (i + 1) * target.classes)]),
      ),
    };
    await offer(search, spec.name, all, await walker.run(rows, signal, search.onProgress), found);
  } finally {
    await walker.dispose();
  }
}

async function shorter(search: Search, spec: Shrink, source: Random, found: Findings): Promise<void> {
  const { target, norm, range, center, best, signal } = search;
  const { size } = target;
  const options: AscentOptions = {
    norm,
    range,
    loss: "margin",
    steps: spec.steps,
    step: 0.5 * spec.by,
    patience: shrinkPatience,
    momentum: 0,
  };
  const climber = await ascender(target, options);
  const by = new Float64Array(search.own.length).fill(spec.by);
  try {
    for (let round = 0; round < spec.rounds; round++) {
      const open = samplesWhere(search, (i) => Number.isFinite(best.distance[i]) && best.distance[i] > 0);
      if (open.length === 0) return;
      const before = open.map((i) => best.distance[i]);
      const start = rowsAt(best.points, open, size);
      open.forEach((i, k) => {
        const x = center.subarray(i * size, (i + 1) * size);
        const v = Float64Array.from(x, (value, j) => start[k * size + j] - value);
        start.set(moved(x, v, 1 - by[i], range), k * size);
      });
      const ends = await climber.run(
        {
          center: rowsAt(center, open, size),
          start,
          own: decisionsAt(search, open),
          radius: Float64Array.from(open, (i) => (1 - by[i]) * best.distance[i]),
        },
        source.fork(round),
        signal,
      );
      await offer(search, spec.name, open, ends, found);
      open.forEach((i, k) => {
        if (!(best.distance[i] < before[k])) by[i] /= 2;
      });
      search.onProgress?.((round + 1) / spec.rounds);
    }
  } finally {
    await climber.dispose();
  }
}

/** Keep those points at which the network decides otherwise, as near to their samples as bisection brings them. */
async function offer(
  search: Search,
  name: AttackName,
  samples: readonly number[],
  points: Float32Array,
  found: Findings,
): Promise<void> {
  const { target, norm, center, own, best } = search;
  const { size } = target;
  const decisions = await target.decide(points);
  const hits = samples.flatMap((i, k) => (hasChanged(decisions[k], own[i]) ? [k] : []));
  if (hits.length === 0) return;
  const at = hits.map((k) => samples[k]);
  const back = await goBack(target, rowsAt(center, at, size), rowsAt(points, hits, size), decisionsAt(search, at));
  const become = await target.decide(back);
  at.forEach((i, k) => {
    // Not the same batch, perhaps not the same rounding: what is not confirmed does not count.
    if (!hasChanged(become[k], own[i])) return;
    const point = back.subarray(k * size, (k + 1) * size);
    const length = distance(center.subarray(i * size, (i + 1) * size), point, norm);
    for (const kept of [found, best]) {
      if (!(length < kept.distance[i])) continue;
      kept.distance[i] = length;
      kept.points.set(point, i * size);
      kept.becomes[i] = become[k];
      kept.attack[i] = name;
    }
  });
}

/** Samples with a decision to change, of those that fit. */
function samplesWhere({ own }: Search, fits: (i: number) => boolean): number[] {
  return Array.from(own, (_, i) => i).filter((i) => own[i] >= 0 && fits(i));
}

function rowsAt(values: Float32Array, indices: readonly number[], size: number): Float32Array {
  const rows = new Float32Array(indices.length * size);
  indices.forEach((i, k) => {
    rows.set(values.subarray(i * size, (i + 1) * size), k * size);
  });
  return rows;
}

const decisionsAt = ({ own }: Search, indices: readonly number[]): Int32Array =>
  Int32Array.from(indices, (i) => own[i]);

async function startsOf(
  search: Search,
  spec: Ascent,
  open: readonly number[],
  samples: Float32Array,
  ball: { readonly norm: AttackNorm; readonly radius: number },
  restart: number,
  random: Random,
): Promise<Float32Array> {
  const { target, outputs, own, range } = search;
  const { size, classes } = target;
  if (spec.start === "sample" || open.length === 0) return samples;
  if (spec.start === "random") return jumbled(samples, size, random, ball, range);
  const rows = open.map((i, k) => {
    const scores = outputs.subarray(i * classes, (i + 1) * classes);
    const others = Array.from(scores.keys()).filter((j) => j !== own[i]);
    others.sort((a, b) => scores[b] - scores[a]);
    const other = others[restart % others.length];
    return { center: samples.subarray(k * size, (k + 1) * size), own: own[i], other };
  });
  const start = new Float32Array(samples.length);
  (await (await search.relaxed()).at(rows, ball.radius)).forEach((point, k) => {
    const x = rows[k].center;
    start.set(
      moved(
        x,
        point.map((v, i) => v - x[i]),
        1,
        range,
      ),
      k * size,
    );
  });
  return start;
}

/** Every row moved to a uniform point of the ball around it. */
function jumbled(
  rows: Float32Array,
  size: number,
  random: Random,
  ball: { readonly norm: AttackNorm; readonly radius: number },
  range: Range | null,
): Float32Array {
  const start = new Float32Array(rows.length);
  for (let at = 0; at < rows.length; at += size) {
    start.set(moved(rows.subarray(at, at + size), pointInBall(random, ball, size), 1, range), at);
  }
  return start;
}
