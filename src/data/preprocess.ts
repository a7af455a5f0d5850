/** @file Preprocessing as a record. It is never applied to the data: it becomes the first part of the network, so that constants and radii are in the units of the data. */
import { UsageError } from "../tensor/errors.ts";
import { type Shape, showShape } from "../tensor/shape.ts";

export type Layout = "nchw" | "nhwc";

/**
 * What is done to a sample x before the network sees it: `(x * scale - mean) / std`, then the layout, then a reshape to the network's own input.
 *
 * x is in the units of the data, images `[channels, height, width]` in [0,1]. `mean` and `std` are in the units after `scale`; they hold one
 * number for all channels or one per channel (per feature where a sample is a vector).
 */
export interface Preprocessing {
  /** Default 1; 255 for a network trained on raw bytes. */
  readonly scale?: number;
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
    ...(scale !== undefined && { scale: parseOne("--scale", scale) }),
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
  for (const what of ["mean", "std"] as const) {
    const length = preprocessing[what]?.length ?? 1;
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

// --- internal ---

function checkValues({ scale = 1, mean = [0], std = [1] }: Preprocessing): void {
  if (!Number.isFinite(scale) || scale === 0) {
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
