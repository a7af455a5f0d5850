/** @file Preprocessing as a record. It is never applied to the data: it becomes the first part of the network, so that constants and radii are in the units of the data. */
import { SpecError, UsageError } from "../tensor/errors.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import type { Samples } from "./dataset.ts";

export type Layout = "nchw" | "nhwc";

/**
 * What is done to a sample x before the network sees it: `(x * scale - mean) / std`, then the layout, then a reshape to the network's own input.
 *
 * x is in the units of the data, images `[channels, height, width]` in [0,1]. `mean` and `std` are in the units after `scale`; each holds one
 * number for all channels or one per channel (per feature where a sample is a vector).
 */
export interface Preprocessing {
  /** Default 1; 255 for a network trained on raw bytes. */
  readonly scale?: number | readonly number[];
  /** Default 0. */
  readonly mean?: readonly number[];
  /** Default 1; positive. */
  readonly std?: readonly number[];
  /** Default "nchw"; "nhwc" transposes `[C,H,W]` to `[H,W,C]`. */
  readonly layout?: Layout;
}

/** The words of the command line: `--scale 255 --mean 0.49,0.48,0.45 --std 0.25 --layout nhwc`. */
export interface PreprocessingWords {
  readonly scale?: string;
  readonly mean?: string;
  readonly std?: string;
  readonly layout?: string;
}

/** Read a preprocessing from words; one that is missing stays out of the record. Throws `UsageError`. */
export function parsePreprocessing(words: PreprocessingWords): Preprocessing {
  const { scale, mean, std, layout } = words;
  const parsed = {
    ...(scale !== undefined && { scale: oneOrMore(parseList("--scale", scale)) }),
    ...(mean !== undefined && { mean: parseList("--mean", mean) }),
    ...(std !== undefined && { std: parseList("--std", std) }),
    ...(layout !== undefined && { layout: parseLayout(layout) }),
  };
  checkValues(parsed);
  return parsed;
}

/** Give the preprocessing back if it fits samples of a shape, or throw `UsageError`. */
export function checkPreprocessing(preprocessing: Preprocessing, shape: Shape): Preprocessing {
  checkValues(preprocessing);
  for (const what of ["scale", "mean", "std"] as const) {
    const length = listOf(preprocessing[what] ?? 1).length;
    if (length !== 1 && length !== shape[0]) {
      const rule = `must hold 1 or ${shape[0]} numbers for samples ${showShape(shape)}`;
      throw new UsageError(`preprocessing: ${what} ${rule}, got ${length}`);
    }
  }
  if (preprocessing.layout === "nhwc" && shape.length !== 3) {
    throw new UsageError(`preprocessing: layout nhwc needs samples [channels,height,width], got ${showShape(shape)}`);
  }
  return preprocessing;
}

/** One number or several as a list. */
export const listOf = (values: number | readonly number[]): readonly number[] =>
  typeof values === "number" ? [values] : values;

/** The words that `parsePreprocessing` reads. */
export function preprocessingWords({ scale, mean, std, layout }: Preprocessing): PreprocessingWords {
  return {
    ...(scale !== undefined && { scale: listOf(scale).join(",") }),
    ...(mean !== undefined && { mean: mean.join(",") }),
    ...(std !== undefined && { std: std.join(",") }),
    ...(layout !== undefined && { layout }),
  };
}

/**
 * The preprocessing under which every channel of the samples (every feature, where a sample is a vector) has mean 0 and deviation 1. One that
 * is the same in all samples is only moved to 0.
 */
export function normalizing({ x, shape, count }: Pick<Samples, "x" | "shape" | "count">): Preprocessing {
  const channels = shape[0];
  const inner = sizeOf(shape.slice(1));
  const over = (value: (v: number, c: number) => number) => {
    const sums = new Float64Array(channels);
    for (let i = 0; i < x.length; i++) {
      const c = Math.floor(i / inner) % channels;
      sums[c] += value(x[i], c);
    }
    return Array.from(sums, (sum) => sum / (count * inner));
  };
  const mean = over((v) => v);
  const std = over((v, c) => (v - mean[c]) ** 2).map(Math.sqrt);
  // Float32, as which they count.
  return { mean: mean.map(Math.fround), std: std.map((s) => Math.fround(s) || 1) };
}

/** Check numbers that came from outside, without a layout; throws SpecError with their path. */
export function readPreprocessing(path: string, value: unknown): Omit<Preprocessing, "layout"> {
  const is = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!is) throw new SpecError(`${path}: must be an object, got ${JSON.stringify(value)}`);
  for (const [key, own] of Object.entries(value)) {
    const isNumbers = Array.isArray(own) && own.length > 0 && own.every((v) => typeof v === "number");
    const fits =
      key === "scale" ? typeof own === "number" || isNumbers : (key === "mean" || key === "std") && isNumbers;
    if (!fits) throw new SpecError(`${path}.${key}: is not as it may be, got ${JSON.stringify(own)}`);
  }
  try {
    checkValues(value);
  } catch (error) {
    throw error instanceof UsageError ? new SpecError(`${path}: ${error.message}`) : error;
  }
  return value;
}

// --- internal ---

const oneOrMore = (values: readonly number[]): number | readonly number[] => (values.length === 1 ? values[0] : values);

function checkValues({ scale = 1, mean = [0], std = [1] }: Preprocessing): void {
  const scales = listOf(scale);
  if (scales.length === 0 || !scales.every((s) => Number.isFinite(s) && s !== 0)) {
    throw new UsageError(`preprocessing: scale must be finite and not 0, got ${scale}`);
  }
  if (mean.length === 0 || !mean.every((m) => Number.isFinite(m))) {
    throw new UsageError(`preprocessing: mean must be finite numbers, got ${JSON.stringify(mean)}`);
  }
  if (std.length === 0 || !std.every((s) => Number.isFinite(s) && s > 0)) {
    throw new UsageError(`preprocessing: std must be positive numbers, got ${JSON.stringify(std)}`);
  }
}

function parseOne(who: string, word: string): number {
  const value = word.trim() === "" ? Number.NaN : Number(word);
  if (!Number.isFinite(value)) throw new UsageError(`${who}: must be a number, got "${word}"`);
  return value;
}

const parseList = (who: string, word: string): number[] => word.split(",").map((part) => parseOne(who, part));

function parseLayout(word: string): Layout {
  if (word === "nchw" || word === "nhwc") return word;
  throw new UsageError(`--layout: must be nchw or nhwc, got "${word}"`);
}
