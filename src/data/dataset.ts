/** @file A data set: samples side by side in one array, with labels or targets. Inputs stay in the units of the data (images in [0,1]); preprocessing belongs to the network, so that radii mean the same for every network. */
import { ReadError, UsageError } from "../tensor/errors.ts";
import type { Random } from "../tensor/random.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";

export type Task = "classification" | "regression";

/** Samples, whatever is known of them. */
export interface Samples {
  /** Of the data set, or the path that it was read from. */
  readonly name: string;
  /** `[count, ...shape]`, row-major. */
  readonly x: Float32Array;
  /** Of one sample: `[channels, height, width]` for images, `[features]` otherwise. */
  readonly shape: Shape;
  readonly count: number;
  /** The valid range of every input coordinate, where there is one; images have [0,1]. */
  readonly range?: readonly [number, number];
  /** What each sample is called where it comes from: a file name, a cell of an id column, "row 97" (from 0). */
  readonly ids?: readonly string[];
  /** What was guessed in reading, one sentence each. */
  readonly notes?: readonly string[];
}

/** Samples without answers: what a network says of them can stand for labels (`labelledBy`), or only the inputs count. */
export interface Unlabelled extends Samples {
  readonly task: "none";
}

export interface Dataset extends Samples {
  readonly task: Task;
  /** Classification: `[count]`, 0..classes-1; regression: empty. */
  readonly labels: Int32Array;
  /** Regression: `[count, classes]`; classification: empty. */
  readonly targets: Float32Array;
  /** Regression, where they are known: the derivatives of every target by every input, `[count, classes, ...shape]`. */
  readonly slopes?: Float32Array;
  /** Classification: the number of classes; regression: the width of a target. */
  readonly classes: number;
  /** The names of the classes, in their order. */
  readonly classNames?: readonly string[];
  /** Where the labels are not given but a network's own decisions: then an accuracy says nothing. */
  readonly labelsFrom?: "predictions";
}

export interface Split {
  readonly train: Dataset;
  readonly test: Dataset;
}

/** Give the data set back, or throw a `ReadError` that names it: empty, wrong sizes, numbers that are not finite, labels or inputs out of range. */
export function checkDataset(dataset: Dataset): Dataset {
  const { name, task, count, labels, targets, classes, classNames } = dataset;
  const regression = task === "regression";
  checkSamples(dataset);
  if (!Number.isInteger(classes) || classes < 1) {
    const rule = regression ? "a target must have at least one number" : "there must be at least one class";
    throw new ReadError(`${name}: ${rule}, got ${classes}`);
  }
  checkLength(name, "labels", labels, regression ? 0 : count);
  checkLength(name, "targets", targets, regression ? count * classes : 0);
  const strange = labels.findIndex((label) => label < 0 || label >= classes);
  if (strange >= 0) {
    throw new ReadError(`${name}: labels must be 0..${classes - 1}, got ${labels[strange]} for sample ${strange}`);
  }
  checkNumbers(dataset, "targets", targets, classes);
  if (dataset.slopes) {
    const each = classes * sizeOf(dataset.shape);
    checkLength(name, "slopes", dataset.slopes, regression ? count * each : 0);
    checkNumbers(dataset, "slopes", dataset.slopes, each);
  }
  if (classNames !== undefined && !regression) checkLength(name, "classNames", classNames, classes);
  return dataset;
}

/** The same of the samples alone. */
export function checkSamples<S extends Samples>(samples: S): S {
  const { name, x, shape, count, ids, range } = samples;
  if (count === 0) throw new ReadError(`${name}: a data set must hold at least one sample, got none`);
  if (!shape.every((d) => Number.isInteger(d) && d > 0)) {
    throw new ReadError(`${name}: a sample must have positive dimensions, got ${showShape(shape)}`);
  }
  checkLength(name, "x", x, count * sizeOf(shape));
  if (ids !== undefined) checkLength(name, "ids", ids, count);
  checkNumbers(samples, "inputs", x, sizeOf(shape), range);
  return samples;
}

/**
 * Throw `UsageError` where a network has another number of outputs than the classes have names. Names that were found in a file of tests may
 * be only some of those that a network was trained on: then nobody knows which output is whose.
 */
export function checkNames(who: string, { classNames }: Pick<Dataset, "classNames">, outputs: number): void {
  if (classNames === undefined || classNames.length === outputs) return;
  const some = `${classNames.slice(0, 5).join(", ")}${classNames.length > 5 ? ", ..." : ""}`;
  const rule = "each of its outputs must have the name of a class";
  throw new UsageError(`${who}: ${rule}, got ${outputs} and ${classNames.length} (${some}); say all classes, in order`);
}

