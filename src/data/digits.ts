/** @file The embedded digits: 6,000 MNIST training images, so that everything runs without a download. The pack is loaded only when asked for. */
import { ReadError } from "../tensor/errors.ts";
import { toPixels } from "./arrays.ts";
import type { Dataset, Split } from "./dataset.ts";
import { gunzip } from "./gzip.ts";

/**
 * 5,000 training and 1,000 test images of handwritten digits, shape `[1,28,28]`, pixels in [0,1], balanced: image i shows i mod 10.
 *
 * Both parts come from MNIST's first 10,000 training images, so a network trained here has never seen MNIST's own test set. Accuracies are
 * not those of MNIST. Licence: CC BY-SA 3.0, see NOTICE.md.
 *
 * Reference: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
 */
export async function digits(): Promise<Split> {
  const { pack } = await import("./digitsPack.ts");
  const bytes = await gunzip("digits", fromBase64(pack));
  if (bytes.length !== (TRAIN + TEST) * PIXELS) {
    throw new ReadError(`digits: the pack must hold ${(TRAIN + TEST) * PIXELS} pixels, got ${bytes.length}`);
  }
  const x = toPixels(bytes);
  return { train: images(x.subarray(0, TRAIN * PIXELS), TRAIN), test: images(x.subarray(TRAIN * PIXELS), TEST) };
}

// --- internal ---

const TRAIN = 5000;
const TEST = 1000;
const PIXELS = 28 * 28;

function images(x: Float32Array, count: number): Dataset {
  return {
    name: "digits",
    task: "classification",
    x,
    shape: [1, 28, 28],
    count,
    labels: Int32Array.from({ length: count }, (_, i) => i % 10),
    targets: new Float32Array(0),
    classes: 10,
    range: [0, 1],
  };
}

function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
