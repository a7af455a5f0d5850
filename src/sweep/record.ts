/** @file What comes of a job: one record, done or failed, kept in a store under the job's name. The first that is kept counts. */

import { aCount, anything, aWord, listOf, objectOf, oneOf, orNothing } from "../experiment/form.ts";
import { tool } from "../experiment/tool.ts";
import { ReadError, SpecError } from "../tensor/errors.ts";
import type { Ticket } from "./job.ts";
import type { Store } from "./store.ts";

export interface DoneRecord {
  readonly id: string;
  readonly status: "done";
  /** A RunRecord, a Certification, what an attack found, or a Bracket. */
  readonly value: unknown;
  /** Of a run: the files of its folder. */
  readonly files: readonly string[];
  readonly seconds: number;
  readonly tool: { readonly name: string; readonly version: string };
}

export interface FailedRecord {
  readonly id: string;
  readonly status: "failed";
  readonly error: string;
  readonly attempts: number;
  readonly tool: { readonly name: string; readonly version: string };
}

export type JobRecord = DoneRecord | FailedRecord;

/** Times that a job is tried before its failure is its result. */
export const mostAttempts = 3;

const by = { name: tool.name, version: tool.version };

export const doneRecord = (
  id: string,
  { value, files, seconds }: Pick<DoneRecord, "value" | "files" | "seconds">,
): JobRecord => ({
  id,
  status: "done",
  seconds,
  tool: by,
  files,
  value,
});

export const failedRecord = (id: string, error: string, attempts = mostAttempts): JobRecord => ({
  id,
  status: "failed",
  error,
  attempts,
  tool: by,
});

/** Keep a record unless the job has one; the one that counts. */
export async function keepRecord(store: Store, record: JobRecord): Promise<JobRecord> {
  if (await store.claim(keyOf(record.id), encode(record))) return record;
  return (await recordOf(store, record.id)) ?? record;
}

/** The record of a job; null where there is none. */
export async function recordOf(store: Store, id: string): Promise<JobRecord | null> {
  const bytes = await store.get(keyOf(id));
  return bytes && parseRecord(id, bytes);
}

export const keyOf = (id: string): string => `jobs/${id}.json`;

/** A record from its bytes; ReadError where it is not one of this job. */
export function parseRecord(id: string, bytes: Uint8Array): JobRecord {
  try {
    const record = decode(new TextDecoder().decode(bytes));
    form(record, "$");
    if ((record as JobRecord).id !== id) throw new SpecError(`$.id: must be ${id}`);
    return record as JobRecord;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof SpecError)) throw error;
    throw new ReadError(`${keyOf(id)}: is no record of a job: ${error.message}; remove it`);
  }
}

/** The records there are of some jobs, in their order. */
export async function recordsOf(store: Store, tickets: readonly Ticket[]): Promise<readonly (JobRecord | null)[]> {
  return Promise.all(tickets.map(({ id }) => recordOf(store, id)));
}

/** JSON in which numbers that are not finite, and arrays of float32, stay what they are. */
export const encode = (value: unknown): string =>
  `${JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === "number" && !Number.isFinite(inner)) return { $number: String(inner) };
    if (!(inner instanceof Float32Array)) return inner;
    return { $float32: Buffer.from(inner.buffer, inner.byteOffset, inner.byteLength).toString("base64") };
  })}\n`;

/** What `encode` wrote. */
export const decode = (text: string): unknown =>
  JSON.parse(text, (_, inner: unknown) => {
    if (typeof inner !== "object" || inner === null) return inner;
    const { $number, $float32 } = inner as { readonly $number?: unknown; readonly $float32?: unknown };
    if (typeof $number === "string") return Number($number);
    return typeof $float32 === "string" ? float32Of($float32) : inner;
  });

// --- internal ---

function float32Of(text: string): Float32Array {
  const bytes = Buffer.from(text, "base64");
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

const common = { id: aWord, tool: objectOf({ name: aWord, version: aWord }) };

const done = objectOf({ ...common, value: anything, files: listOf(aWord), seconds: anything });

const failed = objectOf({ ...common, error: aWord, attempts: aCount });

const form = (value: unknown, path: string): void => {
  objectOf({ status: oneOf("done", "failed"), id: orNothing(aWord) })(value, path);
  ((value as JobRecord).status === "done" ? done : failed)(value, path);
};
