/** @file What came of a run, as plain data: the JSON that the command line writes, the report draws and a sweep compares. */
import type { RadiusAccuracy } from "../attack/attack.ts";
import type { Protocol } from "../attack/protocol.ts";
import type { Bracket, Norm } from "../bounds/bound.ts";
import type { Violation } from "../certify/consistency.ts";
import type { Curvature } from "../curvature/measure.ts";
import type { Preprocessing } from "../data/preprocess.ts";
import { SpecError } from "../tensor/errors.ts";
import type { EpochMetrics } from "../train/loop.ts";
import type { Claim } from "./claim.ts";
import type { Effort } from "./effort.ts";
import { runForm } from "./recordForm.ts";
import { checkSpec, type RunSpec } from "./spec.ts";

export interface DataRecord {
  readonly name: string;
  /** Of the samples and labels as they are used: x (float32), labels (int32) and targets (float32). */
  readonly sha256: { readonly train: string; readonly test: string };
  readonly samples: { readonly train: number; readonly test: number };
  /** What was guessed in reading, one sentence each. */
  readonly notes?: readonly string[];
}

export interface ModelRecord {
  readonly file: string;
  readonly sha256: string;
  readonly opset: number;
  readonly parameters: number;
  /** The written model, run by the bare runtime, against the graph it was written from: largest difference of an output. */
  readonly exportCheck: { readonly samples: number; readonly largestDifference: number };
}

/** Attacks on the first samples of the test part, and the alarm: what they changed inside its certified radius. */
export interface AttackRecord {
  readonly protocol: Protocol;
  readonly samples: number;
  /** Without attack, and what is left of it at each radius. */
  readonly accuracy: number;
  readonly robust: readonly RadiusAccuracy[];
  readonly medianDistance: number | null;
  readonly alarm: readonly Violation[];
}

/** The curvature of the loss at the first samples of the test part. */
export type CurvatureRecord = Omit<Curvature, "samples"> & { readonly samples: number };

/** Where a run was carried out: it decides the times, and the last digits. */
export interface Machine {
  readonly platform: string;
  readonly cpu: string;
  readonly cores: number;
  readonly runtime: string;
}

export interface RunRecord {
  readonly tool: { readonly name: string; readonly version: string };
  readonly spec: RunSpec;
  readonly data: DataRecord;
  /** What stands in front of the model, in its own numbers. */
  readonly preprocessing?: Preprocessing;
  readonly engine: string;
  readonly model: ModelRecord;
  readonly epochs: readonly EpochMetrics[];
  /** How much was measured, as the network's multiply-adds decide. Older records have none. */
  readonly effort?: Effort;
  /** Wall time in seconds. */
  readonly seconds: {
    readonly train: number;
    readonly bound: number;
    readonly certify: number;
    readonly attack: number;
    readonly curvature: number;
  };
  /** On the test part; null for a regression. */
  readonly accuracy: number | null;
  readonly testLoss: number;
  readonly norm: Norm;
  readonly bracket: Bracket;
  /** The constant that the model was built to keep, against what is proved of it. Null where it was built to keep none in this norm; older records have none. */
  readonly claim?: Claim | null;
  /** Null for a regression. */
  readonly certified: readonly { readonly radius: number; readonly accuracy: number }[] | null;
  readonly averageRadius: number | null;
  /** Null for a regression, and in l1, where there are no attacks. */
  readonly attacked: AttackRecord | null;
  /** Null for a regression. */
  readonly curvature: CurvatureRecord | null;
  readonly machine?: Machine;
}

/** Check the JSON of a run, or of a comparison with `runs`; throws SpecError with the path of what is missing. */
export function checkRecords(value: unknown): readonly RunRecord[] {
  const { runs } = (value ?? {}) as { runs?: unknown };
  if (runs === undefined) return [checkRecord(value, "$")];
  if (!Array.isArray(runs) || runs.length === 0) throw new SpecError("$.runs: must be a list of runs, got none");
  return runs.map((run, k) => checkRecord(run, `$.runs[${k}]`));
}

// --- internal ---

function checkRecord(value: unknown, path: string): RunRecord {
  runForm(value, path);
  const record = value as RunRecord;
  try {
    checkSpec(record.spec);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new SpecError(`${path}.spec: ${error.message.replace(/^\$\.?/, "")}`);
  }
  return record;
}
