/** @file A sweep: jobs that are planned, and done by whoever does them, longest first, each once. It prints nothing; what it learns it says as it goes. */
import type { Backend, JobOptions } from "./backend.ts";
import type { Ticket } from "./job.ts";
import { validRecord } from "./ledger.ts";
import type { JobRecord } from "./record.ts";
import type { Store } from "./store.ts";

export interface SweepOptions {
  readonly backend: Backend;
  /** Of its records: what is there is not done again. */
  readonly store: Store;
  /** Jobs that are begun at most; those that were done before do not count. */
  readonly jobs?: number | undefined;
  /** Try jobs again that have failed. */
  readonly retry?: boolean | undefined;
  /** Seconds that a job may take, roughly; only their order counts. */
  estimate?(ticket: Ticket): number;
  /** A job has its record; `found` where it had one before. */
  onRecord?(ticket: Ticket, record: JobRecord, found: boolean): void;
}

/** The way that all strategies have jobs done. Jobs of the same name are one. */
export interface JobRunner {
  /** Find out which of these are done, so that they begin in the order of the calls. */
  look(tickets: readonly Ticket[]): Promise<void>;
  /** Carry out one job, if it is not done yet; null where the limit of jobs is reached. */
  runJob(ticket: Ticket, options?: JobOptions): Promise<JobRecord | null>;
}

export function jobRunner({
  backend,
  store,
  jobs = Number.POSITIVE_INFINITY,
  retry,
  estimate,
  onRecord,
}: SweepOptions): JobRunner {
  const before = new Map<string, JobRecord | null>();
  const known = new Map<string, Promise<JobRecord | null>>();
  let begun = 0;
  const lookUp = async (ticket: Ticket) => void before.set(ticket.id, await validRecord(store, ticket, { retry }));
  const begin = async (ticket: Ticket, options: JobOptions): Promise<JobRecord | null> => {
    const found = before.get(ticket.id) ?? null;
    if (found === null && begun >= jobs) return null;
    if (found === null) begun++;
    const record = found ?? (await backend.run(ticket, { priority: estimate?.(ticket) ?? 0, ...options }));
    onRecord?.(ticket, record, found !== null);
    return record;
  };
  return {
    look: async (tickets) => void (await Promise.all(tickets.map(lookUp))),
    runJob(ticket, options = {}) {
      const found = known.get(ticket.id);
      if (found) return found;
      const one = before.has(ticket.id) ? begin(ticket, options) : lookUp(ticket).then(() => begin(ticket, options));
      known.set(ticket.id, one);
      return one;
    },
  };
}

/** Carry out all jobs, those first that will take longest. One that cannot go on stops the others, which stay as they are. */
export async function runAll(
  tickets: readonly Ticket[],
  { look, runJob }: JobRunner,
  estimate: (ticket: Ticket) => number = () => 0,
): Promise<readonly (JobRecord | null)[]> {
  await look(tickets);
  await all([...tickets].sort((a, b) => estimate(b) - estimate(a)).map((ticket) => runJob(ticket)));
  return Promise.all(tickets.map((ticket) => runJob(ticket)));
}

/** All of some promises; the first rejection after all have ended, so that nothing goes on behind it. */
export async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(promises);
  const failed = results.find((r): r is PromiseRejectedResult => r.status === "rejected");
  if (failed) throw failed.reason;
  return results.map((r) => (r as PromiseFulfilledResult<T>).value);
}
