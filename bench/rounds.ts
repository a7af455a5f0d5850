/** @file Turn and turn about: contestants are timed round by round in one run, so that a machine's moods meet all of them. */
import type { Named } from "../src/tensor/named.ts";

export type Times = Named<readonly number[]>;

/** Seconds of every contestant in every round, after one round to warm up. A pause lets the threads of the one before go to sleep. */
export async function takeTurns(rounds: number, contestants: Named<() => Promise<number>>, rest = 200): Promise<Times> {
  const times: Record<string, number[]> = {};
  for (const name in contestants) times[name] = [];
  for (let round = -1; round < rounds; round++) {
    for (const name in contestants) {
      await new Promise((done) => setTimeout(done, rest));
      const seconds = await contestants[name]();
      if (round >= 0) times[name].push(seconds);
    }
  }
  return times;
}

/** Of two contestants. Other work on the machine slows the one with more barriers more: the fastest rounds are the fair ones. */
export function ratio(a: readonly number[], b: readonly number[]): string {
  const median = medianOf(a.map((seconds, round) => seconds / b[round]));
  return `${(Math.min(...a) / Math.min(...b)).toFixed(2)} by the fastest rounds, ${median.toFixed(2)} in the median round`;
}

export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((p, q) => p - q);
  return sorted[sorted.length >> 1];
}
