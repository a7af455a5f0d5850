/** @file Tickets of jobs that a test's own program does, by their labels. */
import { createHash } from "node:crypto";
import { type BoundJob, idOf, type Job, type Ticket } from "../src/sweep/job.ts";

/** The bytes of the model of every ticket: none is read. */
export const noModel = new Uint8Array(0);

/** What `test/fixtures/sweep/program.mjs` does is its label: done, fail, die, full, `block 100`, `wait 100`. */
export function ticket(label: string, seed = 1): Ticket {
  const sha256 = createHash("sha256").update(noModel).digest("hex");
  const job: BoundJob = {
    kind: "bound",
    model: { sha256, words: { shape: `x=${seed}` } },
    norm: 2,
    seed,
    check: false,
  };
  return asTicket(job, label);
}

export const asTicket = (job: Job, label = "done"): Ticket => ({ id: idOf(job), job, label });

export const testProgram = new URL("./fixtures/sweep/program.mjs", import.meta.url);
