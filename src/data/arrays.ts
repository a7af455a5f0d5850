/** @file Arrays as files hold them (IDX, npy), and the data set two of them make. The stored type decides the meaning: bytes are pixels and divided by 255, whole numbers as `y` are labels, floats as `y` are targets. */
import { ReadError } from "../tensor/errors.ts";
import type { Shape } from "../tensor/shape.ts";
import { showShape } from "../tensor/shape.ts";
import { checkDataset, type Dataset } from "./dataset.ts";

export type StoredData = Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array | Float32Array | Float64Array;

export type StoredType = "bool" | "uint8" | "int8" | "int16" | "int32" | "int64" | "float32" | "float64";

/** What was stored: row-major, `data` as `dtype` says (bool as 0 and 1 in a Uint8Array). */
export interface StoredArray {
  readonly dtype: StoredType;
  readonly shape: Shape;
  readonly data: StoredData;
}

/** Labels above this are taken for a mistake: a one-hot vector of them would not fit in memory. */
const MOST_CLASSES = 65_536;

/**
 * Make a data set of samples `x` `[n,...]` and answers `y`.
 *
 * `x` as uint8 becomes pixels in [0,1]; `[n,h,w]` becomes `[n,1,h,w]`. `y` of whole numbers `[n]` or `[n,1]` makes a classification with
 * `classes` classes (default: the largest label + 1), floats `[n]` or `[n,outputs]` a regression. Throws `ReadError`.
 */
export function datasetFromArrays(name: string, x: StoredArray, y: StoredArray, classes?: number): Dataset {
  if (x.shape.length === 0 || y.shape.length === 0 || x.shape[0] !== y.shape[0]) {
    const got = `${showShape(x.shape)} and ${showShape(y.shape)}`;
    throw new ReadError(`${name}: samples and labels must be equally many, got shapes ${got}`);
  }
  const [count, ...rest] = x.shape;
  const shape = rest.length === 0 ? [1] : rest.length === 2 ? [1, ...rest] : rest;
  const pixels = x.dtype === "uint8";
  const base = { name, x: toInputs(x), shape, count, ...(pixels && { range: [0, 1] as const }) };
  const [, width = 1, ...more] = y.shape;
  const regression = y.dtype === "float32" || y.dtype === "float64";
  if (more.length > 0 || (!regression && width !== 1)) {
    const rule = regression ? "targets must be [n] or [n,outputs]" : "labels must be [n]";
    throw new ReadError(`${name}: ${rule}, got ${showShape(y.shape)}`);
  }
  if (regression) {
    const targets = Float32Array.from(toNumbers(y));
    return checkDataset({ ...base, task: "regression", labels: new Int32Array(0), targets, classes: width });
  }
  const labels = toLabels(name, toNumbers(y));
  return checkDataset({
    ...base,
    task: "classification",
    labels,
    targets: new Float32Array(0),
    classes: classes ?? countClasses(labels),
  });
}

/** Labels as int32; throws `ReadError` for one that is not a whole number from 0. */
export function toLabels(name: string, values: ArrayLike<number>): Int32Array {
  const labels = new Int32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (!Number.isInteger(value) || value < 0 || value >= MOST_CLASSES) {
      throw new ReadError(`${name}: labels must be whole numbers 0..${MOST_CLASSES - 1}, got ${value} for sample ${i}`);
    }
    labels[i] = value;
  }
  return labels;
}

/** The largest label + 1. */
export const countClasses = (labels: Int32Array): number =>
  labels.reduce((most, label) => Math.max(most, label), -1) + 1;

/** Bytes 0..255 as float32 pixels in [0,1]. */
export function toPixels(bytes: Uint8Array): Float32Array {
  const pixels = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) pixels[i] = PIXELS[bytes[i]];
  return pixels;
}

// --- internal ---

/** A table is several times faster than a division per pixel. */
const PIXELS = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

function toInputs(x: StoredArray): Float32Array {
  if (x.dtype === "uint8" && x.data instanceof Uint8Array) return toPixels(x.data);
  if (x.data instanceof Float32Array) return x.data;
  return Float32Array.from(toNumbers(x));
}

function toNumbers(array: StoredArray): ArrayLike<number> {
  return array.data instanceof BigInt64Array ? Float64Array.from(array.data, Number) : array.data;
}
