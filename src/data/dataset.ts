/** @file A data set: samples side by side in one array, with labels or targets. Inputs stay in the units of the data (images in [0,1]); preprocessing belongs to the network, so that radii mean the same for every network. */
import { ReadError, UsageError } from "../tensor/errors.ts";
import type { Random } from "../tensor/random.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";

export type Task = "classification" | "regression";

export interface Dataset {
  readonly name: string;
  readonly task: Task;
  /** `[count, ...shape]`, row-major. */
  readonly x: Float32Array;
  /** Of one sample: `[channels, height, width]` for images, `[features]` otherwise. */
  readonly shape: Shape;
  readonly count: number;
  /** Classification: `[count]`, 0..classes-1; regression: empty. */
  readonly labels: Int32Array;
  /** Regression: `[count, classes]`; classification: empty. */
  readonly targets: Float32Array;
  /** Classification: the number of classes; regression: the width of a target. */
  readonly classes: number;
  /** The valid range of every input coordinate, where there is one; images have [0,1]. */
  readonly range?: readonly [number, number];
}

export interface Split {
  readonly train: Dataset;
  readonly test: Dataset;
}

/** Give the data set back, or throw a `ReadError` that names it: empty, wrong sizes, numbers that are not finite, labels or inputs out of range. */
export function checkDataset(dataset: Dataset): Dataset {
  const { name, task, x, shape, count, labels, targets, classes } = dataset;
  const regression = task === "regression";
  if (count === 0) throw new ReadError(`${name}: a data set must hold at least one sample, got none`);
  if (!shape.every((d) => Number.isInteger(d) && d > 0)) {
    throw new ReadError(`${name}: a sample must have positive dimensions, got ${showShape(shape)}`);
  }
  checkLength(name, "x", x, count * sizeOf(shape));
  if (!Number.isInteger(classes) || classes < (regression ? 1 : 2)) {
    const rule = regression ? "a target must have at least one number" : "there must be at least two classes";
    throw new ReadError(`${name}: ${rule}, got ${classes}`);
  }
  checkLength(name, "labels", labels, regression ? 0 : count);
  checkLength(name, "targets", targets, regression ? count * classes : 0);
  const strange = labels.findIndex((label) => label < 0 || label >= classes);
  if (strange >= 0) {
    throw new ReadError(`${name}: labels must be 0..${classes - 1}, got ${labels[strange]} for sample ${strange}`);
  }
  checkNumbers(name, "inputs", x, sizeOf(shape), dataset.range);
  checkNumbers(name, "targets", targets, classes);
  return dataset;
}

/** The samples at some indices, in that order; copies. */
export function subset(dataset: Dataset, indices: ArrayLike<number>): Dataset {
  const { x, labels, targets, classes, count } = dataset;
  const size = sizeOf(dataset.shape);
  const wide = dataset.task === "regression" ? classes : 0;
  const own = new Float32Array(indices.length * size);
  const ownTargets = new Float32Array(indices.length * wide);
  for (let to = 0; to < indices.length; to++) {
    const from = indices[to];
    if (!Number.isInteger(from) || from < 0 || from >= count) {
      throw new UsageError(`subset: an index into ${dataset.name} must be 0..${count - 1}, got ${from}`);
    }
    own.set(x.subarray(from * size, (from + 1) * size), to * size);
    if (wide > 0) ownTargets.set(targets.subarray(from * wide, (from + 1) * wide), to * wide);
  }
  const ownLabels = wide > 0 ? new Int32Array(0) : Int32Array.from(indices, (i) => labels[i]);
  return { ...dataset, x: own, count: indices.length, labels: ownLabels, targets: ownTargets };
}

/** The first n samples; shares storage. */
export function take(dataset: Dataset, n: number): Dataset {
  const { name, count, shape, task, classes } = dataset;
  if (!Number.isInteger(n) || n < 1 || n > count) {
    throw new UsageError(`take: the number of samples of ${name} must be 1..${count}, got ${n}`);
  }
  return {
    ...dataset,
    x: dataset.x.subarray(0, n * sizeOf(shape)),
    count: n,
    labels: dataset.labels.subarray(0, n),
    targets: dataset.targets.subarray(0, task === "regression" ? n * classes : 0),
  };
}

/** Divide at random into `fraction` (train) and the rest (test), both in the original order and neither empty. */
export function splitDataset(dataset: Dataset, fraction: number, random: Random): Split {
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

/** The sha256, in hexadecimal, of the bytes of x (float32), labels (int32) and targets (float32), little-endian, one after another. */
export async function hashDataset(dataset: Dataset): Promise<string> {
  const parts = [dataset.x, dataset.labels, dataset.targets];
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

function checkLength(name: string, what: string, values: ArrayLike<number>, expected: number): void {
  if (values.length !== expected) {
    throw new ReadError(`${name}: ${what} must hold ${expected} numbers, got ${values.length}`);
  }
}

function checkNumbers(
  name: string,
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
    throw new ReadError(`${name}: ${what} must be ${rule}, got ${value} in sample ${Math.floor(i / size)}`);
  }
}
