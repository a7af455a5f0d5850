/** @file From a model's bytes and a data set to certificate.json. Every number in it is the weaker of two computations: that of this library's graphs and that of the checker's own reading of the model. */
import type { UpperBound } from "../bounds/bound.ts";
import { maybeNorm, printNorm } from "../bounds/bound.ts";
import { type Dataset, hashDataset } from "../data/dataset.ts";
import type { Preprocessing } from "../data/preprocess.ts";
import type { Engine } from "../engine/engine.ts";
import type { Network } from "../graph/network.ts";
import { type Certificate, digestOf } from "../verify/certificate.ts";
import { runOn } from "../verify/forward.ts";
import { Refusal } from "../verify/refusal.ts";
import { readSteps, roundingOf } from "../verify/verify.ts";
import { walk } from "../verify/walk.ts";
import { type Certification, type CertifyOptions, certify } from "./evaluate.ts";
import { witnessOf } from "./witness.ts";

export interface CertificateOptions extends Pick<CertifyOptions, "norm" | "radii" | "signal"> {
  readonly engine: Engine;
  readonly data: Dataset;
  /** The bytes of the ONNX file. */
  readonly bytes: Uint8Array;
  /** What is in front of the model in `network`; none unless told. */
  readonly preprocessing?: Preprocessing;
  /** Written into the certificate. */
  readonly model: string;
  readonly sha256: string;
  readonly tool: { readonly name: string; readonly version: string };
  /** For the search of multipliers, default 3. */
  readonly seconds?: number;
  /** From 0 to 1. */
  onProgress?(fraction: number): void;
}

/** A certificate that the checker accepts. */
export interface Certified {
  readonly certificate: Certificate;
  readonly certification: Certification;
}

/**
 * Certify a network on a data set so that `verify` can follow: `network` is the model of `bytes` behind its preprocessing.
 *
 *     radius(x) = min over j != y of  max(0, f_y(x) - f_j(x) - e) / K_yj
 *
 * as `certify` has it, with e of rounding in float64 here and in float32 anywhere within the radii, and K and e the larger of two
 * computations. Throws Refusal where the model has something that the checker does not know; UsageError as `certify` does.
 */
export async function makeCertificate(network: Network, options: CertificateOptions): Promise<Certified> {
  const { engine, data, bytes, preprocessing = {}, radii = [], signal, onProgress, tool } = options;
  const norm = maybeNorm(options.norm ?? 2);
  const limits = signal ? { signal } : {};
  const steps = readSteps(bytes, preprocessing, data.shape);
  const witness = await witnessOf(steps, {
    norm,
    engine,
    ...limits,
    ...(options.seconds === undefined ? {} : { seconds: options.seconds }),
    onProgress: (part) => onProgress?.(0.5 * part),
  });
  const proof = walk(steps, norm, witness);
  const upper: UpperBound = {
    method: witness.chain === null ? "autolip" : "lipsdp",
    side: "upper",
    proved: true,
    value: proof.constant,
    seconds: 0,
    status: "done",
  };
  const run = runOn(steps, data.x);
  let rounding = { float64: 0, float32: 0 };
  const certification = await certify(network, {
    engine,
    data,
    norm,
    radii,
    upper,
    ...limits,
    second(radius) {
      rounding = roundingOf(steps, proof, run, radius);
      // The checker runs the network in float64 once more: both runs err, and so does the difference that it takes off.
      return { constant: proof.constant, pair: proof.pair, error: 3 * rounding.float64 + rounding.float32 };
    },
    onProgress: (part) => onProgress?.(0.5 + 0.5 * part),
  });
  const { allowance: _, constant, norm: __, ...rest } = certification;
  const claims = {
    model: options.model,
    sha256: options.sha256,
    norm: printNorm(norm),
    preprocessing,
    data: { name: data.name, sha256: await hashDataset(data), samples: data.count, shape: data.shape },
    constant: { ...constant, proved: true as const },
    rounding,
    ...rest,
    witness,
    tool,
  };
  return { certificate: { ...claims, digest: await digestOf(claims) }, certification };
}

/** The reason why a model has no certificate that can be checked; undefined where the error is another. */
export const whyUnverifiable = (error: unknown): string | undefined =>
  error instanceof Refusal ? error.message : undefined;
