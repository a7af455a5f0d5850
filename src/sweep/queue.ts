/** @file The jobs of a sweep by a queue in Redis: workers anywhere take them. What counts are the records in the mailbox; the queue only says who does what next. */
import type { JobsOptions } from "bullmq";
import type { Backend, JobOptions } from "./backend.ts";
import type { Mail } from "./check.ts";
import type { Ticket } from "./job.ts";
import { failedRecord, type JobRecord, keepRecord, keyOf, mostAttempts, recordOf } from "./record.ts";
import { connect, type Presence, packages, prefix, presences, queueName, redisStore, within } from "./redis.ts";
import type { Store } from "./store.ts";
import { MachineError } from "./words.ts";

export interface QueueBackendOptions {
  readonly url: string;
  /** Where records and files go in the end: the folder of the sweep. */
  readonly store: Store;
  readonly signal: AbortSignal;
  /** The bytes of a model on this machine, for workers that have not got it. */
  model?(ticket: Ticket): Promise<Uint8Array>;
}

/** Jobs on workers. A job of the queue has the name of ours: asked twice, or by two sweeps, it is one. */
export async function queueBackend({ url, store, signal, model }: QueueBackendOptions): Promise<Backend> {
  const { bullmq } = await packages();
  const redis = await connect(url);
  const mailbox = redisStore(redis);
  const queue = new bullmq.Queue<Mail>(queueName, { connection: redis, prefix });
  // It waits for news, on a connection of its own.
  const listening = await connect(url);
  const events = new bullmq.QueueEvents(queueName, { connection: listening, prefix });
  // Both come back by themselves.
  queue.on("error", () => undefined);
  events.on("error", () => undefined);
  await events.waitUntilReady();

  const pending = new Map<string, Pending>();
  const sent = new Map<string, Promise<void>>();
  let added: Pending[] = [];

  /** What was asked in one turn is asked of Redis at once. */
  const flush = async (): Promise<void> => {
    const own = added;
    added = [];
    try {
      await Promise.all(own.map(({ ticket }) => send(ticket)));
      for (let from = 0; from < own.length; from += 1000) {
        await queue.addBulk(
          own.slice(from, from + 1000).map(({ ticket, options }) => ({
            name: ticket.job.kind,
            data: mailOf(ticket, options),
            opts: { ...jobOptions, jobId: ticket.id },
          })),
        );
      }
    } catch (error) {
      for (const { ticket, reject } of own) {
        pending.delete(ticket.id);
        reject(error);
      }
    }
  };

  /** Put a model where workers find it, once. */
  const send = ({ job, file, ...rest }: Ticket): Promise<void> => {
    if (job.kind === "run" || model === undefined) return Promise.resolve();
    const key = `models/${job.model.sha256}`;
    const sending = sent.get(key) ?? model({ job, file, ...rest } as Ticket).then((bytes) => mailbox.put(key, bytes));
    sent.set(key, sending);
    return sending;
  };

  /** Take a record out of the mailbox into the folder, files first; false where it is not there, with all its files. */
  const collect = async (id: string): Promise<boolean> => {
    const own = pending.get(id);
    if (!own) return true;
    const record = await recordOf(mailbox, id);
    if (record === null) return false;
    if (record.status === "done") {
      for (const file of record.files) {
        const bytes = await mailbox.get(`files/${id}/${file}`);
        if (bytes === null) {
          await mailbox.remove(keyOf(id));
          return false;
        }
        if (own.ticket.place !== undefined) await store.put(`${own.ticket.place}/${file}`, bytes);
      }
    }
    const kept = await keepRecord(store, record);
    pending.delete(id);
    own.resolve(kept);
    return true;
  };

  const collectOr = (id: string, otherwise: () => Promise<void> | void) =>
    void collect(id)
      .then((found) => (found ? undefined : otherwise()))
      .catch((error: unknown) => fail(error));

  const fail = (error: unknown): void => {
    for (const [id, { reject }] of pending) {
      pending.delete(id);
      reject(error);
    }
  };

  events.on("completed", ({ jobId }) => collectOr(jobId, () => undefined));
  // Of a job whose workers died too often nobody has made a record.
  events.on("failed", ({ jobId, failedReason }) =>
    collectOr(jobId, async () => {
      await keepRecord(mailbox, failedRecord(jobId, failedReason));
      await collect(jobId);
    }),
  );

  /** Whatever was not heard: records that are there, and jobs that are nowhere, as after a restart of a server that keeps nothing. */
  const reconcile = async (): Promise<void> => {
    const ids = [...pending.keys()].filter((id) => !added.some(({ ticket }) => ticket.id === id));
    for (let from = 0; from < ids.length; from += 1000) {
      const part = ids.slice(from, from + 1000);
      const pipeline = redis.pipeline();
      // In this order: a job leaves the queue after its record is there.
      for (const id of part) pipeline.exists(queue.toKey(id)).exists(`${prefix}:store:${keyOf(id)}`);
      const answers = (await pipeline.exec()) ?? [];
      for (const [i, id] of part.entries()) {
        const own = pending.get(id);
        if (own === undefined) continue;
        if (answers[2 * i + 1]?.[1] === 1) collectOr(id, () => void added.push(own));
        else if (answers[2 * i]?.[1] === 0) {
          // Whatever forgot the job has forgotten its model.
          sent.clear();
          added.push(own);
        }
      }
    }
    if (added.length > 0) await flush();
  };
  let reconciling = false;
  const timer = setInterval(() => {
    if (reconciling || pending.size === 0) return;
    reconciling = true;
    reconcile()
      .catch(() => undefined)
      .finally(() => {
        reconciling = false;
      });
  }, 2000);

  const interrupt = () => fail(signal.reason);
  signal.addEventListener("abort", interrupt, { once: true });
  const asked = new Set<string>();

  return {
    run: (ticket, options = {}) =>
      new Promise<JobRecord>((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        const own = { ticket, options, resolve, reject };
        pending.set(ticket.id, own);
        asked.add(ticket.id);
        added.push(own);
        if (added.length === 1) setImmediate(() => void flush());
      }),
    async close() {
      clearInterval(timer);
      signal.removeEventListener("abort", interrupt);
      fail(new MachineError("the sweep was stopped"));
      // What nobody has begun is taken back; what is at work ends, and its record waits in the mailbox.
      if (signal.aborted) await within(patience, Promise.all([...asked].map((id) => queue.remove(id).catch(() => 0))));
      await within(patience, events.close());
      await within(patience, queue.close());
      // What was handed to BullMQ it leaves open.
      listening.disconnect();
      redis.disconnect();
    },
  };
}

