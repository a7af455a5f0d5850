/**
 * @file A job as plain data: what a worker on any machine needs to know, and nothing that it would run. Its name is the hash of its content, so that the
 * same work has the same name everywhere, and what was done is not done again.
 */
import { createHash } from "node:crypto";
import type { AttackSpec } from "../attack/protocol.ts";
import type { Norm } from "../bounds/bound.ts";
import type { Domain } from "../bounds/domain.ts";
import type { Reading } from "../data/reading.ts";
import type { RunSpec } from "../experiment/spec.ts";
import { tool } from "../experiment/tool.ts";

/** One run of a sweep: its record is a RunRecord, its files are those of a run's folder. */
export interface RunJob {
  readonly kind: "run";
  readonly spec: RunSpec;
  /** sha256 of the samples that it uses (`hashDataset`). */
  readonly data: { readonly train: string; readonly test: string };
  /** The job of the run whose parameters it starts from. */
  readonly start?: string;
}

/** An ONNX file by its content, and how it is read: words of the options of the command line, without paths. */
export interface ModelPart {
  readonly sha256: string;
  readonly words: Readonly<Partial<Record<ModelWord, string>>>;
}

export const modelWords = ["scale", "mean", "std", "layout", "shape", "fix", "memory"] as const;
export type ModelWord = (typeof modelWords)[number];

/** Samples `from` to `to` (not included) of data that are tested on. */
export interface DataPart {
  readonly name: string;
  readonly reading: Reading;
  readonly seed: number;
  /** Of all samples, with the labels that they come with. */
  readonly sha256: string;
  readonly from: number;
  readonly to: number;
}

/** A slice of a certification: its record is a Certification of these samples. */
export interface CertifyJob {
  readonly kind: "certify";
  readonly model: ModelPart;
  readonly data: DataPart;
  readonly norm: Norm;
  readonly radii: readonly number[];
  /** Work of the linear walk in this slice, in float64 operations; null where it is off. */
  readonly work: number | null;
  /** Of branch and bound, for what is still open (`LocalEffort.parts`). */
  readonly parts: number;
  /** A limit of time of the slice, where the clock shall decide and not the work. */
  readonly seconds?: number;
}

/** A slice of an attack: its record is what was found of these samples, with the perturbed samples. */
export interface AttackJob {
  readonly kind: "attack";
  readonly model: ModelPart;
  readonly data: DataPart;
  readonly norm: 2 | "inf";
  readonly radii: readonly number[];
  readonly attacks: readonly AttackSpec[];
  readonly clip: "data" | "none";
  readonly seed: number;
}

/** The bracket of one file of several: its record is a Bracket, with what of the file was held against the runtime. */
export interface BoundJob {
  readonly kind: "bound";
  readonly model: ModelPart;
  readonly norm: Norm;
  readonly methods?: readonly string[] | "all";
  readonly domain?: Domain;
  readonly seed: number;
  readonly seconds?: number;
  readonly check: boolean;
}

export type Job = RunJob | CertifyJob | AttackJob | BoundJob;

/** A job with what its planner says of it to people. */
export interface Ticket {
  readonly id: string;
  readonly job: Job;
  /** Beside the bar, and in tables. */
  readonly label: string;
  /** Of a run: its row in tables. */
  readonly row?: string;
  /** The folder of its files in DIR, of a run. */
  readonly place?: string;
  /** Where its model lies on this machine; elsewhere it is fetched by its hash. */
  readonly file?: string;
}

/** The name of a job: its kind, and the hash of what it says and of the version that does it. */
export const idOf = (job: Job): string =>
  `${job.kind}-${createHash("sha256")
    .update(canonical({ version: tool.version, job }))
    .digest("hex")
    .slice(0, 32)}`;

/** JSON with its keys in order: equal values, equal text. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner) && !ArrayBuffer.isView(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
