/** @file The page's side of the worker: one job at a time or several, progress, stopping; a worker that dies is started again. */
import { startWorker } from "./host/worker.ts";
import type { FromWorker, Jobs, Kind, ToWorker } from "./protocol.ts";

/** A job was stopped by the person. */
export class Stopped extends Error {}

export interface Running<K extends Kind> {
  readonly result: Promise<Jobs[K]["done"]>;
  stop(): void;
}

export interface Client {
  start<K extends Kind>(kind: K, ask: Jobs[K]["ask"], say?: (word: Jobs[K]["say"]) => void): Running<K>;
}

interface Waiting {
  say(word: unknown): void;
  resolve(value: unknown): void;
  reject(error: Error): void;
}

/** `restarted` is told when what the old worker held (model, data) is gone, and why. */
export function openClient(restarted: (why: string) => void): Client {
  const waiting = new Map<number, Waiting>();
  let next = 0;
  let worker = spawn();

  function spawn(): Worker {
    const made = startWorker();
    made.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      const job = waiting.get(data.id);
      if (!job) return;
      if ("say" in data) return job.say(data.say);
      waiting.delete(data.id);
      if ("done" in data) job.resolve(data.done);
      else job.reject(data.stopped ? new Stopped(data.failed) : new Error(data.failed));
    });
    // Out of memory, or a script that could not load: what was asked has no answer any more.
    made.addEventListener("error", (event) => {
      event.preventDefault();
      made.terminate();
      const why = event.message || "the worker ended, most likely for want of memory";
      for (const job of waiting.values()) job.reject(new Error(why));
      waiting.clear();
      worker = spawn();
      restarted(why);
    });
    return made;
  }

  return {
    start<K extends Kind>(kind: K, ask: Jobs[K]["ask"], say: (word: Jobs[K]["say"]) => void = () => {}) {
      const id = next++;
      const result = new Promise<Jobs[K]["done"]>((resolve, reject) => {
        waiting.set(id, {
          say: (word) => say(word as Jobs[K]["say"]),
          resolve: (value) => resolve(value as Jobs[K]["done"]),
          reject,
        });
        worker.postMessage({ id, kind, ask } as ToWorker);
      });
      return { result, stop: () => worker.postMessage({ id, stop: true } satisfies ToWorker) };
    },
  };
}
