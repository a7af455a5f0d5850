/** @file The worker: where models are read and every number is computed, so that the page stays free. Jobs stop at the library's own signal. */

import { type Desk, openDesk } from "./desk.ts";
import { boundJob } from "./jobs/bound.ts";
import { certificateJob, verifyJob } from "./jobs/certificate.ts";
import { certifyJob, perturbJob } from "./jobs/certify.ts";
import { dataJob } from "./jobs/data.ts";
import { openJob } from "./jobs/open.ts";
import { trainJob } from "./jobs/train.ts";
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
  data: dataJob,
  certify: certifyJob,
  perturb: perturbJob,
  verify: verifyJob,
  train: trainJob,
  certificate: certificateJob,
};

const desk = openDesk();
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
    send({ id, done: await job(desk, data.ask, { signal, say: (word: unknown) => send({ id, say: word }) }) });
  } catch (error) {
    send({ id, failed: error instanceof Error ? error.message : String(error), stopped: signal.aborted });
  }
  running.delete(id);
});
