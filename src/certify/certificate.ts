/** @file From a model's bytes and a data set to certificate.json. Every number in it is the weaker of two computations: that of this library's graphs and that of the checker's own reading of the model. */
import { maybeNorm, type Norm, printNorm } from "../bounds/bound.ts";
import { budget } from "../bounds/budget.ts";
import { type Dataset, hashDataset } from "../data/dataset.ts";
import type { Preprocessing } from "../data/preprocess.ts";
import type { Engine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { up } from "../linalg/rounding.ts";
import { modelHash } from "../onnx/read.ts";
import { type Certificate, digestOf, type SampleClaim } from "../verify/certificate.ts";
import { marginsLeft } from "../verify/proof/margins.ts";
import { runOn } from "../verify/proof/run.ts";
import { walk } from "../verify/proof/walk.ts";
import type { Program } from "../verify/read/network.ts";
import { must, Refusal } from "../verify/refusal.ts";
import { roundingOf } from "../verify/samples.ts";
import { runYielding, yieldNow } from "../verify/task.ts";
import { readProgram } from "../verify/verify.ts";
import { type Certification, type CertifyOptions, certify } from "./evaluate.ts";
import { witnessOf } from "./witness.ts";

export interface CertificateOptions extends Pick<CertifyOptions, "norm" | "radii" | "signal" | "local"> {
  readonly engine: Engine;
  readonly data: Dataset;
  /** The bytes of the ONNX file. */
  readonly bytes: Uint8Array;
  /** What is in front of the model in `network`. Default: none. */
  readonly preprocessing?: Preprocessing;
  /** Of a model of several inputs, those that vary and what the others are: said where no second program checks it. */
  readonly inputs?: readonly string[];
  readonly fixed?: Readonly<Record<string, number | string>>;
  /** Written into the certificate: where the model is (default "model.onnx"), and who made the certificate. */
  readonly model?: string;
  readonly tool: { readonly name: string; readonly version: string };
  /** What `certify` says of this network, data, norm and radii, where that is known; else it is asked. */
  readonly certification?: Certification;
  /** For each search of multipliers, default 3. */
  readonly seconds?: number;
  /** Seconds for the whole witness, default 60; what there is no time for is left larger, as the notes say. */
  readonly limit?: number;
  /** Seconds for everything; what there is no time for is left out, as the certificate and the notes say. Default: no limit. */
  readonly within?: number;
  /** Most multiplications of running the network on all samples once more, default 4e10: about a minute. */
  readonly work?: number;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** A certificate that the checker accepts, and what the library itself certifies: at least as much, by radii of second order much more. */
export interface Certified {
  readonly certificate: Certificate;
  readonly certification: Certification;
  /** What of the witness is larger than it had to be, and why. */
  readonly notes: readonly string[];
}

/** A certificate that no second program can check, and says why. */
export interface Unverifiable extends Certification {
  readonly model: string;
  readonly sha256: string;
  readonly preprocessing: Preprocessing;
  readonly inputs?: readonly string[];
  readonly fixed?: Readonly<Record<string, number | string>>;
  readonly data: Certificate["data"];
  readonly witness: null;
  readonly unverifiable: string;
  readonly tool: Certificate["tool"];
}

/**
 * Certify a network on a data set so that `verify` can follow: `network` is the model of `bytes` behind its preprocessing.
 *
 *     radius(x) = min over j != y of  max(0, f_y(x) - f_j(x) - e) / K_yj,  and no more than that of `certify`
 *
 * with e of rounding in float64 here and in float32 anywhere within the radii, and K the larger of two computations. Throws UsageError as
 * `certify` does. Where the model has something that the checker does not know, or more than it can do in time, the certificate says so.
 */
export async function makeCertificate(
  network: Network,
  options: CertificateOptions,
): Promise<
  Certified | { readonly certificate: Unverifiable; readonly certification: Certification; readonly notes: readonly [] }
> {
  const { engine, data, radii = [], signal, onProgress, seconds = 3, within = Number.POSITIVE_INFINITY } = options;
  const clock = budget({ seconds: within });
  const norm = maybeNorm(options.norm ?? 2);
  const certification =
    options.certification ??
    (await certify(network, {
      engine,
      data,
      norm,
      radii,
      seconds,
      local: options.local,
      ...(options.within === undefined ? {} : { limit: 0.5 * options.within }),
      signal,
      onProgress: (part) => onProgress?.(0.4 * part),
    }));
  const about = {
    model: options.model ?? "model.onnx",
    sha256: await modelHash(options.bytes),
    data: {
      name: data.name,
      sha256: await hashDataset(data),
      samples: data.count,
      shape: data.shape,
      ...(data.labelsFrom && { labels: data.labelsFrom }),
      ...(data.classNames && { classNames: data.classNames }),
    },
  };
  // Half of what is left is for the search, a quarter for running the samples again.
  const effort = () => {
    const left = Math.max(0, within - clock.elapsed());
    const { limit = 60, work = 4e10 } = options;
    return { limit: Math.min(limit, left / 2), work: Math.min(work, (left / 4) * plainSpeed) };
  };
  try {
    const { claims, notes } = await claimsOf(certification, { ...options, ...effort(), norm, seconds });
    const all = { ...about, ...claims, tool: options.tool };
    return { certificate: { ...all, digest: await digestOf(all) }, certification, notes };
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    const { preprocessing = {}, inputs, fixed, tool } = options;
    const read = { preprocessing, ...(inputs && { inputs }), ...(fixed && { fixed }) };
    const rest = { witness: null, unverifiable: error.message, tool };
    return { certificate: { ...about, ...read, ...certification, ...rest }, certification, notes: [] };
  }
}

// --- internal ---

/** Multiplications a second of the checker's loops, at least. */
const plainSpeed = 4e8;

/** No radius is longer in a certificate, so that float32 has room for what is inside. */
const farthest = 2 ** 32;

type Claims = Omit<Certificate, "model" | "sha256" | "data" | "tool" | "digest">;

/** What the checker will find, and no more than was certified. */
async function claimsOf(
  certification: Certification,
  options: CertificateOptions & { readonly norm: Norm; readonly seconds: number },
): Promise<{ readonly claims: Claims; readonly notes: readonly string[] }> {
  const { engine, data, bytes, preprocessing = {}, norm, signal, seconds, limit, work = 4e10, onProgress } = options;
  must(certification.constant.proved, () => "the library has no proved constant for it");
  const program = readProgram(bytes, preprocessing, data.shape);
  const needed = workOf(program) * data.count;
  must(
    needed <= work,
    () => `running the network on ${data.count} samples again takes ${needed.toExponential(1)} multiplications`,
  );
  const { witness, notes } = await witnessOf(program, {
    norm,
    engine,
    seconds,
    signal,
    ...(limit === undefined ? {} : { limit }),
    onProgress: (part) => onProgress?.(0.4 + 0.3 * part),
  });
  const proof = await runYielding(
    walk(program, norm, witness, (part) => onProgress?.(0.7 + 0.1 * part)),
    signal,
  );
  const run = await runYielding(
    runOn(program, data.x, (part) => onProgress?.(0.8 + 0.1 * part)),
    signal,
  );
  const known = certification.constant;
  const pair = (y: number, j: number) => Math.max(proof.pair(y, j), known.pairs?.[y]?.[j] ?? 0);
  const longest = certification.samples.reduce((top, s) => Math.max(top, Math.min(s.radius, farthest)), 0);
  const rounding = roundingOf(program, proof, run, longest);
  // The checker runs the network in float64 once more: both runs err, and so does the difference that it takes off.
  const margins = marginsLeft(program, proof, run, data.x, { ...rounding, float64: up(3 * rounding.float64) });
  const n = program.outputs;
  const samples: SampleClaim[] = [];
  for (const { index, id, label, predicted, radius } of certification.samples) {
    const row = run.outputs.subarray(index * n, (index + 1) * n);
    const radiusFor = (j: number, most: number) => margins.radius(index, predicted, j, most);
    samples.push({
      index,
      ...(id !== undefined && { id }),
      label,
      predicted,
      ...lastsFor(row, predicted, Math.min(radius, farthest), radiusFor),
    });
    await yieldNow(() => onProgress?.(0.9 + (0.1 * index) / data.count), signal);
  }
  const right = samples.filter((s) => s.predicted === s.label);
  const claims: Claims = {
    norm: printNorm(norm),
    preprocessing,
    constant: {
      value: Math.max(proof.constant, known.value),
      method: witness.chain === null ? "autolip" : "lipsdp",
      proved: true,
      ...(known.pairs ? { pairs: known.pairs.map((row, y) => row.map((_, j) => pair(y, j))) } : {}),
    },
    rounding,
    accuracy: right.length / data.count,
    certified: certification.certified.map(({ radius }) => ({
      radius,
      accuracy: right.filter((s) => s.radius >= radius).length / data.count,
    })),
    averageRadius: right.reduce((sum, s) => sum + s.radius, 0) / data.count,
    samples,
    witness,
  };
  return { claims, notes };
}

/** How far the margins of a sample last, but no further than `most`. */
function lastsFor(
  row: Float64Array,
  predicted: number,
  most: number,
  radiusFor: (other: number, most: number) => number,
): { readonly margin: number; readonly radius: number } {
  // The nearest class first: it decides, as a rule, and the others need no gradient.
  const others = Array.from(row.keys())
    .filter((j) => j !== predicted)
    .sort((a, b) => row[b] - row[a]);
  return {
    margin: row[predicted] - row[others[0]],
    radius: others.reduce((radius, j) => radiusFor(j, radius), most),
  };
}

/** Multiplications of one run. */
const workOf = ({ steps }: Program): number =>
  steps.reduce((n, s) => n + (s.kind === "affine" ? s.parts.reduce((m, p) => m + p.matrix.index.length, 0) : 0), 0);
