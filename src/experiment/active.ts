/**
 * @file Active learning: train on few labels, ask for the samples that are nearest to the decision boundary, and go on. Each asked sample can bring its perturbed copy, which
 * costs no label.
 */
import { attack } from "../attack/attack.ts";
import { type Deepfool, deepfool } from "../attack/protocol.ts";
import { accuracyOf, certify, logitsOf } from "../certify/evaluate.ts";
import type { Dataset, Split } from "../data/dataset.ts";
import { subset, take } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import type { Layer } from "../layers/layer.ts";
import { UsageError } from "../tensor/errors.ts";
import { type Random, random } from "../tensor/random.ts";
import type { Method } from "../train/method.ts";
import { trainNetwork } from "../train/trainNetwork.ts";

/**
 * - dfal: the smallest DeepFool distances; their perturbed copies are added with the same labels
 * - bracket: the smallest certified radii of the constant, which cost no attack
 * - uncertainty: the smallest margins between the two largest softmax probabilities
 * - random
 */
export const strategyNames = ["dfal", "bracket", "uncertainty", "random"] as const;

export type Strategy = (typeof strategyNames)[number];

export interface ActiveOptions {
  readonly engine: Engine;
  /** The pool, whose labels stand for whoever is asked, and the test part. */
  readonly data: Split;
  readonly model: Layer;
  readonly method?: Method;
  readonly strategy: Strategy;
  /** Labels that are drawn to begin with, and that are asked for in each round. Default: 100 and 50. */
  readonly first?: number;
  readonly ask?: number;
  /** Samples of the pool that are looked at in a round, drawn anew; default 10 times `ask`. */
  readonly candidates?: number;
  /** End with so many labels, or earlier at this accuracy on the test part; default half of the pool, and 1. */
  readonly labels?: number;
  readonly goal?: number;
  /** Steps of every training, from the start; default 400. */
  readonly steps?: number;
  readonly batch?: number;
  /** How distances are searched. */
  readonly search?: Deepfool;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** What is known after a round. */
export interface ActiveRound {
  /** Labels that have been asked for, and samples that were trained on: with perturbed copies. */
  readonly labels: number;
  readonly trained: number;
  /** On the test part. */
  readonly accuracy: number;
  readonly network: Network;
  /** Places in the pool of all labelled samples, in the order in which they were asked for. */
  readonly asked: readonly number[];
}

/**
 * Learn from as few labels as a goal needs: train, look at candidates of the pool, ask for those that the strategy says, and train again from the start.
 * Equal options give equal rounds. Throws UsageError for options that make no sense.
 *
 * Reference: Ducoffe and Precioso 2018, algorithm 1 (dfal).
 */
export async function* activeLearning(options: ActiveOptions): AsyncGenerator<ActiveRound> {
  const { data, model, method, strategy, steps = 400, batch = 32, goal = 1, seed = 1, signal } = options;
  const { first = 100, ask = 50, candidates = 10 * ask, labels = Math.trunc(data.train.count / 2) } = options;
  const engine = needEngine("activeLearning", options.engine);
  check(options, { first, ask, candidates, labels, steps, batch });
  const source = random(seed).fork(`active ${strategy}`);
  // All strategies begin with the same samples.
  const order = shuffled(random(seed).fork("pool"), data.train.count);
  const asked = order.slice(0, first);
  let rest = order.slice(first);
  const copies: Copy[] = [];
  for (let round = 0; ; round++) {
    signal?.throwIfAborted();
    const train = withCopies(subset(data.train, asked), copies);
    const own = Math.min(batch, train.count);
    const epochs = Math.max(1, Math.ceil(steps / Math.floor(train.count / own)));
    // Of few samples there are many epochs, and only the last is of interest: one test sample is looked at in between.
    const { network } = await trainNetwork({
      ...{ engine, data: { train, test: take(data.test, 1) }, model, batch: own, epochs, seed: seed + round, signal },
      ...(method && { method }),
    });
    const accuracy = await accuracyOf(network, engine, data.test, { signal });
    yield { labels: asked.length, trained: train.count, accuracy, network, asked: [...asked] };
    const left = labels - asked.length;
    if (accuracy >= goal || left <= 0 || rest.length === 0) return;
    rest = shuffled(source.fork(round), rest.length).map((k) => rest[k]);
    const looked = rest.slice(0, Math.max(ask, candidates));
    const wanted = Math.min(ask, left, looked.length);
    const { chosen, copied } = await choose(network, engine, subset(data.train, looked), wanted, options);
    asked.push(...chosen.map((k) => looked[k]));
    copies.push(...copied);
    const taken = new Set(chosen);
    rest = [...looked.filter((_, k) => !taken.has(k)), ...rest.slice(looked.length)];
  }
}

// --- internal ---

/** A perturbed sample with the label of the sample as it was. */
interface Copy {
  readonly x: Float32Array;
  readonly label: number;
}

interface Chosen {
  readonly chosen: readonly number[];
  readonly copied: readonly Copy[];
}

async function choose(
  network: Network,
  engine: Engine,
  pool: Dataset,
  wanted: number,
  { strategy, search = deepfool({ steps: 15 }), signal }: ActiveOptions,
): Promise<Chosen> {
  const nearest = (values: readonly number[]) =>
    Array.from(values.keys())
      .sort((a, b) => values[a] - values[b])
      .slice(0, wanted);
  switch (strategy) {
    case "random":
      return { chosen: Array.from({ length: wanted }, (_, k) => k), copied: [] };
    case "uncertainty":
      return { chosen: nearest(await doubts(network, engine, pool, signal)), copied: [] };
    case "bracket": {
      const { samples } = await certify(network, { engine, data: pool, local: "off", signal });
      return { chosen: nearest(samples.map((s) => s.radius)), copied: [] };
    }
    case "dfal": {
      const found = await attack(network, { engine, data: pool, attacks: [search], signal });
      const chosen = nearest(found.samples.map((s) => s.distance ?? Number.MAX_VALUE));
      const size = pool.x.length / pool.count;
      const copied = chosen.flatMap((k) =>
        found.samples[k].distance === null
          ? []
          : [{ x: found.examples.slice(k * size, (k + 1) * size), label: pool.labels[k] }],
      );
      return { chosen, copied };
    }
    default:
      return strategy satisfies never;
  }
}

/** The difference of the two largest probabilities of each sample. */
async function doubts(network: Network, engine: Engine, pool: Dataset, signal?: AbortSignal): Promise<number[]> {
  const { data, classes } = await logitsOf(network, engine, pool, { signal });
  return Array.from({ length: pool.count }, (_, i) => {
    const row = Array.from(data.subarray(i * classes, (i + 1) * classes)).sort((a, b) => b - a);
    const total = row.reduce((sum, v) => sum + Math.exp(v - row[0]), 0);
    return (1 - Math.exp(row[1] - row[0])) / total;
  });
}

function withCopies(data: Dataset, copies: readonly Copy[]): Dataset {
  if (copies.length === 0) return data;
  const { ids: _, ...rest } = data;
  const size = data.x.length / data.count;
  const x = new Float32Array(data.x.length + copies.length * size);
  x.set(data.x);
  copies.forEach((copy, k) => {
    x.set(copy.x, data.x.length + k * size);
  });
  const labels = Int32Array.from([...data.labels, ...copies.map((c) => c.label)]);
  return { ...rest, x, labels, count: labels.length };
}

/** 0 to n - 1 in a drawn order. */
function shuffled(source: Random, n: number): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = source.integer(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function check({ data, strategy }: ActiveOptions, numbers: Readonly<Record<string, number>>): void {
  if (data.train.task !== "classification")
    throw new UsageError(`activeLearning: needs classes, got the regression ${data.train.name}`);
  if (!strategyNames.includes(strategy))
    throw new UsageError(`activeLearning: unknown strategy "${strategy}"; known: ${strategyNames.join(", ")}`);
  for (const [name, value] of Object.entries(numbers)) {
    if (!(Number.isInteger(value) && value >= 1))
      throw new UsageError(`activeLearning: ${name} must be a whole number >= 1, got ${value}`);
  }
  if (numbers.first > data.train.count)
    throw new UsageError(`activeLearning: first must be at most the pool of ${data.train.count}, got ${numbers.first}`);
}
