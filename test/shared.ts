/** @file Test data that lies beside the repository and is not part of it. Tests that need it are skipped, with a word, where it is missing. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync, inflateSync } from "node:zlib";

export const sharedData = fileURLToPath(new URL("../../shared/data/", import.meta.url));

/** Is a folder of the shared data there? Says so where it is not. */
export function hasShared(folder: string): boolean {
  const there = existsSync(sharedData + folder);
  if (!there) console.log(`skipped: there is no ../shared/data/${folder}`);
  return there;
}

/** The first `n` MNIST test images, 784 bytes each. */
export function mnistImages(n: number): Uint8Array[] {
  const bytes = gunzipSync(readFileSync(`${sharedData}mnist/t10k-images-idx3-ubyte.gz`));
  return Array.from({ length: n }, (_, i) => bytes.subarray(16 + 784 * i, 16 + 784 * (i + 1)));
}

/** The first `n` CIFAR-10 test images, 32 x 32 x 3 bytes each: a row of the picture is an image. */
export function cifarImages(n: number): Uint8Array[] {
  const { width, pixels } = decodePng(readFileSync(`${sharedData}cifar10/cifar10_batch_50.png`));
  return Array.from({ length: n }, (_, i) => pixels.subarray(3 * width * i, 3 * width * (i + 1)));
}

/** 8-bit RGB without interlacing: all that is needed here. */
function decodePng(png: Uint8Array): { readonly width: number; readonly pixels: Uint8Array } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const width = view.getUint32(16);
  const height = view.getUint32(20);
  const parts: Uint8Array[] = [];
  for (let at = 8; at < png.length; at += 12 + view.getUint32(at)) {
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    if (type === "IDAT") parts.push(png.subarray(at + 8, at + 8 + view.getUint32(at)));
  }
  const lines = inflateSync(Buffer.concat(parts));
  const row = 3 * width;
  const pixels = new Uint8Array(row * height);
  for (let y = 0; y < height; y++) {
    const filter = lines[y * (row + 1)];
    for (let x = 0; x < row; x++) {
      const left = x >= 3 ? pixels[y * row + x - 3] : 0;
      const up = y > 0 ? pixels[(y - 1) * row + x] : 0;
      const corner = x >= 3 && y > 0 ? pixels[(y - 1) * row + x - 3] : 0;
      const guess = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      pixels[y * row + x] = lines[y * (row + 1) + 1 + x] + guess;
    }
  }
  return { width, pixels };
}

function paeth(a: number, b: number, c: number): number {
  const [pa, pb, pc] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}
