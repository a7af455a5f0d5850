/** @file CIFAR-10, binary version: records of one label byte and 3 x 32 x 32 pixel bytes (red, green, blue planes), nothing else. */
import { ReadError } from "../tensor/errors.ts";
import { toPixels } from "./arrays.ts";
import { checkDataset, type Dataset } from "./dataset.ts";

export interface CifarBatch {
  readonly file: string;
  readonly bytes: Uint8Array;
}

/**
 * Make one data set of shape `[3,32,32]`, pixels in [0,1], of batch files in order. Throws `ReadError` naming the file.
 *
 * Reference: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
 */
export function parseCifar10(name: string, batches: readonly CifarBatch[]): Dataset {
  for (const { file, bytes } of batches) {
    if (bytes.length === 0 || bytes.length % RECORD !== 0) {
      const what = `a CIFAR-10 batch must be one or more records of ${RECORD} bytes`;
      throw new ReadError(`${file}: ${what}, got ${bytes.length} bytes; is it truncated?`);
    }
  }
  const count = batches.reduce((sum, { bytes }) => sum + bytes.length / RECORD, 0);
  const pixels = new Uint8Array(count * PIXELS);
  const labels = new Int32Array(count);
  let at = 0;
  for (const { file, bytes } of batches) {
    for (let from = 0; from < bytes.length; from += RECORD, at++) {
      if (bytes[from] > 9) {
        throw new ReadError(`${file}: labels must be 0..9, got ${bytes[from]} in record ${from / RECORD}`);
      }
      labels[at] = bytes[from];
      pixels.set(bytes.subarray(from + 1, from + RECORD), at * PIXELS);
    }
  }
  return checkDataset({
    name,
    task: "classification",
    x: toPixels(pixels),
    shape: [3, 32, 32],
    count,
    labels,
    targets: new Float32Array(0),
    classes: 10,
    range: [0, 1],
  });
}

// --- internal ---

const PIXELS = 3 * 32 * 32;
const RECORD = 1 + PIXELS;
