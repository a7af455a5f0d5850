/** @file A long task that can be stopped: a generator that pauses every few million operations, run in one go or with the event loop in between. */

/** A task that ends in a T. */
export type Task<T> = Generator<undefined, T, undefined>;

/** Operations between two pauses, more or less: a few milliseconds. */
export const slice = 5e6;

/** Do it now. */
export function runAtOnce<T>(task: Task<T>): T {
  for (;;) {
    const { done, value } = task.next();
    if (done) return value;
  }
}

let last = 0;

/** Let others have their turn if the last one is 50 ms ago, and throw what the signal was aborted with. */
export async function yieldNow(before: () => void = () => undefined, signal?: AbortSignal): Promise<void> {
  if (performance.now() - last < 50) return;
  before();
  await new Promise((resolve) => setTimeout(resolve, 0));
  signal?.throwIfAborted();
  last = performance.now();
}

/** Do it so that others have their turn; throws what the signal was aborted with. */
export async function runYielding<T>(task: Task<T>, signal?: AbortSignal): Promise<T> {
  return (await runUntil(task, Number.POSITIVE_INFINITY, signal)) as T;
}

/** The same, given up at a time of `performance.now()`: null then. */
export async function runUntil<T>(task: Task<T>, until: number, signal?: AbortSignal): Promise<T | null> {
  for (;;) {
    const { done, value } = task.next();
    if (done) return value;
    if (performance.now() > until) return null;
    await yieldNow(undefined, signal);
  }
}