/** What a sample is called where it comes from, or by its place. */
export const sampleName = ({ ids }: Pick<Samples, "ids">, index: number): string => ids?.[index] ?? `sample ${index}`;

/** The samples at some indices, in that order; copies. */
export function subset<D extends Dataset | Unlabelled>(data: D, indices: ArrayLike<number>): D {
  const { name, x, shape, count, ids } = data;
  for (let to = 0; to < indices.length; to++) {
    if (!Number.isInteger(indices[to]) || indices[to] < 0 || indices[to] >= count) {
      throw new UsageError(`subset: an index into ${name} must be 0..${count - 1}, got ${indices[to]}`);
    }
  }
  const own = {
    ...data,
    x: rowsOf(x, indices, sizeOf(shape)),
    count: indices.length,
    ...(ids && { ids: Array.from(indices, (i) => ids[i]) }),
  };
  if (data.task === "none") return own;
  const { task, labels, targets, classes, slopes } = data as Dataset;
  const regression = task === "regression";
  return {
    ...own,
    labels: regression ? new Int32Array(0) : Int32Array.from(indices, (i) => labels[i]),
    targets: regression ? rowsOf(targets, indices, classes) : new Float32Array(0),
    ...(slopes && { slopes: rowsOf(slopes, indices, classes * sizeOf(shape)) }),
  };
}

/** The first n samples; shares storage. */
export function take<D extends Dataset | Unlabelled>(data: D, n: number): D {
  const { name, x, count, shape, ids } = data;
  if (!Number.isInteger(n) || n < 1 || n > count) {
    throw new UsageError(`take: the number of samples of ${name} must be 1..${count}, got ${n}`);
  }
  const own = { ...data, x: x.subarray(0, n * sizeOf(shape)), count: n, ...(ids && { ids: ids.slice(0, n) }) };
  if (data.task === "none") return own;
  const { task, labels, targets, classes, slopes } = data as Dataset;
  return {
    ...own,
    labels: labels.subarray(0, n),
    targets: targets.subarray(0, task === "regression" ? n * classes : 0),
    ...(slopes && { slopes: slopes.subarray(0, n * classes * sizeOf(shape)) }),
  };
}

/** Divide at random into `fraction` (train) and the rest (test), both in the original order and neither empty. */
export function splitDataset<D extends Dataset | Unlabelled>(
  dataset: D,
  fraction: number,
  random: Random,
): { readonly train: D; readonly test: D } {
  const { name, count } = dataset;
  if (!(fraction > 0 && fraction < 1)) {
    throw new UsageError(`splitDataset: fraction must be between 0 and 1, got ${fraction}`);
  }
  if (count < 2) throw new UsageError(`splitDataset: ${name} must hold at least two samples, got ${count}`);
  const size = Math.min(count - 1, Math.max(1, Math.round(fraction * count)));
  const order = random.permutation(count);
  return {
    train: subset(dataset, order.slice(0, size).sort()),
    test: subset(dataset, order.slice(size).sort()),
  };
}

/** One hash of both parts. */
export async function hashSplit({ train, test }: Split): Promise<string> {
  return `${await hashDataset(train)}${await hashDataset(test)}`;
}

/** The sha256, in hexadecimal, of the bytes of x (float32), labels (int32), targets (float32) and slopes (float32), if there are any, little-endian, one after another. */
export async function hashDataset(dataset: Dataset): Promise<string> {
  const { x, labels, targets, slopes } = dataset;
  const parts = [x, labels, targets, ...(slopes ? [slopes] : [])];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at);
    at += part.byteLength;
  }
  const digest = new Uint8Array(await globalThis.crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// --- internal ---

function rowsOf(values: Float32Array, indices: ArrayLike<number>, width: number): Float32Array {
  const own = new Float32Array(indices.length * width);
  for (let to = 0; to < indices.length; to++) {
    own.set(values.subarray(indices[to] * width, (indices[to] + 1) * width), to * width);
  }
  return own;
}

function checkLength(name: string, what: string, values: ArrayLike<unknown>, expected: number): void {
  if (values.length !== expected) {
    throw new ReadError(`${name}: ${what} must hold ${expected} numbers, got ${values.length}`);
  }
}

function checkNumbers(
  samples: Samples,
  what: string,
  values: Float32Array,
  size: number,
  range?: readonly [number, number],
): void {
  const [low, high] = range ?? [-Infinity, Infinity];
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    // One comparison each way also catches NaN.
    if (value >= low && value <= high && value - value === 0) continue;
    const rule = Number.isFinite(value) ? `within [${low}, ${high}]` : "finite";
    const which = sampleName(samples, Math.floor(i / size));
    throw new ReadError(`${samples.name}: ${what} must be ${rule}, got ${value} in ${which}`);
  }
}
