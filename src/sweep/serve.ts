/** @file A worker of the queue: takes jobs, has them done by its pool of processes, and puts what comes of them into the mailbox. Its own thread is never busy, so that locks are renewed while a run blocks. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Job as QueueJob } from "bullmq";
import { checkMail, checkPlaces, type Mail } from "./check.ts";
import type { Pool } from "./pool.ts";
import { doneRecord, failedRecord, keepRecord, mostAttempts, recordOf } from "./record.ts";
import { connect, longestRetry, packages, prefix, present, queueName, redisStore, within } from "./redis.ts";
import { folderStore } from "./store.ts";
import { MachineError, type Word } from "./words.ts";

export interface ServeOptions {
  readonly url: string;
  readonly pool: Pool;
  /** Files of data that jobs may ask for lie here; none may be asked for without it. */
  readonly dataDir?: string | undefined;
  /** A folder of this worker's own, for runs under way. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  hear?(mail: Mail): (word: Word) => void;
  /** A job was taken, or has ended. */
  onJob?(id: string, state: "begun" | "done" | "failed"): void;
  /** It takes jobs now. */
  onReady?(name: string): void;
}

/** A lock says that a worker lives; when it has not been renewed for so long, in milliseconds, another worker takes the job. Looked at so often. */
export const lock = { duration: 4000, check: 1500 } as const;

/** Milliseconds that a worker waits for its server when it is told to stop. */
const patience = 5000;

/** Times that a job may lose its worker. */
const mostLosses = 3;

/** Serve until the signal; rejects with MachineError where this machine cannot go on, after its jobs were given back. */
export async function serve({
  url,
  pool,
  dataDir,
  scratch,
  signal,
  hear,
  onJob,
  onReady,
}: ServeOptions): Promise<void> {
  const { bullmq } = await packages();
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const redis = await connect(url, either);
  const mailbox = redisStore(redis);
  let busy = 0;

  /** The file of a model, fetched once. */
  const models = new Map<string, Promise<string>>();
  const modelFile = (sha256: string): Promise<string> => {
    const found = models.get(sha256) ?? fetchModel(sha256);
    models.set(sha256, found);
    found.catch(() => models.delete(sha256));
    return found;
  };
  const fetchModel = async (sha256: string): Promise<string> => {
    const bytes = await mailbox.get(`models/${sha256}`);
    if (bytes === null || createHash("sha256").update(bytes).digest("hex") !== sha256) {
      throw new Error(`the model ${sha256.slice(0, 12)}... is not in the mailbox; start the command again`);
    }
    const file = join(scratch, `${sha256}.onnx`);
    await mkdir(scratch, { recursive: true });
    await writeFile(file, bytes);
    return file;
  };

  /** The checkpoint of the run that another starts from. */
  const fetchStart = async (id: string): Promise<string> => {
    const files = (await mailbox.list(`files/${id}`)).filter((key) =>
      /\/(checkpoint\.json|weights-\d+\.bin)$/.test(key),
    );
    for (const key of files) await folderStore(scratch).put(key, (await mailbox.get(key)) ?? "");
    return join(scratch, "files", id);
  };

  /** Have it done; what it throws is an attempt, but for a MachineError. */
  const perform = async (mail: Mail): Promise<void> => {
    const { id, job, label, start, keep } = mail;
    await checkPlaces(job, dataDir);
    const folder = join(scratch, id);
    const begun = performance.now();
    const ticket = { id, job, label, ...(job.kind !== "run" && { file: await modelFile(job.model.sha256) }) };
    const order = {
      ticket,
      folder,
      ...(dataDir !== undefined && { dataDir }),
      ...(start !== undefined && { start: await fetchStart(start) }),
    };
    const answer = await pool.perform(order, { signal: either, hear: hear?.(mail) });
    if (answer.kind === "failed" && answer.fault === "machine") throw new MachineError(answer.message);
    if (answer.kind === "failed") throw new Error(answer.message);
    const files = answer.files.filter((file) => keep || !/^(checkpoint\.json|weights-\d+\.bin)$/.test(file));
    for (const file of files) await mailbox.put(`files/${id}/${file}`, await readFile(join(folder, file)));
    const seconds = (performance.now() - begun) / 1000;
    await keepRecord(mailbox, doneRecord(id, { value: answer.value, files, seconds }));
    await rm(folder, { recursive: true, force: true });
  };

  let trouble: MachineError | undefined;
  const work = async (taken: QueueJob<unknown>, token?: string): Promise<void> => {
    const name = String(taken.id);
    busy++;
    try {
      const mail = checkMail(taken.data);
      if (await recordOf(mailbox, mail.id)) return;
      onJob?.(name, "begun");
      await perform(mail);
      onJob?.(name, "done");
    } catch (error) {
      if (error instanceof MachineError || either.aborted) {
        // It says nothing of the job: somebody else shall do it.
        if (error instanceof MachineError && !either.aborted) {
          trouble = error;
          stop.abort(error);
        }
        await taken.moveToWait(token);
        throw new bullmq.WaitingError();
      }
      onJob?.(name, "failed");
      const { message } = error as Error;
      if (taken.attemptsMade + 1 >= (taken.opts.attempts ?? mostAttempts))
        await keepRecord(mailbox, failedRecord(name, message));
      throw error;
    } finally {
      busy--;
    }
  };

  const worker = new bullmq.Worker<unknown, void>(queueName, work, {
    connection: redis,
    prefix,
    concurrency: pool.workers,
    lockDuration: lock.duration,
    stalledInterval: lock.check,
    maxStalledCount: mostLosses,
  });
  // The connection comes back by itself, and a lock that was lost meanwhile is another worker's.
  worker.on("error", () => undefined);
  await worker.waitUntilReady();
  const presence = present(redis, () => ({ workers: pool.workers, busy }));
  onReady?.(presence.name);
  try {
    await new Promise<void>((resolve) => {
      if (either.aborted) resolve();
      else either.addEventListener("abort", () => resolve(), { once: true });
    });
  } finally {
    // Jobs go back first; but a server that is gone is not waited for: its locks end by themselves. Where a connection is between two tries, BullMQ would wait
    // for ever for its end: by then there is none.
    if (redis.status !== "ready") await new Promise((resolve) => setTimeout(resolve, 1.1 * longestRetry));
    await within(patience, worker.close());
    await within(patience, presence.stop());
    await pool.close();
    redis.disconnect();
    await rm(scratch, { recursive: true, force: true });
  }
  if (trouble) throw trouble;
}
