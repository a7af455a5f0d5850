/** @file The margins of a network on a data set, as they are and over its complexity: what tells a network that has learnt from one that has memorised, where margins alone do not. */
import { maybeNorm } from "../bounds/bound.ts";
import { lipschitz } from "../bounds/index.ts";
import { type SpectralComplexity, spectralComplexity } from "../bounds/spectralComplexity.ts";
import type { Dataset } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { decidingNetwork } from "../models/decision.ts";
import { UsageError } from "../tensor/errors.ts";
import { logitsOf } from "./evaluate.ts";

export interface NormalizedMarginsOptions {
  readonly engine: Engine;
  /** A classification; the paper takes the training part. */
  readonly data: Dataset;
  /** A network of the same layers whose weights distances are taken from; default 0. */
  readonly reference?: Network;
  /** Time for the bracket; default a fixed amount of work. */
  readonly seconds?: number;
  /** Default: 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** What is found of the margins of one network, as plain data. */
export interface NormalizedMargins {
  readonly samples: number;
  /** The part of the samples whose margin is above 0. */
  readonly accuracy: number;
  /** ||X||_F over the number of samples: what margins are divided by beside a complexity. */
  readonly scale: number;
  /** Null where the network is no chain of affine maps and activations: `why` says so. */
  readonly complexity: SpectralComplexity | null;
  readonly why?: string;
  /** Of the Lipschitz constant in l2: proved (Infinity where there is none) and witnessed. */
  readonly constant: { readonly upper: number; readonly lower: number };
  /** f_y(x) - max_{j != y} f_j(x) of every sample, in its order. */
  readonly margins: readonly number[];
  /** Of margins, from the smallest: as they are, over R_A times `scale`, and over the proved constant times `scale`. */
  readonly quantiles: readonly {
    readonly part: number;
    readonly margin: number;
    readonly byComplexity: number | null;
    readonly byConstant: number;
  }[];
}

/**
 * Take the margins of a network on a data set, and bring them to the scale in which the paper's bound of the risk is written:
 *
 *     m_k = (f_y(x_k) - max_{j != y} f_j(x_k)) / (R_A ||X||_F / n),
 *
 * and the same with a proved Lipschitz constant in the place of R_A: all that R_A is a correction of. Logits count, in front of a softmax. Throws UsageError of a regression, and as `lipschitz` does.
 * Reference: Bartlett, Foster and Telgarsky 2017, section 2.
 */
export async function normalizedMargins(
  network: Network,
  options: NormalizedMarginsOptions,
): Promise<NormalizedMargins> {
  const { data, reference, seconds, seed = 0, signal, onProgress } = options;
  const engine = needEngine("normalizedMargins", options.engine);
  if (data.task !== "classification")
    throw new UsageError(`normalizedMargins: needs classes, and ${data.name} is a regression`);
  const own = decidingNetwork(network, data.shape);
  const { data: logits, classes } = await logitsOf(own, engine, data, { dtype: "float64", ...(signal && { signal }) });
  onProgress?.(0.2);
  const margins = Array.from({ length: data.count }, (_, k) => {
    const row = logits.subarray(k * classes, (k + 1) * classes);
    let other = Number.NEGATIVE_INFINITY;
    row.forEach((v, j) => {
      if (j !== data.labels[k] && v > other) other = v;
    });
    return row[data.labels[k]] - other;
  });
  const complexity = await spectralComplexity(own, reference && decidingNetwork(reference, data.shape));
  onProgress?.(0.5);
  const bracket = await lipschitz(own, {
    engine,
    norm: maybeNorm(2),
    data,
    seed,
    ...(seconds !== undefined && { seconds }),
    ...(signal && { signal }),
    onProgress: (part) => onProgress?.(0.5 + part / 2),
  });
  const upper = bracket.upper?.proved ? bracket.upper.value : Number.POSITIVE_INFINITY;
  const scale = Math.sqrt(data.x.reduce((sum, v) => sum + v * v, 0)) / data.count;
  const chain = typeof complexity === "string" ? null : complexity;
  const sorted = margins.toSorted((a, b) => a - b);
  return {
    samples: data.count,
    accuracy: margins.filter((m) => m > 0).length / data.count,
    scale,
    complexity: chain,
    ...(typeof complexity === "string" && { why: complexity }),
    constant: { upper, lower: bracket.lower?.value ?? 0 },
    margins,
    quantiles: parts.map((part) => {
      const margin = sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];
      return {
        part,
        margin,
        byComplexity: chain && margin / (chain.value * scale),
        byConstant: margin / (upper * scale),
      };
    }),
  };
}

// --- internal ---

const parts = [0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1];
