/**
 * @file Successive halving: every run gets few epochs, and the best third of them three times as many, until the last have all. As in ASHA nobody waits for a
 * whole round; but who is promoted is decided by the runs in the order of the plan, not in the order of their ends, so that it does not depend on the machine.
 */
import type { Contestant } from "../experiment/comparison.ts";

export interface HalvingOptions {
  /** One of so many is promoted, and gets so many times the epochs. Default: 3. */
  readonly rate?: number;
  /** Carry a run out: larger is better; null where it failed. Higher rungs go first. */
  score(contestant: Contestant, rung: number): Promise<number | null>;
}

/** Epochs of each rung for a number of runs: as many rungs as runs and epochs can be divided. */
export function rungsOf(epochs: number, runs: number, rate = 3): readonly number[] {
  const log = (n: number) => Math.floor(Math.log(n) / Math.log(rate) + 1e-9);
  const last = Math.max(0, Math.min(log(runs), log(epochs)));
  return Array.from({ length: last + 1 }, (_, k) => Math.max(1, Math.round(epochs / rate ** (last - k))));
}

/**
 * Carry contestants out by successive halving: each rung's contestants with the epochs of the rung.
 * Of the first m of a rung the best floor(m / rate) are promoted as soon as those m are known. Returns those of each rung, in the order of their promotion.
 * Reference: Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning, Algorithm 2.
 */
export async function halve(
  contestants: readonly Contestant[],
  { rate = 3, score }: HalvingOptions,
): Promise<readonly (readonly Contestant[])[]> {
  const rungs =
    contestants.length === 0
      ? 0
      : rungsOf(Math.min(...contestants.map(({ run }) => run.epochs)), contestants.length, rate).length;
  const own: Contestant[][] = Array.from({ length: rungs }, () => []);

  /** Everything of a rung; `coming` yields its contestants as they are promoted. */
  const climb = async (rung: number, coming: AsyncIterable<Contestant>): Promise<void> => {
    const next = rung + 1 < rungs ? channel<Contestant>() : null;
    const above = next ? climb(rung + 1, next) : Promise.resolve();
    above.catch(() => undefined);
    const known: { readonly contestant: Contestant; readonly value: number }[] = [];
    const promoted = new Set<Contestant>();
    const promote = (count: number) => {
      const best = known.filter(({ value }) => value > Number.NEGATIVE_INFINITY).sort((a, b) => b.value - a.value);
      for (const { contestant } of best.slice(0, count)) {
        if (promoted.has(contestant)) continue;
        promoted.add(contestant);
        next?.put(contestant);
      }
    };
    try {
      const asked: Promise<number | null>[] = [];
      const arrived = channel<number>();
      const begun = (async () => {
        for await (const contestant of coming) {
          own[rung].push(contestant);
          const one = score(contestant, rung);
          one.catch(() => undefined);
          asked.push(one);
          arrived.put(asked.length);
        }
        arrived.end();
      })();
      for await (const at of arrived) {
        known.push({ contestant: own[rung][at - 1], value: (await asked[at - 1]) ?? Number.NEGATIVE_INFINITY });
        promote(Math.floor(known.length / rate));
      }
      await begun;
      // The best goes on where there are too few for a share.
      if (promoted.size === 0) promote(1);
    } finally {
      next?.end();
    }
    await above;
  };
  const first = channel<Contestant>();
  for (const contestant of contestants) first.put(contestant);
  first.end();
  if (rungs > 0) await climb(0, first);
  return own;
}

// --- internal ---

interface Channel<T> extends AsyncIterable<T> {
  put(value: T): void;
  end(): void;
}

/** Values in the order in which they are put, for one reader. */
function channel<T>(): Channel<T> {
  const values: T[] = [];
  let ended = false;
  let wake = (): void => undefined;
  return {
    put(value) {
      values.push(value);
      wake();
    },
    end() {
      ended = true;
      wake();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (values.length > 0) yield values.shift() as T;
        if (ended) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
