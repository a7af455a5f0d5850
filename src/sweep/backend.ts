/** @file Who does the jobs of a sweep: a pool of processes here, or a queue that workers anywhere take them from. */
import type { Ticket } from "./job.ts";
import type { Pool } from "./pool.ts";
import { doneRecord, failedRecord, type JobRecord, keepRecord, mostAttempts } from "./record.ts";
import type { Store } from "./store.ts";
import { MachineError, type Word } from "./words.ts";

export interface JobOptions {
  /** The larger goes first; of equal ones that which was asked first. */
  readonly priority?: number;
  /** The run whose parameters this one starts from. */
  readonly start?: Ticket;
  /** Another run may start from this one: its checkpoint is wanted. */
  readonly keep?: boolean;
}

export interface Backend {
  /** The one record that a job ends in, done or failed. Rejects where the sweep is stopped, or the machine cannot go on. */
  run(ticket: Ticket, options?: JobOptions): Promise<JobRecord>;
  /** Let go of what is waiting; what is done stays. */
  close(): Promise<void>;
}

export interface PoolBackendOptions {
  readonly pool: Pool;
  /** The folder of the sweep, and the store that is in it. */
  readonly store: Store;
  readonly folder: string;
  readonly dataDir?: string | undefined;
  readonly signal: AbortSignal;
  /** What the process of a job says. */
  hear?(ticket: Ticket): (word: Word) => void;
}

/** Jobs on this machine. Files of a run stand in their place in the folder from the beginning, so that what was killed goes on. */
export function poolBackend({ pool, store, folder, dataDir, signal, hear }: PoolBackendOptions): Backend {
  const waiting: Waiting[] = [];
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const abandon = () => {
    for (const { reject } of waiting.splice(0)) reject(either.reason);
  };
  either.addEventListener("abort", abandon, { once: true });

  let inHand = 0;
  const pump = (): void => {
    while (inHand < pool.workers && waiting.length > 0) {
      const first = waiting.reduce((best, { priority }, i) => (priority > waiting[best].priority ? i : best), 0);
      const [next] = waiting.splice(first, 1);
      inHand++;
      attempt(next)
        .then(next.resolve, next.reject)
        .finally(() => {
          inHand--;
          pump();
        });
    }
  };

  const attempt = async ({ ticket, start }: Waiting): Promise<JobRecord> => {
    const place = (of: Ticket) => `${folder}/${of.place ?? `.scratch/${of.id}`}`;
    for (let tried = 1; ; tried++) {
      const begun = performance.now();
      const order = {
        ticket,
        folder: place(ticket),
        ...(dataDir !== undefined && { dataDir }),
        ...(start && { start: place(start) }),
      };
      const answer = await pool.perform(order, { signal: either, hear: hear?.(ticket) });
      if (answer.kind === "done") {
        const seconds = (performance.now() - begun) / 1000;
        return keepRecord(store, doneRecord(ticket.id, { value: answer.value, files: answer.files, seconds }));
      }
      if (answer.fault === "machine") throw new MachineError(answer.message);
      if (tried === mostAttempts) return keepRecord(store, failedRecord(ticket.id, answer.message));
    }
  };

  return {
    run: (ticket, { priority = 0, start } = {}) =>
      new Promise((resolve, reject) => {
        if (either.aborted) return reject(either.reason);
        waiting.push({ ticket, priority, resolve, reject, ...(start && { start }) });
        pump();
      }),
    async close() {
      stop.abort(new MachineError("the sweep was stopped"));
      await pool.close();
    },
  };
}

// --- internal ---

interface Waiting {
  readonly ticket: Ticket;
  readonly priority: number;
  readonly start?: Ticket;
  resolve(record: JobRecord): void;
  reject(reason: unknown): void;
}
