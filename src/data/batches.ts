/** @file Minibatches: which samples go together, and the tensors they make. A training epoch drops its last partial batch, because a compiled step has one batch size; an evaluation keeps it. */
import { UsageError } from "../tensor/errors.ts";
import type { Random } from "../tensor/random.ts";
import { sizeOf } from "../tensor/shape.ts";
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

/** The batches of one training epoch, as indices: all samples in random order, floor(count / size) full batches. Fork `random` by the epoch. */
export function* trainingBatches(dataset: Dataset, size: number, random: Random): Generator<Uint32Array> {
  checkSize("trainingBatches", size);
  if (size > dataset.count) {
    const got = `${size} for ${dataset.count} samples of ${dataset.name}`;
    throw new UsageError(
      `trainingBatches: a batch must not be larger than the data set, got ${got}; use a smaller one`,
    );
  }
  const order = random.permutation(dataset.count);
  for (let at = 0; at + size <= order.length; at += size) yield order.subarray(at, at + size);
}

/** The batches of an evaluation, as indices: every sample once, in order; the last batch may be smaller. */
export function* evaluationBatches({ count }: Pick<Dataset, "count">, size: number): Generator<Uint32Array> {
  checkSize("evaluationBatches", size);
  for (let at = 0; at < count; at += size) {
    yield Uint32Array.from({ length: Math.min(size, count - at) }, (_, i) => at + i);
  }
}

/** The tensors of some samples; copies. */
export function gatherBatch(dataset: Dataset, indices: ArrayLike<number>): Batch {
  const { x, shape, targets, classes, count, slopes } = dataset;
  const size = sizeOf(shape);
  const inputs = new Float32Array(indices.length * size);
  const y = new Float32Array(indices.length * classes);
  const each = classes * size;
  const rates = new Float32Array(slopes ? indices.length * each : 0);
  const labels = new Int32Array(dataset.task === "classification" ? indices.length : 0);
  for (let i = 0; i < indices.length; i++) {
    const from = indices[i];
    // Out of range, the copies below would leave zeros without a word.
    if (!(from >= 0 && from < count)) {
      throw new UsageError(`gatherBatch: an index into ${dataset.name} must be 0..${count - 1}, got ${from}`);
    }
    inputs.set(x.subarray(from * size, (from + 1) * size), i * size);
    if (slopes) rates.set(slopes.subarray(from * each, (from + 1) * each), i * each);
    if (dataset.task === "regression") y.set(targets.subarray(from * classes, (from + 1) * classes), i * classes);
    else {
      labels[i] = dataset.labels[from];
      y[i * classes + labels[i]] = 1;
    }
  }
  return {
    x: tensor(inputs, [indices.length, ...shape]),
    y: tensor(y, [indices.length, classes]),
    labels,
    ...(slopes && { slopes: tensor(rates, [indices.length, classes, ...shape]) }),
  };
}

// --- internal ---

function checkSize(who: string, size: number): void {
  if (!Number.isInteger(size) || size < 1) {
    throw new UsageError(`${who}: a batch must have at least one sample, got ${size}`);
  }
}
