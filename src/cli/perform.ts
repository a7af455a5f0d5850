/** @file A job done in this process, whatever its kind. What it loads stays for the next job that needs the same. */
import { readdir } from "node:fs/promises";
import type { Split } from "../data/dataset.ts";
import { hashDataset } from "../data/dataset.ts";
import type { Engine } from "../engine/engine.ts";
import { nodeEngine } from "../engine/node.ts";
import { fitted } from "../experiment/fit.ts";
import type { RunRecord } from "../experiment/record.ts";
import type { RunJob } from "../sweep/job.ts";
import type { Done, Order } from "../sweep/words.ts";
import { UsageError } from "../tensor/errors.ts";
import { loadCheckpoint } from "./checkpoint.ts";
import { partsOf } from "./data.ts";
import type { Progress } from "./progress.ts";
import { claimFolder, resume } from "./resume.ts";

/** What stays from job to job, by what it is made of: the last one of each. */
export interface Carried {
  engine?: Kept<Engine>;
  parts?: Kept<Promise<Split>>;
}

interface Kept<T> {
  readonly key: string;
  readonly value: T;
}

export interface Surroundings {
  readonly progress: Progress;
  readonly signal: AbortSignal;
  readonly carried: Carried;
}

/** Do a job. */
export async function perform(order: Order, surroundings: Surroundings): Promise<Omit<Done, "kind">> {
  const { job } = order.ticket;
  switch (job.kind) {
    case "run":
      return performRun(job, order, surroundings);
    default:
      throw new UsageError(`job: unknown kind ${job.kind}`);
  }
}

// --- internal ---

/** The value that is kept under a name if it was made of the same, else a new one. */
function kept<T>(old: Kept<T> | undefined, key: string, make: () => T): Kept<T> {
  return old?.key === key ? old : { key, value: make() };
}

const engineOf = (carried: Carried, threads: number): Engine => {
  carried.engine = kept(carried.engine, String(threads), () => nodeEngine({ threads }));
  return carried.engine.value;
};

async function performRun(
  job: RunJob,
  order: Order,
  { progress, signal, carried }: Surroundings,
): Promise<Omit<Done, "kind">> {
  const { spec } = job;
  const { folder, dataDir, start, threads, ticket } = order;
  await claimFolder(folder, ticket.id);
  carried.parts = kept(carried.parts, JSON.stringify([spec.data, spec.reading, spec.seed, dataDir]), () =>
    partsOf(spec, dataDir),
  );
  const data = await carried.parts.value.catch((error: unknown) => {
    delete carried.parts;
    throw error;
  });
  const used = fitted(spec, data);
  for (const part of ["train", "test"] as const) {
    const found = await hashDataset(used[part]);
    if (found !== job.data[part]) {
      throw new UsageError(
        `${spec.data}: its ${part} part must be that of the plan (sha256 ${job.data[part].slice(0, 12)}...), got other samples here (${found.slice(0, 12)}...)`,
      );
    }
  }
  const record = await resume(spec, {
    engine: engineOf(carried, threads),
    data,
    folder,
    label: ticket.label,
    progress,
    signal,
    ...(start === undefined ? {} : { start: (await loadCheckpoint(start)).checkpoint.state }),
  });
  const names = await readdir(folder);
  // As it is read back, whether it was made now or found.
  const value = JSON.parse(JSON.stringify(record)) as RunRecord;
  return { value, files: names.filter((name) => /^[\w-]+\.(onnx|json|bin)$/.test(name)).sort() };
}
