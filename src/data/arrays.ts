/** @file Arrays as files hold them (IDX, npy), and the data set that two of them make. The stored type decides the meaning: bytes are pixels and divided by 255, whole numbers as `y` are labels, floats as `y` are targets, text as `y` is the names of classes. */
import { ReadError } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";
import { showShape } from "../tensor/shape.ts";
import { type AnswerOptions, answersOf } from "./answers.ts";
import { checkDataset, checkSamples, type Dataset, type Unlabelled } from "./dataset.ts";

export type StoredNumbers =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

export type StoredType =
  | "bool"
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "uint32"
  | "int32"
  | "uint64"
  | "int64"
  | "float16"
  | "float32"
  | "float64";

/** What was stored: row-major, `data` as `dtype` says (bool as 0 and 1 in a Uint8Array, float16 in a Float32Array). */
export interface StoredArray {
  readonly dtype: StoredType;
  readonly shape: Shape;
  readonly data: StoredNumbers;
}

/** An array of words. */
export interface StoredText {
  readonly dtype: "text";
  readonly shape: Shape;
  readonly data: readonly string[];
}

export interface ArrayOptions extends AnswerOptions {
  /** A name for each sample. Default: "row 0", "row 1", ... */
  readonly ids?: readonly string[] | undefined;
}

/**
 * Make a data set of samples `x` `[n,...]` and answers `y`, or without answers.
 *
 * `x` as uint8 becomes pixels in [0,1], other numbers stay as they are; `[n,h,w]` becomes `[n,1,h,w]`. `y` of whole numbers or
 * text `[n]` or `[n,1]` makes a classification, floats `[n]` or `[n,outputs]` a regression, unless the task is told. Throws `ReadError`.
 */
export function datasetFromArrays(
  name: string,
  x: StoredArray,
  y: StoredArray | StoredText,
  options?: ArrayOptions,
): Dataset;
export function datasetFromArrays(
  name: string,
  x: StoredArray,
  y?: StoredArray | StoredText,
  options?: ArrayOptions,
): Dataset | Unlabelled;
export function datasetFromArrays(
  name: string,
  x: StoredArray,
  y?: StoredArray | StoredText,
  options: ArrayOptions = {},
): Dataset | Unlabelled {
  const samples = samplesFrom(name, x, options.ids);
  if (y === undefined) return checkSamples({ ...samples, task: "none" });
  if (y.shape.length === 0 || y.shape[0] !== samples.count) {
    const got = `${showShape(x.shape)} and ${showShape(y.shape)}`;
    throw new ReadError(`${name}: samples and labels must be equally many, got shapes ${got}`);
  }
  const [, width = 1, ...more] = y.shape;
  const float = y.dtype === "float16" || y.dtype === "float32" || y.dtype === "float64";
  if (more.length > 0 || (!float && options.task !== "regression" && width !== 1)) {
    const rule = float ? "targets must be [n] or [n,outputs]" : "labels must be [n]";
    throw new ReadError(`${name}: ${rule}, got ${showShape(y.shape)}`);
  }
  const stored = y.dtype === "text" ? "text" : float ? "float" : "whole";
  const values = y.dtype === "text" ? y.data : toNumbers(y);
  const at = (sample: number) => `sample ${sample}`;
  return checkDataset({ ...samples, ...answersOf(name, { values, width, stored, at }, options) });
}

/** Bytes 0..255 as float32 pixels in [0,1]. */
export function toPixels(bytes: Uint8Array): Float32Array {
  const pixels = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) pixels[i] = PIXELS[bytes[i]];
  return pixels;
}

/** Any numbers as numbers; 64-bit integers lose what a double cannot hold. */
export function toNumbers(array: StoredArray): ArrayLike<number> {
  const { data } = array;
  return data instanceof BigInt64Array || data instanceof BigUint64Array ? Float64Array.from(data, Number) : data;
}

// --- internal ---

/** A table is several times faster than a division per pixel. */
const PIXELS = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

function samplesFrom(name: string, x: StoredArray, ids: readonly string[] | undefined) {
  if (x.shape.length === 0) throw new ReadError(`${name}: samples must be [n,...], got a single number`);
  const [count, ...rest] = x.shape;
  const pixels = x.dtype === "uint8";
  const shape = rest.length === 0 ? [1] : rest.length === 2 ? [1, ...rest] : rest;
  return {
    name,
    x: toInputs(x),
    shape,
    count,
    ids: ids ?? Array.from({ length: count }, (_, i) => `row ${i}`),
    ...(pixels && { range: [0, 1] as const }),
  };
}

function toInputs(x: StoredArray): Float32Array {
  if (x.dtype === "uint8" && x.data instanceof Uint8Array) return toPixels(x.data);
  if (x.data instanceof Float32Array) return x.data;
  return Float32Array.from(toNumbers(x));
}
