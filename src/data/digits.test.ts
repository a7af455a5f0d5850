/** @file Tests of digits.ts. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { checkDataset, type Dataset } from "./dataset.ts";
import { digits } from "./digits.ts";
import { loadDataset } from "./files.ts";

const SHARED = "../shared/data";
const missing = !existsSync(`${SHARED}/mnist`);
if (missing) process.stderr.write(`digits.test.ts: skipped a comparison with MNIST: no folder ${SHARED}/mnist\n`);

const { train, test } = await digits();
const PIXELS = 784;
const bytes = (part: Dataset) => Uint8Array.from(part.x, (v) => Math.round(255 * v));
const images = (part: Dataset) => Array.from({ length: part.count }, (_, i) => key(part, i));
const key = (part: Dataset, i: number) =>
  `${part.labels[i]}:${bytes({ ...part, x: part.x.subarray(i * PIXELS, (i + 1) * PIXELS) })}`;

describe("digits()", () => {
  it("has 5,000 and 1,000 images, each digit alike", () => {
    for (const [part, each] of [
      [train, 500],
      [test, 100],
    ] as const) {
      checkDataset(part);
      expect([part.count, part.shape, part.classes]).toEqual([10 * each, [1, 28, 28], 10]);
      for (let digit = 0; digit < 10; digit++)
        expect(part.labels.filter((label) => label === digit)).toHaveLength(each);
    }
  });

  it("holds the pixels the script cut", () => {
    const md5 = createHash("md5").update(bytes(train)).update(bytes(test)).digest("hex");
    expect(md5).toBe("7023a36bbd6fb1d091553750aa056a3f");
  });

  it("has no image twice, neither within a part nor across", () => {
    expect(new Set([...images(train), ...images(test)]).size).toBe(6000);
  });

  it.skipIf(missing)("is a part of MNIST's first 10,000 training images, and of no test image", async () => {
    const mnist = await loadDataset("mnist", { dataDir: SHARED });
    const first = new Set(Array.from({ length: 10_000 }, (_, i) => key(mnist.train, i)));
    for (const image of [...images(train), ...images(test)]) expect(first.has(image)).toBe(true);
    const clean = new Set(images(mnist.test));
    expect([...images(train), ...images(test)].some((image) => clean.has(image))).toBe(false);
  });
});