/** What is in the queue of this version, and the workers of any. */
export interface Queued {
  readonly waiting: number;
  readonly active: number;
  readonly workers: readonly Presence[];
}

export async function queued(url: string): Promise<Queued> {
  const { bullmq } = await packages();
  const redis = await connect(url);
  const queue = new bullmq.Queue(queueName, { connection: redis, prefix });
  try {
    const { waiting = 0, delayed = 0, active = 0 } = await queue.getJobCounts("waiting", "delayed", "active");
    return { waiting: waiting + delayed, active, workers: await presences(redis) };
  } finally {
    await queue.close();
    redis.disconnect();
  }
}

// --- internal ---

interface Pending {
  readonly ticket: Ticket;
  readonly options: JobOptions;
  resolve(record: JobRecord): void;
  reject(reason: unknown): void;
}

/** Milliseconds that a sweep waits for its server when it ends. */
const patience = 5000;

const jobOptions: JobsOptions = {
  attempts: mostAttempts,
  backoff: { type: "fixed", delay: 200 },
  removeOnComplete: true,
  removeOnFail: true,
};

function mailOf({ id, job, label, row }: Ticket, { start, keep }: JobOptions): Mail {
  return {
    id,
    job,
    label,
    ...(row !== undefined && { row }),
    ...(start && { start: start.id }),
    ...(keep && { keep }),
  };
}
