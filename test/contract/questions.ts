/** @file How a contract asks: who is asked, and what counts as agreement. */
import { expect } from "vitest";
import type { OpCase, Question } from "./opCases.ts";

/** The rows that do not excuse themselves from a question. */
export const asked = (question: Question, rows: readonly OpCase[]): readonly OpCase[] =>
  rows.filter((row) => !row.skip?.some((s) => s.question === question));

/** Two vectors differ by at most `tolerance` anywhere; not-a-number never agrees. */
export function expectClose(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    if (!(Math.abs(got[i] - want[i]) <= tolerance)) {
      expect.fail(`element ${i}: got ${got[i]}, want ${want[i]} within ${tolerance}`);
    }
  }
}
