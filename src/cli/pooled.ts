/** @file The processes of the command line: how many there are, and their bars among ours. */
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { type Backend, poolBackend } from "../sweep/backend.ts";
import type { Ticket } from "../sweep/job.ts";
import { openPool, type Pool } from "../sweep/pool.ts";
import { queueBackend } from "../sweep/queue.ts";
import type { Store } from "../sweep/store.ts";
import type { Word } from "../sweep/words.ts";
import { CliError } from "./errors.ts";
import { readBytes } from "./files.ts";
import { parseWhole } from "./options.ts";
import type { Bar, Progress } from "./progress.ts";

export const workersOption = {
  workers: {
    type: "string",
    description: "Processes at a time, which the cores are divided among. Default: as many as cores",
    valueHint: "N",
  },
} as const;

export const redisOption = {
  redis: {
    type: "string",
    description:
      "By workers of this Redis or Valkey: redis://host:port, rediss:// for TLS; a password also from $REDIS_PASSWORD",
    valueHint: "URL",
  },
} as const;

export const workersOf = (word: string | undefined): number =>
  word === undefined ? availableParallelism() : parseWhole("--workers", word, 1);

/** Processes that do jobs of any kind. */
export const jobPool = (workers: number, cwd?: string): Pool =>
  openPool({
    program: new URL(`./worker${extname(import.meta.url)}`, import.meta.url),
    workers,
    cwd,
  });

/** Show what a process says of its bars among ours. */
export function bars(progress: Progress): (word: Word) => void {
  const own = new Map<number, Bar>();
  return (word) => {
    switch (word.kind) {
      case "bar":
        own.set(word.bar, progress.bar(word.label, word.total));
        break;
      case "at":
        own.get(word.bar)?.at(word.value, word.words);
        break;
      case "end":
        own.get(word.bar)?.done(word.words);
        break;
    }
  };
}

export interface BackendOptions {
  readonly store: Store;
  readonly folder: string;
  readonly dataDir: string | undefined;
  readonly progress: Progress;
  readonly signal: AbortSignal;
  /** How many jobs there will be: no more processes than that. */
  readonly jobs: number;
}

/** Who does the jobs of a command: its own processes, or workers of a Redis. */
export async function openBackend(
  { workers, redis }: { readonly workers?: string | undefined; readonly redis?: string | undefined },
  { store, folder, dataDir, progress, signal, jobs }: BackendOptions,
): Promise<Backend> {
  if (redis === undefined) {
    const pool = jobPool(Math.min(workersOf(workers), jobs));
    return poolBackend({ pool, store, folder, dataDir, signal, hear: () => bars(progress) });
  }
  if (workers !== undefined)
    throw new CliError("--workers: are of this machine, and those of --redis say it themselves; give one");
  return queueBackend({ url: redis, store, signal, model: ({ file = "" }: Ticket) => readBytes(file) });
}
