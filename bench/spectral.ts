/**
 * @file The norms of convolutions: our proved bound against the power method of lipEstimation (Virmaux and Scaman 2018) in PyTorch, on
 * the same kernels. Theirs is a lower bound; what is compared is the time until each has its number. Of both the fastest rounds count, in
 * seconds of the processor on one thread, so that other work on the machine does not.
 * Run by itself: `npx tsx bench/spectral.ts`. What was measured stands in bench/spectral.md.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { convolutionNorm } from "../src/linalg/convolution.ts";
import { normalTensor, random } from "../src/tensor/random.ts";
import { findTorch } from "./pytorch.ts";

interface Size {
  readonly inner: number;
  readonly out: number;
  readonly side: number;
}

export interface SpectralRow extends Size {
  readonly seconds: number;
  /** Proved bound over the largest lower bound that either found. */
  readonly above: number;
  /** Null without PyTorch. */
  readonly theirs: { readonly seconds: number; readonly iterations: number; readonly below: number } | null;
}

/** A 3x3 convolution 64-64 at 32x32, then the eight convolutions of a VGG-sized stack. */
const sizes: readonly Size[] = [
  { inner: 64, out: 64, side: 32 },
  { inner: 3, out: 64, side: 32 },
  { inner: 64, out: 64, side: 32 },
  { inner: 64, out: 128, side: 16 },
  { inner: 128, out: 128, side: 16 },
  { inner: 128, out: 256, side: 8 },
  { inner: 256, out: 256, side: 8 },
  { inner: 256, out: 256, side: 4 },
  { inner: 256, out: 256, side: 4 },
];

/** Time both, one after the other. */
export function spectral(python: string | null): readonly SpectralRow[] {
  const source = random(0);
  const kernels = sizes.map(({ inner, out }, k) => {
    const deviation = Math.sqrt(2 / (9 * inner));
    return normalTensor(source.fork(k), [out, inner, 3, 3], deviation).data as Float32Array;
  });
  const theirs = python ? powerMethods(python, kernels) : null;
  measure(sizes[0], kernels[0]); // warming up
  return sizes.map((size, k) => {
    const own = measure(size, kernels[k]);
    const other = theirs?.[k];
    const least = Math.max(own.lower, other?.norm ?? 0);
    return {
      ...size,
      seconds: own.seconds,
      above: own.upper / least,
      theirs: other ? { seconds: other.seconds, iterations: other.iterations, below: other.norm / own.upper } : null,
    };
  });
}

/** The same as text. */
export function showSpectral(python: string | null): void {
  console.log("spectral norm of 3x3 convolutions: a proved bound, against 500 power iterations in PyTorch");
  let [ours, theirs] = [0, 0];
  for (const [k, row] of spectral(python).entries()) {
    const { inner, out, side, seconds, above } = row;
    const proved = `proved in ${seconds.toFixed(3)} s, at most ${(100 * (above - 1)).toFixed(1)} % above the norm`;
    const other = row.theirs
      ? `; PyTorch ${row.theirs.seconds.toFixed(3)} s for ${(100 * (1 - row.theirs.below)).toFixed(1)} % below our bound, ${(row.theirs.seconds / seconds).toFixed(1)} times our time`
      : "";
    console.log(`  ${inner}-${out} at ${side}x${side}: ${proved}${other}`);
    if (k === 0) continue;
    ours += seconds;
    theirs += row.theirs?.seconds ?? 0;
  }
  console.log(`  the last eight together: ${ours.toFixed(2)} s${theirs > 0 ? `, PyTorch ${theirs.toFixed(2)} s` : ""}`);
}

// --- internal ---

function measure({ inner, out, side }: Size, kernel: Float32Array) {
  const geometry = { kernelShape: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 };
  const conv = { ...geometry, kernel: Float64Array.from(kernel), outChannels: out, inChannels: inner };
  let [upper, seconds] = [0, Number.POSITIVE_INFINITY];
  for (let round = 0; round < 3; round++) {
    const start = process.cpuUsage();
    upper = convolutionNorm({ ...conv, input: [side, side] }, 2, { lowerIterations: 0, tolerance: 1e-3 }).upper;
    const { user, system } = process.cpuUsage(start);
    seconds = Math.min(seconds, (user + system) / 1e6);
  }
  const { lower } = convolutionNorm({ ...conv, input: [side, side] }, 2);
  return { lower, upper, seconds };
}

function powerMethods(python: string, kernels: readonly Float32Array[]) {
  const folder = mkdtempSync(join(tmpdir(), "spectral-"));
  try {
    const specs = sizes.map(({ inner, out, side }, k) => {
      const file = join(folder, `${k}`);
      writeFileSync(file, kernels[k]);
      return `${file}:${inner}:${out}:${side}`;
    });
    const script = fileURLToPath(new URL("spectral.py", import.meta.url));
    const { stdout, status } = spawnSync(python, [script, ...specs], { encoding: "utf8" });
    if (status !== 0) throw new Error("spectral.py failed");
    return stdout
      .trim()
      .split("\n")
      .map((line) => {
        const [norm, iterations, seconds] = line.split(" ").map(Number);
        return { norm, iterations, seconds };
      });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  showSpectral(findTorch());
}
