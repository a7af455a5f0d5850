/** @file What a certificate says of samples, checked on the data: classes, margins, rounding and radii. */
import { timesUp } from "./algebra/rounding.ts";
import { type Certificate, sha256 } from "./certificate.ts";
import type { Check } from "./check.ts";
import { forwardError } from "./proof/forward.ts";
import { checkSamples, marginsLeft } from "./proof/margins.ts";
import { type Run, runOn } from "./proof/run.ts";
import { pairLength, type Walk } from "./proof/walk.ts";
import type { Program } from "./read/network.ts";
import { must } from "./refusal.ts";
import { runYielding } from "./task.ts";

/** The samples that a certificate speaks of. */
export interface VerifyData {
  /** [count, ...shape], float32. */
  readonly x: Float32Array;
  readonly labels: Int32Array;
  readonly shape: readonly number[];
}

interface Known {
  readonly certificate: Certificate;
  readonly program: Program;
  readonly proof: Walk;
  readonly data: VerifyData;
  readonly signal?: AbortSignal | undefined;
  onProgress?(what: string, fraction: number): void;
}

/** Every check that needs the data, in order; the first that fails throws. */
export async function everySample(
  { certificate, program, proof, data, signal, onProgress }: Known,
  check: Check,
): Promise<void> {
  await check("data", () => checkData(certificate, data));
  const run = await check("outputs", async () => {
    const made = await runYielding(
      runOn(program, data.x, (part) => onProgress?.("outputs", part)),
      signal,
    );
    return [made, "the network run in float64 on every sample"];
  });
  const rounding = await check("rounding", () => {
    const radius = certificate.samples.reduce((top, s) => Math.max(top, s.radius), 0);
    const own = roundingOf(program, proof, run, radius);
    for (const which of ["float64", "float32"] as const) {
      const claimed = certificate.rounding[which];
      must(own[which] <= claimed, () => `${which}: ${own[which]} is possible, claimed ${claimed}`);
    }
    return [
      own,
      `a margin errs by at most ${own.float64.toExponential(2)} here, ${own.float32.toExponential(2)} in float${program.bits === 16 ? 16 : 32}`,
    ];
  });
  await check("samples", async () => {
    const left = marginsLeft(program, proof, run, data.x, rounding);
    const progress = (part: number) => onProgress?.("samples", part);
    return await runYielding(checkSamples(certificate, left, run.outputs, rounding.float64, progress), signal);
  });
}

/** What differences of two outputs may err by, in doubles at the samples of a run and in float32 within a radius of them. */
export function roundingOf(
  program: Program,
  proof: Walk,
  { largest }: Run,
  radius: number,
): { readonly float64: number; readonly float32: number } {
  const factor = pairLength(proof.norm);
  return {
    float64: timesUp(factor, forwardError(program, proof, largest, 0, 64)),
    float32: timesUp(factor, forwardError(program, proof, largest, radius, program.bits === 16 ? 16 : 32)),
  };
}

// --- internal ---

/** Are these the samples and labels? */
async function checkData(certificate: Certificate, { x, labels, shape }: VerifyData): Promise<readonly [null, string]> {
  const { samples, sha256: expected, shape: own } = certificate.data;
  must(shape.join() === own.join(), () => `a sample must be [${own}], got [${shape}]`);
  must(labels.length === samples, () => `there must be ${samples} samples, got ${labels.length}`);
  must(x.length === samples * own.reduce((n, d) => n * d, 1), () => "the samples do not have their size");
  must(x.every(Number.isFinite), () => "a number is not finite");
  const bytes = new Uint8Array(x.byteLength + labels.byteLength);
  bytes.set(new Uint8Array(x.buffer, x.byteOffset, x.byteLength));
  bytes.set(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength), x.byteLength);
  const hash = await sha256(bytes);
  must(hash === expected, () => `the data are others: sha256 ${hash}`);
  certificate.samples.forEach((s, i) => {
    must(s.label === labels[i], () => `sample ${i}: its label is ${labels[i]}, claimed ${s.label}`);
  });
  return [null, hash];
}
