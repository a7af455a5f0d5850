/** @file lipschitz worker --redis URL: does jobs of sweeps on this machine, until it is stopped; with --slice a part of a plan, without a server. */
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { shownUrl } from "../../sweep/redis.ts";
import { serve } from "../../sweep/serve.ts";
import { command } from "../command.ts";
import { CliError } from "../errors.ts";
import { bars, jobPool, redisOption, workersOf, workersOption } from "../pooled.ts";
import { workSlice } from "../sliceOfPlan.ts";

export const worker = command({
  name: "worker",
  description:
    "Do the jobs that sweeps put into Redis or Valkey, until it is stopped; what it was at is done elsewhere then. With --slice, do a part of a plan and end",
  example: "lipschitz worker --redis redis://queue.local:6379 --data-dir /data",
  args: {
    plan: { type: "positional", required: false, description: "With --slice: a sweep.json, or its folder" },
    ...redisOption,
    slice: { type: "string", description: "Do the I-th of N parts of the plan, from 0 on", valueHint: "I/N" },
    out: { type: "string", description: "With --slice: folder for its records and files", valueHint: "DIR" },
    ...workersOption,
    "data-dir": {
      type: "string",
      description: "Folder with data sets and files of one's own; a job can read no file outside it",
      valueHint: "DIR",
    },
  },
  goOn: () => "what it was at goes back to the queue",
  async run(args, surroundings) {
    const { progress, signal, result } = surroundings;
    const { slice, plan, out, workers } = args;
    if (slice !== undefined) {
      if (args.redis !== undefined) throw new CliError("--slice: needs no queue, and --redis has no slices; give one");
      if (plan === undefined)
        throw new CliError("worker: missing PLAN, the sweep.json that lipschitz sweep --plan-only wrote");
      await workSlice({ plan, slice, out, workers, dataDir: args["data-dir"] }, surroundings);
      return;
    }
    if (args.redis === undefined) throw new CliError("worker: missing --redis URL, the queue of its jobs");
    const dataDir = args["data-dir"] === undefined ? undefined : resolve(args["data-dir"]);
    const pool = jobPool(workersOf(args.workers), dataDir);
    const stop = stopped(signal);
    const done = { done: 0, failed: 0 };
    const all = progress.bar(`worker of ${shownUrl(args.redis)}`, 1);
    try {
      await serve({
        url: args.redis,
        pool,
        dataDir,
        scratch: join(tmpdir(), `lipschitz-worker-${process.pid}`),
        signal: stop.signal,
        hear: () => bars(progress),
        onJob(_, state) {
          if (state !== "begun") done[state]++;
          all.at(0, `${done.done} done, ${done.failed} failed`);
        },
      });
    } finally {
      stop.clear();
    }
    all.done();
    result(done, () => `${done.done} jobs done, ${done.failed} attempts failed.`);
  },
});

// --- internal ---

/** Stopping a worker is how it ends, by Ctrl-C or as services are stopped. */
function stopped(signal: AbortSignal): { readonly signal: AbortSignal; clear(): void } {
  const controller = new AbortController();
  const stop = () => controller.abort();
  signal.addEventListener("abort", stop, { once: true });
  process.once("SIGTERM", stop);
  return {
    signal: controller.signal,
    clear() {
      process.off("SIGTERM", stop);
    },
  };
}
