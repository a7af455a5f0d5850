/**
 * @file The second opinion on a certificate: from the bytes of the model and the numbers of the data, by code that shares nothing with what
 * made it. What it cannot show again, it rejects.
 */

import { type Certificate, readCertificate, sha256 } from "./certificate.ts";
import type { Check, CheckLine } from "./check.ts";
import { counts } from "./counts.ts";
import type { Norm } from "./proof/norm.ts";
import { type Program, programOf } from "./read/network.ts";
import { readOnnx } from "./read/onnx.ts";
import { must, NoWitness, Refusal } from "./refusal.ts";
import type { VerifyData } from "./samples.ts";
import { runYielding } from "./task.ts";

/** Whether a certificate holds, and every check that was made; the first that fails is the last. */
export interface Verdict {
  readonly holds: boolean;
  /** A certificate without a witness gives nothing to check by: that says nothing against it, and nothing for it. */
  readonly outcome: "holds" | "does not hold" | "cannot be checked";
  /** What was left out, in words; nothing where there were data. */
  readonly unchecked: readonly string[];
  readonly checks: readonly CheckLine[];
  readonly seconds: number;
}

export interface VerifyOptions {
  /** The data of the certificate; without them only the model, the constant and the counts are checked. */
  readonly data?: VerifyData;
  readonly signal?: AbortSignal;
  /** After each check. */
  onCheck?(line: CheckLine): void;
  /** How far a check is, from 0 to 1. */
  onProgress?(what: string, fraction: number): void;
}

/**
 * Check a certificate.json against the bytes of its model, and against its data where they are given.
 *
 * Assumed are: IEEE doubles; that exp, tanh and log are as accurate as pointwise.ts says; that the float32 runtime rounds every
 * operation to nearest and sums products in some order (no transforms such as Winograd's). Nothing else is taken from the certificate
 * without proof. Never throws on a bad certificate or model: the verdict says what is wrong; throws what the signal is aborted with.
 */
export async function verify(certificate: string, model: Uint8Array, options: VerifyOptions = {}): Promise<Verdict> {
  const started = performance.now();
  const checks: CheckLine[] = [];
  const check = async <T>(
    what: string,
    run: () => Promise<readonly [T, string]> | readonly [T, string],
  ): Promise<T> => {
    options.signal?.throwIfAborted();
    const from = performance.now();
    const line = (holds: boolean, detail: string) => {
      const made = { what, holds, detail, seconds: (performance.now() - from) / 1000 };
      checks.push(made);
      options.onCheck?.(made);
    };
    try {
      const [result, detail] = await run();
      line(true, detail);
      return result;
    } catch (cause) {
      options.signal?.throwIfAborted();
      line(false, cause instanceof Refusal ? cause.message : `it could not be checked: ${String(cause)}`);
      throw cause;
    }
  };
  let noWitness = false;
  try {
    await everything(certificate, model, options, check);
  } catch (cause) {
    // Whatever stopped a check has its line already.
    options.signal?.throwIfAborted();
    if (checks.length === 0 || checks[checks.length - 1].holds) throw cause;
    noWitness = cause instanceof NoWitness;
  }
  const holds = checks.every((line) => line.holds);
  const outcome = holds ? "holds" : noWitness ? "cannot be checked" : "does not hold";
  return {
    holds,
    outcome,
    checks,
    unchecked: options.data ? [] : withoutData,
    seconds: (performance.now() - started) / 1000,
  };
}

/** The network of a model as steps, for those who make a witness. Throws Refusal where it cannot be verified. */
export const readProgram = (
  model: Uint8Array,
  preprocessing: Certificate["preprocessing"],
  sample: readonly number[],
): Program => programOf(readOnnx(model), preprocessing, sample);

// --- internal ---

/** What only samples show. */
const withoutData = ["that the samples and labels are those of the data", "classes, margins and radii of the samples"];

async function everything(
  text: string,
  model: Uint8Array,
  { data, signal, onProgress }: VerifyOptions,
  check: Check,
): Promise<void> {
  const certificate = await check("certificate", async () => {
    const read = await readCertificate(text);
    return [read, `form and digest; ${read.samples.length} samples, l${read.norm}`];
  });
  await check("model hash", async () => {
    const hash = await sha256(Uint8Array.from(model));
    must(hash === certificate.sha256, () => `the model is another one: sha256 ${hash}`);
    return [hash, hash];
  });
  const program = await check("model", () => {
    const read = readProgram(model, certificate.preprocessing, certificate.data.shape);
    const affine = read.steps.filter((s) => s.kind === "affine").length;
    return [read, `every operator known: ${affine} affine, ${read.steps.length - affine} others`];
  });
  const norm: Norm = certificate.norm === "inf" ? "inf" : certificate.norm === "1" ? 1 : 2;
  const proof = await check("constant", async () => {
    const progress = (part: number) => onProgress?.("constant", part);
    // What is proved of a network is loaded once it is read.
    const { walk } = await import("./proof/walk.ts");
    const made = await runYielding(walk(program, norm, certificate.witness, progress), signal);
    const { value } = certificate.constant;
    must(made.constant <= value, () => `proved is ${made.constant}, claimed ${value}`);
    return [made, `${made.constant} proved, ${value} claimed (${certificate.constant.method})`];
  });
  await check("pairs", () => {
    const { pairs } = certificate.constant;
    if (!pairs) return [null, "none claimed"];
    const n = program.outputs;
    must(pairs.length === n && pairs.every((row) => row.length === n), () => `there must be ${n} times ${n}`);
    for (let y = 0; y < n; y++) {
      for (let j = 0; j < n; j++) {
        must(
          proof.pair(y, j) <= pairs[y][j],
          () => `of ${y} and ${j}: proved is ${proof.pair(y, j)}, claimed ${pairs[y][j]}`,
        );
      }
    }
    return [null, `${n * n} constants of differences`];
  });
  await check("counts", () => counts(certificate, program.outputs));
  if (!data) return;
  // What only samples need is loaded with them.
  const { everySample } = await import("./samples.ts");
  await everySample({ certificate, program, proof, data, signal, onProgress }, check);
}
