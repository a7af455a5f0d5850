/** @file What a process that does jobs is told, and what it says. */
import type { Ticket } from "./job.ts";

/** To a process: one job. It answers, and is then told the next. */
export interface Order {
  readonly ticket: Ticket;
  /** Of ONNX Runtime. */
  readonly threads: number;
  /** Where the files of a run go. */
  readonly folder: string;
  readonly dataDir?: string;
  /** Folder of the run whose parameters this one starts from. */
  readonly start?: string;
}

/** Of a process: how far it is, then its answer. */
export type Word =
  | { readonly kind: "bar"; readonly bar: number; readonly label: string; readonly total: number }
  | { readonly kind: "at"; readonly bar: number; readonly value: number; readonly words: string }
  | { readonly kind: "end"; readonly bar: number; readonly words: string }
  | Answer;

export type Answer = Done | Failure;

export interface Done {
  readonly kind: "done";
  readonly value: unknown;
  readonly files: readonly string[];
}

export interface Failure {
  readonly kind: "failed";
  /** Printable. */
  readonly message: string;
  /** What a command ends with for it. */
  readonly code: number;
  /** A machine that cannot write, or is interrupted, says nothing of the job: it is not its failure, and no attempt. */
  readonly fault: "job" | "machine";
}

/** A machine that cannot go on: what it was doing is as it was, and no job has failed. */
export class MachineError extends Error {
  override name = "MachineError";
}
