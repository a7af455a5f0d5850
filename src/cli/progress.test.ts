/** @file Tests of progress.ts: what a log shows. */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openLines } from "./progress.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("openLines()", () => {
  it("writes a line of all that is under way, each ten seconds, until it is stopped", () => {
    const lines: string[] = [];
    const progress = openLines((line) => lines.push(line), 10_000);
    vi.advanceTimersByTime(25_000);
    expect(lines).toEqual([]);
    const [first, second] = [progress.bar("certify", 4), progress.bar("attack\u001b", 1)];
    first.at(1);
    vi.advanceTimersByTime(10_000);
    first.at(3, "loss  0.1 ");
    second.at(0.999, "");
    vi.advanceTimersByTime(10_000);
    first.done();
    vi.advanceTimersByTime(10_000);
    second.done();
    vi.advanceTimersByTime(10_000);
    const third = progress.bar("verify", 1);
    progress.stop();
    third.at(1);
    vi.advanceTimersByTime(60_000);
    expect(lines).toEqual([
      "[ 30 s] certify 25 %; attack\\u{1b} 0 %",
      "[ 40 s] certify 75 %, loss 0.1; attack\\u{1b} 99 %",
      "[ 50 s] attack\\u{1b} 99 %",
    ]);
  });
});
