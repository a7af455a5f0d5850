/** @file Time for a long computation: a limit in seconds, an abort, and turns given back to the event loop. */

export interface Budget {
  /** Seconds since the start. */
  elapsed(): number;
  readonly expired: boolean;
  /** Let the event loop turn if it has not for a while; throws the reason of the abort if there was one. */
  pause(): Promise<void>;
}

/** Start the clock. */
export function budget(options: { readonly seconds?: number; readonly signal?: AbortSignal } = {}): Budget {
  const { seconds = Number.POSITIVE_INFINITY, signal } = options;
  const start = performance.now();
  let turned = start;
  return {
    elapsed: () => (performance.now() - start) / 1000,
    get expired() {
      return performance.now() - start > 1000 * seconds;
    },
    async pause() {
      signal?.throwIfAborted();
      if (performance.now() - turned < 20) return;
      await new Promise((resolve) => setTimeout(resolve, 0));
      turned = performance.now();
      signal?.throwIfAborted();
    },
  };
}
