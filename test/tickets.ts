/** @file Tickets of jobs that a test's own program does, by their labels. */
import { type BoundJob, idOf, type Ticket } from "../src/sweep/job.ts";

/** What `test/fixtures/sweep/program.mjs` does is its label: done, fail, die, full, `block 100`, `wait 100`. */
export function ticket(label: string, seed = 1): Ticket {
  const sha256 = "0".repeat(64);
  const job: BoundJob = {
    kind: "bound",
    model: { sha256, words: { shape: `x=${seed}` } },
    norm: 2,
    seed,
    check: false,
  };
  return { id: idOf(job), job, label };
}

export const testProgram = new URL("./fixtures/sweep/program.mjs", import.meta.url);
