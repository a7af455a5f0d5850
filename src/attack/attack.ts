/** @file Attack a network on a data set. What counts is what the network itself decides on a perturbed sample that really exists, never what a search believes. */
import { checkBatches, likely } from "../bounds/batchRuns.ts";
import { budget } from "../bounds/budget.ts";
import { subjectOf } from "../bounds/subject.ts";
import type { Dataset } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import type { AttackNorm } from "./ball.ts";
import { nothingFound } from "./findings.ts";
import { type AttackName, type AttackSpec, attackNames, attackOf, type Protocol } from "./protocol.ts";
import { confirm } from "./refine.ts";
import { type RelaxedStarts, relaxedStarts } from "./relaxed.ts";
import { runAttack, type Search } from "./search.ts";
import { targetOf } from "./target.ts";

export interface AttackOptions {
  readonly engine: Engine;
  readonly data: Dataset;
  /** 2 (default) or "inf"; also as the word "2". */
  readonly norm?: AttackNorm | "2";
  /** Radii of the balls in which fgsm, pgd and dlr search, and of the accuracies; finite, >= 0, in the units of the data. */
  readonly radii?: readonly number[];
  /** Names, for default settings, or what `pgd({ steps: 100 })` and its like give. Default: all five. They run in this order. */
  readonly attacks?: readonly (AttackName | AttackSpec)[];
  /** Clip to the range of the data, where it has one (default), or do not: a certificate holds outside it too. */
  readonly clip?: "data" | "none";
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

export interface AttackedSample {
  readonly index: number;
  /** What the sample is called where it comes from. */
  readonly id?: string;
  readonly label: number;
  /** The decision on the sample as it is, in float32; right or wrong, it is what the attacks change. -1 where an output is not a number. */
  readonly predicted: number;
  /** Length, in float64, of the smallest perturbation found that changes the decision; null where none was found. */
  readonly distance: number | null;
  /** The decision there. */
  readonly becomes: number | null;
  readonly attack: AttackName | null;
  /** Length of the smallest perturbation found that changes the decision in float64 too. */
  readonly confirmed: number | null;
}

export interface RadiusAccuracy {
  readonly radius: number;
  readonly accuracy: number;
}

/** What attacks found, as plain data but for `examples`. */
export interface Attacked {
  readonly norm: "2" | "inf";
  readonly protocol: Protocol;
  /** Without any attack. */
  readonly accuracy: number;
  /** The part of the samples that are right and that no attack changed within the radius. */
  readonly robust: readonly RadiusAccuracy[];
  /** The same for each attack by itself. */
  readonly attacks: readonly { readonly name: AttackName; readonly robust: readonly RadiusAccuracy[] }[];
  /** Median over the samples that are right of the smallest perturbation; null where that half was not found. */
  readonly medianDistance: number | null;
  readonly samples: readonly AttackedSample[];
  /** The perturbed samples, [count, ...shape]; a sample as it is where nothing was found. */
  readonly examples: Float32Array;
}

/**
 * Search for the smallest perturbation that changes each decision of a network.
 *
 *     const { robust, samples } = await attack(network, { engine, data, norm: 2, radii: [0.3], attacks: ["pgd", "deepfool"] });
 *
 * What is found bounds the distance to the nearest decision boundary from above; what is not found proves nothing.
 * Throws UsageError for settings that make no sense and networks that do not decide between the classes of the data, BatchError where a sample's output depends on the
 * batch around it.
 */
export async function attack(network: Network, options: AttackOptions): Promise<Attacked> {
  const { data, signal, seed = 1, onProgress } = options;
  const engine = needEngine("attack", options.engine);
  const protocol = protocolOf(options, data);
  const norm = protocol.norm === "2" ? 2 : "inf";
  const target = targetOf(network, engine, data);
  await checkBatches(subjectOf(network), engine, data.x, likely);
  const source = random(seed).fork("attack");
  const { signal: stop } = options;
  let starts: Promise<RelaxedStarts> | undefined;
  const relaxed = () => {
    starts ??= relaxedStarts(network, engine, data, norm, budget(stop ? { signal: stop } : {}));
    return starts;
  };
  try {
    const own = await target.decide(data.x);
    const best = nothingFound(data.x, data.count);
    const outputs = await target.outputs(data.x, "float32");
    const { range, radii } = protocol;
    const right = Array.from(own, (decision, i) => decision === data.labels[i]);
    const attacks: Attacked["attacks"][number][] = [];
    for (const [k, spec] of protocol.attacks.entries()) {
      const search: Search = {
        ...{ target, norm, range, radii, center: data.x, outputs, own, best },
        relaxed,
        signal,
        onProgress: (part) => onProgress?.((k + part) / protocol.attacks.length),
      };
      const found = await runAttack(search, spec, source.fork(`${k} ${spec.name}`));
      attacks.push({ name: spec.name, robust: robustAccuracy(right, found.distance, radii) });
    }
    const decisions = await target.decide(data.x, "float64");
    const confirmed = await confirm(target, data.x, best, decisions, norm, range);
    const sorted = Array.from(best.distance.filter((_, i) => right[i])).sort((a, b) => a - b);
    return {
      norm: protocol.norm,
      protocol,
      accuracy: right.filter(Boolean).length / data.count,
      robust: robustAccuracy(right, best.distance, radii),
      attacks,
      medianDistance: finite(sorted[sorted.length >> 1]),
      samples: Array.from({ length: data.count }, (_, index) => ({
        index,
        ...(data.ids && { id: data.ids[index] }),
        label: data.labels[index],
        predicted: own[index],
        distance: finite(best.distance[index]),
        becomes: best.becomes[index] < 0 ? null : best.becomes[index],
        attack: best.attack[index],
        confirmed: confirmed[index],
      })),
      examples: best.points,
    };
  } finally {
    await (await starts?.catch(() => undefined))?.dispose();
    await target.dispose();
  }
}

/** The part of the samples that are right and whose smallest perturbation is longer than each radius. */
export function robustAccuracy(
  right: readonly boolean[],
  distances: ArrayLike<number>,
  radii: readonly number[],
): RadiusAccuracy[] {
  return radii.map((radius) => ({
    radius,
    accuracy: right.filter((isRight, i) => isRight && distances[i] > radius).length / right.length,
  }));
}

// --- internal ---

const finite = (value: number | undefined): number | null =>
  value !== undefined && Number.isFinite(value) ? value : null;

function protocolOf(options: AttackOptions, data: Dataset): Protocol {
  const { norm = 2, radii = [], attacks = attackNames, clip = "data", seed = 1 } = options;
  if (!["2", "inf"].includes(String(norm))) throw new UsageError(`attack: norm must be 2 or inf, got ${norm}`);
  for (const r of radii) {
    if (!(Number.isFinite(r) && r >= 0)) throw new UsageError(`attack: radii must be finite and >= 0, got ${r}`);
  }
  if (attacks.length === 0) throw new UsageError(`attack: missing attacks; known: ${attackNames.join(", ")}`);
  return {
    norm: norm === "inf" ? "inf" : "2",
    radii: [...radii].sort((a, b) => a - b),
    range: clip === "data" ? (data.range ?? null) : null,
    seed,
    attacks: attacks.map((a) => (typeof a === "string" ? attackOf(a) : a)),
  };
}
