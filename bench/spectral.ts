/**
 * @file The norms of convolutions: our proved bound against the power method of lipEstimation (Virmaux and Scaman 2018) in PyTorch, on
 * the same kernels. Theirs is a lower bound; what is compared is the time until each has its number. Of both the fastest rounds count, in
 * seconds of the processor on one thread, so that other work on the machine does not.
 * Run by itself: `npx tsx bench/spectral.ts` (some minutes). What was measured stands in bench/spectral.md.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { convolutionNorm } from "../src/linalg/convolution.ts";
import { normalTensor, random } from "../src/tensor/random.ts";
import { findTorch } from "./peers.ts";

interface Size {
  readonly inner: number;
  readonly out: number;
  readonly side: number;
}

export interface SpectralRow extends Size {
  readonly seconds: number;
  /** Proved bound over the largest lower bound found, ours or by Lanczos steps in PyTorch. */
  readonly above: number;
  /** Null without PyTorch. */
  readonly theirs: Found | null;
}

interface Found {
  readonly seconds: number;
  readonly iterations: number;
  /** What the power method found, below the norm. */
  readonly norm: number;
  /** What Lanczos steps found from there on, and how much of it their last restart added, relatively. */
  readonly lower: number;
  readonly gain: number;
}

const sizesOf = (...sizes: readonly (readonly [number, number, number])[]): readonly Size[] =>
  sizes.map(([inner, out, side]) => ({ inner, out, side }));

/** The convolutions of VGG-11 at their sizes, those of a net like it for small images, and one by itself. */
export const stacks = {
  one: sizesOf([64, 64, 32]),
  vgg: sizesOf(
    [3, 64, 224],
    [64, 128, 112],
    [128, 256, 56],
    [256, 256, 56],
    [256, 512, 28],
    [512, 512, 28],
    [512, 512, 14],
    [512, 512, 14],
  ),
  small: sizesOf(
    [3, 64, 32],
    [64, 64, 32],
    [64, 128, 16],
    [128, 128, 16],
    [128, 256, 8],
    [256, 256, 8],
    [256, 256, 4],
    [256, 256, 4],
  ),
} as const;

/** Time both, one after the other. */
export function* spectral(python: string | null, sizes: readonly Size[]): Generator<SpectralRow> {
  const source = random(0);
  measure({ inner: 64, out: 64, side: 32 }, normalTensor(source, [64, 64, 3, 3]).data as Float32Array); // warming up
  for (const [k, size] of sizes.entries()) {
    const deviation = Math.sqrt(2 / (9 * size.inner));
    const kernel = normalTensor(source.fork(k), [size.out, size.inner, 3, 3], deviation).data as Float32Array;
    const other = python ? powerMethod(python, size, kernel) : null;
    const own = measure(size, kernel);
    yield { ...size, seconds: own.seconds, above: own.upper / (other?.lower ?? own.lower()), theirs: other };
  }
}

/** The same as text. */
export function showSpectral(python: string | null, names: readonly (keyof typeof stacks)[]): void {
  console.log("spectral norm of 3x3 convolutions: a proved bound, against 500 power iterations in PyTorch");
  for (const name of names) {
    let [ours, theirs] = [0, 0];
    for (const row of spectral(python, stacks[name])) {
      const { inner, out, side, seconds, above } = row;
      const proved = `proved in ${seconds.toFixed(3)} s, at most ${percent(above - 1)} above the norm`;
      console.log(`  ${inner}-${out} at ${side}x${side}: ${proved}${row.theirs ? besides(row, row.theirs) : ""}`);
      ours += seconds;
      theirs += row.theirs?.seconds ?? 0;
    }
    const ratio = theirs > 0 ? `, PyTorch ${theirs.toFixed(2)} s, ${(theirs / ours).toFixed(1)} times as much` : "";
    if (stacks[name].length > 1) console.log(`  all of ${name}: ${ours.toFixed(2)} s${ratio}`);
  }
}

// --- internal ---

const percent = (part: number) => `${(100 * part).toFixed(2)} %`;

function besides({ seconds }: SpectralRow, { norm, lower, gain, ...theirs }: Found): string {
  const times = `PyTorch ${theirs.seconds.toFixed(3)} s, ${(theirs.seconds / seconds).toFixed(1)} times as much`;
  const found = `for ${percent(1 - norm / lower)} below what Lanczos steps found (their last restart: ${gain.toExponential(0)})`;
  return `; ${times}, ${theirs.iterations} iterations ${found}`;
}

function measure({ inner, out, side }: Size, kernel: Float32Array) {
  const geometry = { kernelShape: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1], groups: 1 };
  const sizes = { outChannels: out, inChannels: inner, input: [side, side] };
  const conv = { ...geometry, ...sizes, kernel: Float64Array.from(kernel) };
  let [upper, seconds] = [0, Number.POSITIVE_INFINITY];
  for (let round = 0; round < 5; round++) {
    const start = process.cpuUsage();
    upper = convolutionNorm(conv, 2, { lowerIterations: 0, tolerance: 1e-3 }).upper;
    const { user, system } = process.cpuUsage(start);
    seconds = Math.min(seconds, (user + system) / 1e6);
  }
  return { upper, seconds, lower: () => convolutionNorm(conv, 2).lower };
}

function powerMethod(python: string, { inner, out, side }: Size, kernel: Float32Array): Found {
  const folder = mkdtempSync(join(tmpdir(), "spectral-"));
  try {
    const file = join(folder, "kernel");
    writeFileSync(file, kernel);
    const script = fileURLToPath(new URL("spectral.py", import.meta.url));
    const { stdout, status } = spawnSync(python, ["-B", script, `${file}:${inner}:${out}:${side}`], {
      encoding: "utf8",
      env: { ...process.env, OPENBLAS_NUM_THREADS: "1", OMP_NUM_THREADS: "1" },
    });
    if (status !== 0) throw new Error("spectral.py failed");
    const [norm, iterations, seconds, lower, gain] = stdout.trim().split(" ").map(Number);
    return { norm, iterations, seconds, lower: Math.max(norm, lower), gain };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  showSpectral(findTorch(), ["one", "vgg", "small"]);
}
