/** @file The samples at which a curvature is measured, in batches as a program takes them, and the row u that makes one number of each sample's outputs. */
import type { Subject } from "../bounds/subject.ts";
import { type Dataset, take } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { decisionNetwork } from "../models/decision.ts";
import { UsageError } from "../tensor/errors.ts";
import { random } from "../tensor/random.ts";
import type { DType } from "../tensor/tensor.ts";
import { type Form, type Hessians, hessians, layoutOf } from "./hessian.ts";

/**
 * The number per sample that is differentiated: the loss (cross-entropy of the label, or half the squared error of a regression), the
 * output of the label, or that less the largest other output.
 */
export type Scalar = "loss" | "logit" | "margin";

export interface PointOptions {
  readonly engine: Engine;
  /** Without data, normal points with the predicted class as their label. */
  readonly data?: Dataset;
  /** How many of the first samples; all of the data, or 64 points without data. */
  readonly samples?: number;
  /** Default "loss". */
  readonly of?: Scalar;
  /** In which the network runs; default float64: the loss of a confident sample is made of differences that float32 does not keep. */
  readonly dtype?: DType;
  /** Default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** Some samples, side by side; a last batch that is not full is filled up with zeros. */
export interface Batch {
  readonly first: number;
  readonly count: number;
  readonly x: Float64Array;
  readonly u: Float64Array;
}

/** Opened for measuring: close it by `dispose`. */
export interface Points {
  readonly count: number;
  /** -1 where a regression has none. */
  readonly labels: Int32Array;
  readonly programs: Hessians;
  batches(): AsyncGenerator<Batch>;
  dispose(): Promise<void>;
}

/** Of classes the network of the logits, to which the losses belong; of a regression the network itself. A loss needs two logits; one alone is measured as it is. */
export const decisive = (network: Network, { data, of = "loss" }: Pick<PointOptions, "data" | "of">): Network =>
  data?.task === "classification" ? decisionNetwork(network, data.shape, { sign: of === "loss" }) : network;

/** Open the samples that options name. Throws UsageError where they do not fit the network, or have no label to speak of. */
export async function openPoints(subject: Subject, options: PointOptions): Promise<Points> {
  const engine = needEngine("curvature", options.engine);
  const { samples, of = "loss", dtype = "float64", seed = 0, signal, onProgress } = options;
  if (samples !== undefined && !(Number.isInteger(samples) && samples >= 1)) {
    throw new UsageError(`curvature: samples must be a whole number >= 1, got ${samples}`);
  }
  const data = options.data && take(options.data, Math.min(samples ?? Number.POSITIVE_INFINITY, options.data.count));
  const x = data ? data.x : normalPoints(subject.size, samples ?? 64, seed);
  const layout = layoutOf(subject, data ? data.shape : subject.sample, data ? data.count : x.length / subject.size);
  const { size, width } = layout;
  const count = x.length / size;
  checkWidth(subject.name, of, data, width);
  const programs = await hessians(engine, subject, formOf(of, data), layout, dtype);
  const labels = new Int32Array(count).fill(-1);
  if (data) labels.set(data.labels);
  return {
    count,
    labels,
    programs,
    async *batches() {
      for (let first = 0; first < count; first += layout.samples) {
        signal?.throwIfAborted();
        const part = Math.min(layout.samples, count - first);
        const own = new Float64Array(layout.samples * size);
        own.set(x.subarray(first * size, (first + part) * size));
        const u = new Float64Array(layout.samples * width);
        const needed = data === undefined || of === "margin";
        const outputs = needed ? await programs.outputs(own) : u;
        for (let s = 0; s < part; s++) {
          const row = outputs.subarray(s * width, (s + 1) * width);
          const to = u.subarray(s * width, (s + 1) * width);
          if (data?.task === "regression" && of === "loss") {
            to.set(data.targets.subarray((first + s) * width, (first + s + 1) * width));
            continue;
          }
          if (!data) labels[first + s] = largestBut(row, -1);
          const label = Math.max(0, labels[first + s]);
          to[label] += 1;
          if (of === "margin") to[largestBut(row, label)] -= 1;
        }
        yield { first, count: part, x: own, u };
        onProgress?.((first + part) / count);
      }
    },
    dispose: () => programs.dispose(),
  };
}

// --- internal ---

const formOf = (of: Scalar, data: Dataset | undefined): Form =>
  of !== "loss" ? "linear" : data?.task === "regression" ? "squared-error" : "cross-entropy";

function checkWidth(name: string, of: Scalar, data: Dataset | undefined, width: number): void {
  if (data?.task === "regression") {
    if (of === "margin") throw new UsageError(`curvature: a margin needs classes, got the regression ${data.name}`);
    if (width !== data.classes) {
      throw new UsageError(`${name}: it must have the ${data.classes} outputs of ${data.name}, got ${width}`);
    }
    return;
  }
  const needed = Math.max(of === "logit" ? 1 : 2, data?.classes ?? 1);
  if (width < needed) {
    const whose = data ? ` for ${data.name}` : "";
    const remedy = width === 1 && !data ? '; measure "logit"' : "";
    throw new UsageError(`${name}: its ${of} needs ${needed} outputs${whose}, got ${width}${remedy}`);
  }
}

function normalPoints(size: number, count: number, seed: number): Float64Array {
  const source = random(seed).fork("points");
  return Float64Array.from({ length: size * count }, () => source.normal());
}

/** The first of the largest, leaving one out. */
function largestBut(row: Float64Array, out: number): number {
  let best = -1;
  for (let j = 0; j < row.length; j++) if (j !== out && (best < 0 || row[j] > row[best])) best = j;
  return best;
}
