/** @file The worker: where models are read and every number is computed, so that the page stays free. Jobs stop at the library's own signal. */

import { type Desk, openDesk } from "./desk.ts";
import { boundJob, gainsJob } from "./jobs/bound.ts";
import { certificateJob, verifyJob } from "./jobs/certificate.ts";
import { certifyJob, perturbJob } from "./jobs/certify.ts";
import { dataJob } from "./jobs/data.ts";
import { openJob } from "./jobs/open.ts";
import { trainJob } from "./jobs/train.ts";
import { trapJob } from "./jobs/trap.ts";
import type { FromWorker, Jobs, Kind, ToWorker } from "./protocol.ts";

export type JobOf<K extends Kind> = (
  desk: Desk,
  ask: Jobs[K]["ask"],
  tools: { readonly signal: AbortSignal; say(word: Jobs[K]["say"]): void },
) => Promise<Jobs[K]["done"]>;

const jobs: { readonly [K in Kind]: JobOf<K> } = {
  warm: async (desk) => {
    await desk.engine.warm();
    return { engine: desk.engine.name };
  },
  open: openJob,
  bound: boundJob,
  gains: gainsJob,
  data: dataJob,
  certify: certifyJob,
  perturb: perturbJob,
  verify: verifyJob,
  train: trainJob,
  trap: trapJob,
  certificate: certificateJob,
};

// Messages that come before it is there wait for it.
const opened = openDesk();
const running = new Map<number, AbortController>();
const send = (word: FromWorker) => postMessage(word);

addEventListener("message", async ({ data }: MessageEvent<ToWorker>) => {
  const { id } = data;
  if ("stop" in data) {
    running.get(id)?.abort();
    return;
  }
  const controller = new AbortController();
  running.set(id, controller);
  const { signal } = controller;
  try {
    const job = jobs[data.kind] as JobOf<Kind>;
    send({ id, done: await job(await opened, data.ask, { signal, say: (word: unknown) => send({ id, say: word }) }) });
  } catch (error) {
    const failed = error instanceof Error ? error.message : String(error);
    send(isExhausted(error, failed) ? { id, exhausted: failed } : { id, failed, stopped: signal.aborted });
  }
  running.delete(id);
});

/** Without memory the runtime and what it holds are in no known state. */
const isExhausted = (error: unknown, message: string): boolean =>
  error instanceof WebAssembly.RuntimeError ||
  /bad_alloc|out of memory|\bOOM\b|Aborted\(|allocation failed|memory access out of bounds|Invalid typed array length/i.test(
    message,
  );
