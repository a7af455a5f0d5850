/**
 * @file Explanations of decisions, and how far they hold: what each method says of a sample, how much that turned under perturbations that were tried, and how much it can
 * turn at most.
 */
import type { NoConstant } from "../bounds/bound.ts";
import { lengthOf } from "../bounds/length.ts";
import { subjectOf } from "../bounds/subject.ts";
import {
  type AttributionName,
  type AttributionSettings,
  attributionNames,
  attributionOf,
} from "../curvature/attribution.ts";
import { openPoints } from "../curvature/points.ts";
import { perturbations, type Turn, worstOf } from "../curvature/tried.ts";
import { type Dataset, take } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { up } from "../linalg/rounding.ts";
import { decidingNetwork } from "../models/decision.ts";
import { InternalError, UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import { labelledBy } from "./evaluate.ts";
import { hessianProof } from "./hessianProof.ts";
import { keptOf, turningOf } from "./turning.ts";

export interface ExplainOptions {
  readonly engine: Engine;
  /** Labels are not looked at: what is explained is the decision. */
  readonly data: Dataset;
  /** How many of the first samples; default all. */
  readonly samples?: number;
  /** Of the decided class: its logit less the largest other one (default), or its logit. */
  readonly of?: "margin" | "logit";
  /** Default: all. */
  readonly methods?: readonly AttributionName[];
  /** Lengths of perturbations in l2, above 0; default none. */
  readonly radii?: readonly number[];
  /** Of integrated gradients: the value of every input without information (default 0), and points on the way (32). */
  readonly baseline?: number;
  readonly steps?: number;
  /** Of SmoothGrad: draws (16) of normal noise of this deviation in every input (a tenth of the range of the data, or 0.1). */
  readonly draws?: number;
  readonly deviation?: number;
  /** The part of the inputs that count as the top ones; default 0.1. */
  readonly top?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** How an explanation changes within a radius. */
export interface Stability {
  readonly radius: number;
  /** ||E(x') - E(x)|| is at most this for all x' within the radius; null where nothing is proved. */
  readonly change: number | null;
  /** The angle between both, at most; 180 where nothing is proved. */
  readonly degrees: number;
  /** The part of the top inputs that are certain to stay top ones. */
  readonly kept: number;
  /** The same of the worst of the perturbations that were tried. */
  readonly seen: Turn;
}

export interface Explanation {
  readonly method: AttributionName;
  /** In the order of the inputs: what adds to the number that is explained is above 0. */
  readonly values: Float64Array;
  readonly length: number;
  readonly stability: readonly Stability[];
}

export interface ExplainedSample {
  readonly index: number;
  /** What the sample is called where it comes from. */
  readonly id?: string;
  readonly predicted: number;
  /** The other class of a margin; null of a logit. */
  readonly rival: number | null;
  readonly explanations: readonly Explanation[];
}

export interface Explained {
  readonly of: "margin" | "logit";
  readonly methods: readonly AttributionName[];
  readonly settings: {
    readonly baseline: number;
    readonly steps: number;
    readonly draws: number;
    readonly deviation: number;
    readonly top: number;
    readonly seed: number;
  };
  /** The largest bound of the Hessian of what is explained, anywhere; null where there is none, and the node that is why. */
  readonly curvature: number | null;
  readonly missing?: NoConstant;
  readonly samples: readonly ExplainedSample[];
}

/**
 * Explain decisions by gradients (`attributionOf`), with proved bounds of how much each explanation can change and turn within a radius (`turningOf`), by the bound of the
 * Hessian of the margin or logit (`curvatureBound`), and what was seen of it: random perturbations, and those that turn the gradient most.
 *
 * A network with kinks has no such bound: `missing` says where, and only what was seen is left. Throws UsageError for options that make no sense and InternalError where
 * something was seen beyond what is proved.
 */
export async function explain(network: Network, options: ExplainOptions): Promise<Explained> {
  const { of = "margin", methods = attributionNames, radii = [], seed = 1, signal } = options;
  const { baseline = 0, steps = 32, draws = 16, top = 0.1 } = options;
  const engine = needEngine("explain", options.engine);
  const [low, high] = options.data.range ?? [0, 1];
  const { deviation = 0.1 * (high - low) } = options;
  checkOptions({ of, methods, radii, steps, draws, deviation, top, baseline });
  const some = take(options.data, Math.min(options.samples ?? options.data.count, options.data.count));
  const data = await labelledBy(network, engine, some, { signal });
  const subject = subjectOf(decidingNetwork(network, data.shape));
  const points = await openPoints(subject, { engine, data, of, signal });
  const { layout } = points.programs;
  if (layout.perRun !== 1) {
    await points.dispose();
    throw new UsageError(
      `explain: ${subject.name}: several samples make one run; export the model with a batch of one`,
    );
  }
  const source = random(seed).fork("explain");
  const noise = Array.from({ length: draws }, (_, k) => {
    const stream = source.fork(`noise ${k}`);
    return Float64Array.from({ length: layout.size }, () => deviation * stream.normal());
  });
  const settings: AttributionSettings = { baseline, steps, noise };
  const largest = (values: ArrayLike<number>) => Array.from(values).reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const far = Math.max(largest(data.x), Math.abs(baseline)) + Math.max(...noise.map(largest)) + Math.max(0, ...radii);
  const proof = await hessianProof(subject, of, up(far), signal);
  const samples: ExplainedSample[] = [];
  const count = Math.max(1, Math.round(top * layout.size));
  try {
    for await (const batch of points.batches()) {
      const tried: (readonly Float64Array[])[] = [];
      for (const radius of radii) tried.push(await perturbations(points, batch, radius, source));
      const own = Array.from({ length: batch.count }, (): Explanation[] => []);
      for (const method of methods) {
        const found = await attributionOf(method, points.programs, batch.x, batch.u, settings);
        const moved: Float64Array[][] = [];
        for (const some of tried) {
          const values: Float64Array[] = [];
          for (const e of some) {
            const x = batch.x.map((v, i) => v + e[i]);
            values.push((await attributionOf(method, points.programs, x, batch.u, settings)).values);
          }
          moved.push(values);
        }
        for (let s = 0; s < batch.count; s++) {
          const at = (values: Float64Array) => values.subarray(s * layout.size, (s + 1) * layout.size);
          const values = at(found.values).slice();
          const u = batch.u.subarray(s * layout.width, (s + 1) * layout.width);
          const curvature = proof.curvature(u);
          const stability: Stability[] = [];
          for (const [k, radius] of radii.entries()) {
            const bound = turningOf(
              method,
              {
                ...{
                  values,
                  gradient: at(found.gradient),
                  longest: found.longest[s],
                  x: at(batch.x),
                  baseline,
                  curvature,
                },
                terms: method === "integrated" ? steps : method === "smoothgrad" ? draws : 1,
                // Points are rounded too.
                error: up(proof.error + curvature * far * layout.size * 2 ** -48),
              },
              radius,
            );
            const seen = worstOf(values, moved[k].map(at), count);
            if (seen.change > bound.change + 2 * bound.error) {
              throw new InternalError(
                `explain: the ${method} of sample ${batch.first + s} changed by ${seen.change} within ${radius}, and at most ${bound.change} is proved; please report it`,
              );
            }
            const proved = Number.isFinite(bound.change);
            stability.push({
              radius,
              change: proved ? bound.change : null,
              degrees: bound.degrees,
              kept: proved ? keptOf(values, count, up(bound.change + bound.error)) / count : 0,
              seen,
            });
          }
          own[s].push({ method, values, length: lengthOf(values, 2), stability });
        }
      }
      own.forEach((explanations, s) => {
        const index = batch.first + s;
        const u = batch.u.subarray(s * layout.width, (s + 1) * layout.width);
        const rival = u.indexOf(-1);
        samples.push({
          index,
          ...(data.ids && { id: data.ids[index] }),
          predicted: points.labels[index],
          rival: rival < 0 ? null : rival,
          explanations,
        });
      });
      options.onProgress?.((batch.first + batch.count) / points.count);
    }
  } finally {
    await points.dispose();
  }
  return {
    of,
    methods,
    settings: { baseline, steps, draws, deviation, top, seed },
    curvature: Number.isFinite(proof.most) ? proof.most : null,
    ...(proof.missing && { missing: proof.missing }),
    samples,
  };
}

// --- internal ---

function checkOptions(
  options: Required<
    Pick<ExplainOptions, "of" | "methods" | "radii" | "steps" | "draws" | "deviation" | "top" | "baseline">
  >,
): void {
  const { of, methods, radii, steps, draws, deviation, top, baseline } = options;
  const refuse = (what: string, rule: string, got: unknown) => {
    throw new UsageError(`explain: ${what} must be ${rule}, got ${String(got)}`);
  };
  if (of !== "margin" && of !== "logit") refuse("of", "margin or logit", of);
  const strange = methods.find((name) => !attributionNames.includes(name));
  if (strange !== undefined || methods.length === 0)
    refuse("methods", `of ${attributionNames.join(", ")}`, strange ?? "none");
  const wrong = radii.find((r) => !(Number.isFinite(r) && r > 0));
  if (wrong !== undefined) refuse("radii", "above 0", wrong);
  for (const [what, value] of Object.entries({ steps, draws })) {
    if (!(Number.isInteger(value) && value >= 1)) refuse(what, "a whole number >= 1", value);
  }
  if (!(deviation >= 0 && Number.isFinite(deviation))) refuse("deviation", ">= 0", deviation);
  if (!(top > 0 && top <= 1)) refuse("top", "above 0 and at most 1", top);
  if (!Number.isFinite(baseline)) refuse("baseline", "finite", baseline);
}
