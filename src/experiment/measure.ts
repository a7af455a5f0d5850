/** @file What is measured of a trained network, stage by stage: bracket, certificates, attacks, curvature. What was measured before is not measured again. */
import { type Attacked, type AttackOptions, attack } from "../attack/attack.ts";
import { type AttackSpec, deepfool, pgd } from "../attack/protocol.ts";
import { type Bracket, provedUpper } from "../bounds/bound.ts";
import { lipschitz } from "../bounds/index.ts";
import { consistency } from "../certify/consistency.ts";
import { type Certification, certify } from "../certify/evaluate.ts";
import { curvature } from "../curvature/measure.ts";
import { type Dataset, take } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { decidesByOutputs } from "../models/decision.ts";
import { type Effort, effortFor, localEffort } from "./effort.ts";
import type { AttackRecord, CurvatureRecord } from "./record.ts";
import type { RunSpec } from "./spec.ts";

/** In this order. */
export const stages = ["bound", "certify", "attack", "curvature"] as const;

export type Stage = (typeof stages)[number];

/** All that is measured; null where there is nothing to measure: of a regression, and attacks in l1. */
export interface Findings {
  readonly bound: Bracket;
  readonly certify: Certification | null;
  readonly attack: { readonly record: AttackRecord; readonly found: Attacked } | null;
  readonly curvature: { readonly record: CurvatureRecord; readonly values: readonly number[] } | null;
}

type Complete = { readonly [S in Stage]: { readonly value: Findings[S]; readonly seconds: number } };

/** What has been measured of a model so far, as plain data. */
export interface Measured extends Partial<Complete> {
  /** Of the model's bytes. */
  readonly sha256: string;
}

export interface MeasureOptions {
  readonly engine: Engine;
  /** The test part. */
  readonly data: Dataset;
  /** Of this model. */
  readonly before: Measured;
  readonly signal?: AbortSignal | undefined;
  /** How far a stage is, from 0 to 1. */
  onProgress?: ((stage: Stage, fraction: number) => void) | undefined;
}

/** What of a spec measuring asks for. */
export type MeasureSpec = Pick<RunSpec, "norm" | "radii" | "seed" | "seconds"> & {
  /** Count the work of bounds, as of a network of any size, rather than go on until they are done. Default false. */
  readonly counted?: boolean;
};

/** Measure what is missing, and yield what there is after each stage. */
export async function* measure(
  network: Network,
  spec: MeasureSpec,
  { engine, data, before, signal, onProgress }: MeasureOptions,
): AsyncGenerator<Measured, Complete & { readonly effort: Effort }> {
  const { norm, radii, seed, counted = false, seconds = Number.POSITIVE_INFINITY } = spec;
  const effort = effortFor(network, data.count);
  const asked = (stage: Stage) => ({ engine, signal, onProgress: (part: number) => onProgress?.(stage, part) });

  const bound =
    before.bound ??
    (await timed(() =>
      lipschitz(network, {
        ...asked("bound"),
        norm,
        data,
        seed,
        rounds: effort.rounds,
        ...(counted ? {} : { seconds }),
      }),
    ));
  yield { ...before, bound };

  const upper = decidesByOutputs(network, data.shape) ? provedUpper(bound.value) : undefined;
  const classifies = data.task === "classification";
  const proved = {
    norm,
    radii,
    seconds: counted ? pairWork : seconds,
    local: localEffort,
    ...(upper ? { upper } : {}),
  };
  const certified =
    before.certify ??
    (await timed(async () => (classifies ? await certify(network, { ...asked("certify"), data, ...proved }) : null)));
  yield { ...before, bound, certify: certified };

  const { value: certification } = certified;
  const some = (stage: Stage, samples: number) => ({ ...asked(stage), data: take(data, samples) });
  const attacked =
    before.attack ??
    (await timed(async () =>
      certification ? await attackAll(network, spec, certification, some("attack", effort.attacked)) : null,
    ));
  yield { ...before, bound, certify: certified, attack: attacked };

  const curved =
    before.curvature ??
    (await timed(async () =>
      certification ? await curvatureOf(network, spec, some("curvature", effort.curved)) : null,
    ));
  return { bound, certify: certified, attack: attacked, curvature: curved, effort };
}

// --- internal ---

async function timed<T>(work: () => Promise<T>): Promise<{ readonly value: T; readonly seconds: number }> {
  const started = performance.now();
  const value = await work();
  return { value, seconds: (performance.now() - started) / 1000 };
}

/** Counted work for the constants of pairs of classes, in seconds at a nominal speed. */
const pairWork = 3;

/** What runs are attacked with; `lipschitz attack` has more. */
const attacks: readonly AttackSpec[] = [pgd({ steps: 20 }), deepfool({ steps: 15 })];

type Asked = Pick<AttackOptions, "engine" | "data" | "signal" | "onProgress">;

/** Attack what was certified, and hold both against each other; null in l1. */
async function attackAll(
  network: Network,
  { norm, radii, seed }: MeasureSpec,
  certification: Certification,
  asked: Asked,
): Promise<Findings["attack"]> {
  if (norm === 1) return null;
  const found = await attack(network, { ...asked, norm, radii, attacks, seed });
  const { protocol, accuracy, robust, medianDistance, samples } = found;
  const alarm = consistency(certification, { norm: norm === 2 ? "2" : "inf", samples });
  return { record: { protocol, samples: asked.data.count, accuracy, robust, medianDistance, alarm }, found };
}

/** Products with vectors for each sample whose curvature is measured. */
const products = 20;

async function curvatureOf(network: Network, { seed }: MeasureSpec, asked: Asked): Promise<Findings["curvature"]> {
  const { samples, ...rest } = await curvature(network, { ...asked, steps: products, seed });
  return { record: { ...rest, samples: samples.length }, values: samples.map((s) => s.curvature) };
}
