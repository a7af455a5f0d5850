/** @file What a folder or a mailbox knows of the jobs of a sweep: which are done, with their files. */
import { createHash } from "node:crypto";
import type { RunRecord } from "../experiment/record.ts";
import { ReadError } from "../tensor/errors.ts";
import type { Ticket } from "./job.ts";
import { type JobRecord, keyOf, recordOf } from "./record.ts";
import type { Store } from "./store.ts";

/**
 * The record of a job, where it has one and its files are with it, the model as the record says. What is damaged is removed, so that it is done again; and so
 * is a failure if it shall be tried again.
 */
export async function validRecord(store: Store, ticket: Ticket, { retry = false } = {}): Promise<JobRecord | null> {
  const record = await recordOf(store, ticket.id).catch((error: unknown) => {
    if (error instanceof ReadError) return undefined;
    throw error;
  });
  if (record === null) return null;
  if (record && !(record.status === "failed" && retry) && (await isWhole(store, ticket, record))) return record;
  await store.remove(keyOf(ticket.id));
  return null;
}

// --- internal ---

async function isWhole(store: Store, { job, place }: Ticket, record: JobRecord): Promise<boolean> {
  if (job.kind !== "run" || record.status === "failed" || place === undefined) return true;
  for (const file of record.files) if (!(await store.has(`${place}/${file}`))) return false;
  const { model } = record.value as RunRecord;
  const bytes = await store.get(`${place}/${model.file}`);
  return bytes !== null && createHash("sha256").update(bytes).digest("hex") === model.sha256;
}
