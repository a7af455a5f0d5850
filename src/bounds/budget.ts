/**
 * @file Time for a long computation: a limit, an abort, and turns given back to the event loop. What passes is the machine's time, or work that is
 * counted: by counted work a search ends at the same place on every machine, however busy it is.
 */

/** What passes while something is computed. */
export interface Clock {
  /** Milliseconds since any moment. */
  now(): number;
  /** Is it work that is counted, and not time? */
  readonly counted?: boolean;
  /** So many multiply-adds (or what takes as long) are being done. Only counted work asks; whoever loops for long says it before the loop. */
  spend(operations: number): void;
}

/** The machine's time. */
export const machineClock: Clock = { now: () => performance.now(), spend() {} };

/** Multiply-adds in plain loops that count as a second: about what one core does. */
export const nominalSpeed = 1e9;

/** Counted work, as if a machine did `nominalSpeed` operations a second and nothing else. */
export function workClock(): Clock {
  let operations = 0;
  return {
    counted: true,
    now: () => (1000 * operations) / nominalSpeed,
    spend(more) {
      operations += more;
    },
  };
}

/** Is there time for so many operations, at the nominal speed? */
export type Affords = (operations: number) => boolean;

/** Of what has no limit. */
export const always: Affords = () => true;

export interface Budget {
  /** Seconds since the start, by the clock. */
  elapsed(): number;
  /** Out of time, or aborted. */
  readonly expired: boolean;
  /** Is there time for so many operations, at the nominal speed? What cannot be interrupted asks before it begins. */
  readonly fits: Affords;
  /** As `Clock`. */
  readonly counted: boolean;
  spend(operations: number): void;
  /** Let the event loop turn if it has not for a while; throws the reason of the abort if there was one. */
  pause(): Promise<void>;
}

export interface BudgetOptions {
  /** By the clock. Default: no limit. */
  readonly seconds?: number;
  readonly signal?: AbortSignal;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/** Start the clock. */
export function budget(options: BudgetOptions = {}): Budget {
  const { seconds = Number.POSITIVE_INFINITY, signal, clock = machineClock } = options;
  const start = clock.now();
  let turned = performance.now();
  const left = () => 1000 * seconds - (clock.now() - start);
  return {
    elapsed: () => (clock.now() - start) / 1000,
    get expired() {
      return signal?.aborted || left() < 0;
    },
    fits: (operations) => !signal?.aborted && (1000 * operations) / nominalSpeed <= left(),
    counted: clock.counted ?? false,
    spend: (operations) => clock.spend(operations),
    async pause() {
      signal?.throwIfAborted();
      if (performance.now() - turned < 20) return;
      await new Promise((resolve) => setTimeout(resolve, 0));
      turned = performance.now();
      signal?.throwIfAborted();
    },
  };
}

/** The same clock, which expires early enough for one more thing of known cost. */
export function reserving(clock: Budget, seconds: number | undefined, cost: () => number): Budget {
  return {
    ...clock,
    get expired() {
      return clock.expired || (seconds !== undefined && clock.elapsed() + cost() > seconds);
    },
  };
}
