/** @file Minibatches: which samples go together, and the tensors they make. A training epoch drops its last partial batch, because a compiled step has one batch size; an evaluation keeps it. */
import { UsageError } from "../tensor/errors.ts";
import type { Random } from "../tensor/random.ts";
import { type Shape, sizeOf } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import type { Dataset } from "./dataset.ts";

export interface Batch {
  /** `[batch, ...shape]`, float32. */
  readonly x: Tensor;
  /** float32: one-hot `[batch, classes]` for a classification, targets `[batch, outputs]` for a regression. */
  readonly y: Tensor;
  /** Where the data set has them: `[batch, outputs, ...shape]`. */
  readonly slopes?: Tensor;
  /** `[batch]` for a classification, empty for a regression. */
  readonly labels: Int32Array;
}

/**
 * The batches of one training epoch, as indices: all samples in random order, floor(count / size) full batches, up to `most` of them together, one after the
 * other. Fork `random` by the epoch.
 */
export function* trainingBatches(dataset: Dataset, size: number, random: Random, most = 1): Generator<Uint32Array> {
  checkSize("trainingBatches", size);
  if (size > dataset.count) {
    const got = `${size} for ${dataset.count} samples of ${dataset.name}`;
    throw new UsageError(
      `trainingBatches: a batch must not be larger than the data set, got ${got}; use a smaller one`,
    );
  }
  const order = random.permutation(dataset.count);
  const end = order.length - (order.length % size);
  for (let at = 0; at < end; at += most * size) yield order.subarray(at, Math.min(end, at + most * size));
}

/** The batches of an evaluation, as indices: every sample once, in order; the last batch may be smaller. */
export function* evaluationBatches({ count }: Pick<Dataset, "count">, size: number): Generator<Uint32Array> {
  checkSize("evaluationBatches", size);
  for (let at = 0; at < count; at += size) {
    yield Uint32Array.from({ length: Math.min(size, count - at) }, (_, i) => at + i);
  }
}

/** Memory for the tensors of up to so many samples, to be filled again and again: fresh memory costs more than the copy into it. */
export interface Room {
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly slopes: Float32Array;
  readonly labels: Int32Array;
}

/** Room for `count` samples. */
export function roomFor({ shape, classes, slopes, task }: Dataset, count: number): Room {
  const size = sizeOf(shape);
  return {
    x: new Float32Array(count * size),
    y: new Float32Array(count * classes),
    slopes: new Float32Array(slopes ? count * classes * size : 0),
    labels: new Int32Array(task === "classification" ? count : 0),
  };
}

/** The tensors of some samples; copies, in `room`, whose earlier tensors they overwrite. Default: fresh room. */
export function gatherBatch(dataset: Dataset, indices: ArrayLike<number>, room?: Room): Batch {
  const { x, shape, targets, classes, count, slopes, task } = dataset;
  const size = sizeOf(shape);
  const each = classes * size;
  const own = room ?? roomFor(dataset, indices.length);
  const y = own.y.subarray(0, indices.length * classes);
  if (room && task === "classification") y.fill(0);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i];
    // Out of range, the copies below would leave zeros without a word.
    if (!(from >= 0 && from < count)) {
      throw new UsageError(`gatherBatch: an index into ${dataset.name} must be 0..${count - 1}, got ${from}`);
    }
    own.x.set(x.subarray(from * size, (from + 1) * size), i * size);
    if (slopes) own.slopes.set(slopes.subarray(from * each, (from + 1) * each), i * each);
    if (task === "regression") y.set(targets.subarray(from * classes, (from + 1) * classes), i * classes);
    else {
      own.labels[i] = dataset.labels[from];
      y[i * classes + own.labels[i]] = 1;
    }
  }
  const rows = (values: Float32Array, shape: Shape) =>
    tensor(values.subarray(0, indices.length * sizeOf(shape)), [indices.length, ...shape]);
  return {
    x: rows(own.x, shape),
    y: rows(y, [classes]),
    labels: own.labels.subarray(0, indices.length),
    ...(slopes && { slopes: rows(own.slopes, [classes, ...shape]) }),
  };
}

// --- internal ---

function checkSize(who: string, size: number): void {
  if (!Number.isInteger(size) || size < 1) {
    throw new UsageError(`${who}: a batch must have at least one sample, got ${size}`);
  }
}
