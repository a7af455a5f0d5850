/** @file Time for a long computation: a limit in seconds, an abort, and turns given back to the event loop. */

export interface Budget {
  /** Seconds since the start. */
  elapsed(): number;
  /** Out of time, or aborted. */
  readonly expired: boolean;
  /** Let the event loop turn if it has not for a while; throws the reason of the abort if there was one. */
  pause(): Promise<void>;
}

export interface BudgetOptions {
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** Milliseconds since any moment; those of the machine unless told. */
  readonly now?: () => number;
}

/** Start the clock. */
export function budget(options: BudgetOptions = {}): Budget {
  const { seconds = Number.POSITIVE_INFINITY, signal, now = () => performance.now() } = options;
  const start = now();
  let turned = start;
  return {
    elapsed: () => (now() - start) / 1000,
    get expired() {
      return signal?.aborted || now() - start > 1000 * seconds;
    },
    async pause() {
      signal?.throwIfAborted();
      if (now() - turned < 20) return;
      await new Promise((resolve) => setTimeout(resolve, 0));
      turned = now();
      signal?.throwIfAborted();
    },
  };
}

/** The same clock, which expires early enough for one more thing of known cost. */
export function reserving(clock: Budget, seconds: number | undefined, cost: () => number): Budget {
  return {
    elapsed: () => clock.elapsed(),
    get expired() {
      return clock.expired || (seconds !== undefined && clock.elapsed() + cost() > seconds);
    },
    pause: () => clock.pause(),
  };
}
