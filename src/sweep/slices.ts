/** @file From one question about many samples to jobs about a few: slices of a data set, the same however many workers there are. */
import { type Dataset, hashDataset, type Samples, type Unlabelled } from "../data/dataset.ts";
import { type AttackJob, type CertifyJob, idOf, type Ticket } from "./job.ts";

/** A part of a data set. */
export interface Slice {
  readonly from: number;
  readonly to: number;
}

/** Slices of nearly equal size: about sixteen of few samples, and no more than 256 in one, which fill a batch. */
export function slicesOf(count: number): readonly Slice[] {
  const size = Math.min(256, Math.max(16, Math.ceil(count / 16)));
  const n = Math.ceil(count / size);
  return Array.from({ length: n }, (_, k) => ({
    from: Math.floor((k * count) / n),
    to: Math.floor(((k + 1) * count) / n),
  }));
}

/** A job for each slice: `make` says it of one, given its share of all samples. */
export const planSlices = (
  count: number,
  file: string,
  make: (slice: Slice, share: number) => CertifyJob | AttackJob,
): readonly Ticket[] =>
  slicesOf(count).map((slice) => {
    const job = make(slice, (slice.to - slice.from) / count);
    return { id: idOf(job), job, label: `${slice.from} to ${slice.to}`, file };
  });

/** sha256 of samples with the labels that they come with, if any. */
export const hashSamples = (samples: Dataset | Unlabelled): Promise<string> =>
  hashDataset(
    samples.task === "none"
      ? {
          ...(samples as Samples),
          task: "classification",
          classes: 1,
          labels: new Int32Array(0),
          targets: new Float32Array(0),
        }
      : (samples as Dataset),
  );
