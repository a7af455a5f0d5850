/** @file What is proved of a regression: how far every output can move when the input moves by at most r, around each sample and in the worst case. */
import { propagate } from "../bounds/autoLip.ts";
import { checkBatches, likely } from "../bounds/batchRuns.ts";
import { maybeNorm, type Norm, printNorm } from "../bounds/bound.ts";
import { budget, nominalSpeed } from "../bounds/budget.ts";
import { marginsOf } from "../bounds/margin.ts";
import { fusedFlow } from "../bounds/patterns/fuse.ts";
import { classPairs } from "../bounds/quadratic/pairs.ts";
import { checkAlone, subjectOf } from "../bounds/subject.ts";
import type { Dataset } from "../data/dataset.ts";
import { type Engine, needEngine } from "../engine/engine.ts";
import { constant } from "../graph/leaf.ts";
import type { Network } from "../graph/network.ts";
import { up } from "../linalg/rounding.ts";
import { matmul } from "../ops/matmul.ts";
import { reshape } from "../ops/movement.ts";
import { UsageError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { cast, tensor } from "../tensor/tensor.ts";
import { classesOf, logitsOf } from "./evaluate.ts";
import { logitError } from "./rounding.ts";

export interface BandOptions {
  readonly engine: Engine;
  /** A regression. */
  readonly data: Dataset;
  /** 1, 2 (default) or "inf"; also as the words "1" and "2". Around a sample a ball of "inf" is a box. */
  readonly norm?: Norm | "1" | "2";
  /** Finite, >= 0, in the units of the data; default none. */
  readonly radii?: readonly number[];
  /** In l2, time to seek constants of the outputs in the chain that the network ends in; default none. */
  readonly seconds?: number;
  /** Time for all of it, in seconds: constants are looser where it is short, and depend on the machine. Default: no limit. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** The error of one output, in the units of the targets. */
export interface ErrorOf {
  readonly mean: number;
  readonly largest: number;
}

/** What is proved of a regression on a data set, as plain data. */
export interface Bands {
  readonly norm: "1" | "2" | "inf";
  /** For each output K with |f(x) - f(x')| <= K ||x - x'||, proved, and its error at the samples as they are. */
  readonly outputs: readonly { readonly constant: number; readonly error: ErrorOf }[];
  /**
   * At each radius and for each output: it moves by at most `band`, and its error at every x' within the radius of a sample is at most `error`
   * (mean and largest over the samples of what is proved of each).
   */
  readonly bands: readonly {
    readonly radius: number;
    readonly outputs: readonly { readonly band: number; readonly error: ErrorOf }[];
  }[];
  /** What every output may err by in float64; it is added to every error. */
  readonly allowance: number;
  /** The errors of each output at each sample. */
  readonly samples: readonly { readonly index: number; readonly id?: string; readonly errors: readonly number[] }[];
}

/**
 * Prove error bands of a regression:
 *
 *     |f_j(x') - t_j| <= |f_j(x) - t_j| + e + K_j r   for all x' with ||x' - x||_p <= r
 *
 * with K_j the constant of output j (that of the difference of f_j and an output that is always 0, `marginsOf`) and e what float64 may err by.
 * Throws UsageError where there is no proved constant, no target for every output or no time to run the samples, BatchError where a sample's output depends on the
 * batch around it.
 */
export async function errorBands(network: Network, options: BandOptions): Promise<Bands> {
  const { data, radii = [], seconds = 0, limit = Number.POSITIVE_INFINITY, signal, onProgress } = options;
  const whole = budget({ signal, seconds: limit });
  const engine = needEngine("errorBands", options.engine);
  const norm = maybeNorm(options.norm ?? 2);
  if (data.task !== "regression")
    throw new UsageError(`errorBands: needs a regression, got the classes of ${data.name}`);
  const wrong = radii.find((r) => !(Number.isFinite(r) && r >= 0));
  if (wrong !== undefined) throw new UsageError(`errorBands: radii must be finite and >= 0, got ${wrong}`);
  const own = subjectOf(network);
  checkAlone(own, own.outputs / classesOf(own, data));
  const { data: outputs, classes: width } = await logitsOf(network, engine, data, {
    dtype: "float64",
    signal,
    clock: whole,
    onProgress: (part) => onProgress?.(0.3 * part),
  });
  if (width !== data.classes) {
    throw new UsageError(`${network.name}: it must have the ${data.classes} outputs of ${data.name}, got ${width}`);
  }
  const subject = subjectOf(besideZero(network, data));
  if (subject.outputs !== width + 1) {
    throw new UsageError(`${network.name}: one run must be one sample of ${data.name} for bands of its outputs`);
  }
  const { x, y } = subject.at(1, "float64");
  const clock = budget({ signal, seconds: limit / 2 });
  const flow = fusedFlow(x, y, { normalisations: true });
  const propagation = await propagate(flow, norm, clock, (part) => onProgress?.(0.3 + 0.4 * part));
  const { missing } = propagation;
  if (missing) {
    throw new UsageError(`errorBands: ${subject.name} has no proved constant: node ${missing.node}: ${missing.why}`);
  }
  const chain =
    norm === 2 && seconds > 0 && whole.fits(4 * seconds * nominalSpeed)
      ? await classPairs(propagation, { engine, seconds, signal })
      : null;
  const margins = marginsOf(propagation, norm, chain?.bound);
  const constants = Array.from({ length: width }, (_, j) =>
    Math.min(margins.pair(j, width), chain ? chain.pair(j, width) : Number.POSITIVE_INFINITY),
  );
  const sizes = norm === "inf" ? propagation : await propagate(flow, "inf", clock);
  const inputSize = data.x.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
  const allowance = logitError(sizes, inputSize);
  await checkBatches(own, engine, data.x, Number.isFinite(allowance) ? () => up(2 * allowance) : likely);
  const errors = outputs.map((v, i) => up(Math.abs(v - data.targets[i]) + allowance));
  const errorOf = (j: number, band: number): ErrorOf => {
    const own = Array.from({ length: data.count }, (_, i) => up(errors[i * width + j] + band));
    return { mean: own.reduce((sum, v) => sum + v, 0) / own.length, largest: own.reduce((a, b) => Math.max(a, b), 0) };
  };
  onProgress?.(1);
  return {
    norm: printNorm(norm),
    outputs: constants.map((K, j) => ({ constant: K, error: errorOf(j, 0) })),
    bands: radii.map((radius) => ({
      radius,
      outputs: constants.map((K, j) => ({ band: up(K * radius), error: errorOf(j, up(K * radius)) })),
    })),
    allowance,
    samples: Array.from({ length: data.count }, (_, index) => ({
      index,
      ...(data.ids && { id: data.ids[index] }),
      errors: Array.from(errors.subarray(index * width, (index + 1) * width)),
    })),
  };
}

// --- internal ---

/** Its outputs, and one that is always 0: differences with that are the outputs themselves. */
function besideZero(network: Network, { shape, classes }: Dataset): Network {
  return {
    ...network,
    outputs: ["outputs"],
    build(inputs) {
      const outputs = network.build(inputs);
      if (outputs.length !== 1)
        throw new UsageError(`${network.name}: bands need one output vector, got ${outputs.length}`);
      const [y] = outputs;
      const rows = Math.max(1, sizeOf(inputs[0].shape) / sizeOf(shape));
      const n = classes;
      const eye = Float32Array.from({ length: n * (n + 1) }, (_, i) =>
        Math.floor(i / (n + 1)) === i % (n + 1) ? 1 : 0,
      );
      return [matmul(reshape(y, [rows, n]), constant(cast(tensor(eye, [n, n + 1]), y.dtype)))];
    },
  };
}
