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
    let alive = false;
    made.addEventListener("message", ({ data }: MessageEvent<FromWorker>) => {
      alive = true;
      const job = waiting.get(data.id);
      if (!job) return;
      if ("say" in data) return job.say(data.say);
      waiting.delete(data.id);
      if ("done" in data) job.resolve(data.done);
      else if ("exhausted" in data) {
        job.reject(new Error(data.exhausted));
        restart(made, "there was not enough memory");
      } else job.reject(data.stopped ? new Stopped(data.failed) : new Error(data.failed));
    });
    made.addEventListener("error", (event) => {
      event.preventDefault();
      if (alive) return restart(made, event.message || "the worker ended, most likely for want of memory");
      // A script that does not load now does not load when asked again.
      fail(event.message || "the script of the worker does not load");
    });
    return made;
  }

  function fail(why: string): void {
    for (const job of waiting.values()) job.reject(new Error(why));
    waiting.clear();
  }

  /** What was asked of the old worker has no answer any more. */
  function restart(old: Worker, why: string): void {
    old.terminate();
    fail(why);
    worker = spawn();
    restarted(why);
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
