/** @file The queue on a Redis of its own, and what can go wrong with it: every job ends in exactly one record. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Ticket } from "../../src/sweep/job.ts";
import { queueBackend, queued } from "../../src/sweep/queue.ts";
import { type JobRecord, recordOf } from "../../src/sweep/record.ts";
import { connect, redisStore, shownUrl } from "../../src/sweep/redis.ts";
import { lock } from "../../src/sweep/serve.ts";
import { folderStore } from "../../src/sweep/store.ts";
import { jobRunner, runAll } from "../../src/sweep/sweep.ts";
import { hasRedis, type Server, startRedis } from "../redis.ts";
import { asTicket, noModel, ticket } from "../tickets.ts";

const workerProgram = new URL("../fixtures/sweep/worker.mjs", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-queue-"));
let redis: Server;
let log = "";
let seed = 0;
const workers: Worker[] = [];

interface Worker {
  readonly child: ChildProcess;
  readonly lines: string[];
  /** The first line that fits, now or when it comes. */
  said(what: string | RegExp): Promise<string>;
}

/** A worker in a group of its own, so that a kill takes its processes along. */
async function startWorker(atOnce = 1, env: Readonly<Record<string, string>> = {}, url = redis.url): Promise<Worker> {
  const child = spawn(process.execPath, [workerProgram, url, String(atOnce)], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, SWEEP_LOG: log, ...env },
  });
  const lines: string[] = [];
  const waiting: { readonly what: string | RegExp; resolve(line: string): void }[] = [];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    for (const line of text.trim().split("\n")) {
      lines.push(line);
      for (const { what, resolve } of waiting) if (line.match(what)) resolve(line);
    }
  });
  const said = (what: string | RegExp) =>
    new Promise<string>((resolve) => {
      const found = lines.find((line) => line.match(what));
      if (found === undefined) waiting.push({ what, resolve });
      else resolve(found);
    });
  const worker = { child, lines, said };
  workers.push(worker);
  await said("ready");
  return worker;
}

function signal({ child }: Worker, name: NodeJS.Signals): void {
  try {
    process.kill(-Number(child.pid), name);
  } catch {
    // It is gone.
  }
}

/** Tickets that no test has had. */
const tickets = (...labels: readonly string[]): Ticket[] => labels.map((label) => ticket(label, 1000 + seed++));

/** A sweep of its own folder: what came of it, and what is kept there. */
async function sweepOf(asked: readonly Ticket[], name = `sweep-${seed}`): Promise<readonly (JobRecord | null)[]> {
  const store = folderStore(join(folder, name));
  const backend = await queueBackend({
    url: redis.url,
    store,
    signal: new AbortController().signal,
    model: async () => noModel,
  });
  try {
    const records = await runAll(asked, jobRunner({ backend, store }));
    for (const [i, { id }] of asked.entries()) expect(await recordOf(store, id)).toEqual(records[i]);
    return records;
  } finally {
    await backend.close();
  }
}

const begun = (id: string): number =>
  (existsSync(log) ? readFileSync(log, "utf8") : "").split("\n").filter((line) => line.startsWith(id)).length;

const statuses = (records: readonly (JobRecord | null)[]) => records.map((r) => r?.status);

describe.skipIf(!hasRedis())("the queue", () => {
  beforeAll(async () => {
    redis = await startRedis();
  });
  beforeEach(() => {
    log = join(folder, `log-${seed}`);
  });
  afterEach(() => {
    for (const worker of workers.splice(0)) signal(worker, "SIGKILL");
  });
  afterAll(async () => {
    await redis?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it("has every job done once, by any worker, and keeps the error of one that always fails", async () => {
    const asked = tickets("done", "fail", "done", "die", "wait 50", "done");
    // Asked before there is anybody.
    const sweep = sweepOf([...asked, asked[0]]);
    const [first, second] = await Promise.all([startWorker(2), startWorker(1)]);
    const records = await sweep;
    expect(statuses(records)).toEqual(["done", "failed", "done", "failed", "done", "done", "done"]);
    expect(records[1]).toMatchObject({ error: "it does not work", attempts: 3 });
    expect(records[3]).toMatchObject({ error: "its process ended early (SIGKILL)", attempts: 3 });
    expect(records[0]).toMatchObject({ value: { infinite: Number.POSITIVE_INFINITY } });
    expect(asked.map(({ id }) => begun(id))).toEqual([1, 3, 1, 3, 1, 1]);
    const { workers: there, waiting, active } = await queued(redis.url);
    expect(there.map((w) => w.workers).sort()).toEqual([1, 2]);
    expect([waiting, active]).toEqual([0, 0]);
    // What was done is in the mailbox, for whoever asks.
    expect(statuses(await sweepOf(asked, "another"))).toEqual(statuses(records.slice(0, 6)));
    expect(asked.map(({ id }) => begun(id))).toEqual([1, 3, 1, 3, 1, 1]);
    // Stopping is how a worker ends.
    for (const { child } of [first, second]) {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      expect(await ended).toBe(0);
    }
    expect((await queued(redis.url)).workers).toEqual([]);
  });

  it("has a job done elsewhere within ten seconds when its worker is killed", async () => {
    const both = await Promise.all([startWorker(), startWorker()]);
    const [job] = tickets("wait 1000");
    const sweep = sweepOf([job]);
    const first = await Promise.race(both.map((worker, i) => worker.said(`begun ${job.id}`).then(() => i)));
    const killed = performance.now();
    signal(both[first], "SIGKILL");
    expect(statuses(await sweep)).toEqual(["done"]);
    expect(performance.now() - killed).toBeLessThan(10_000);
    expect(both[1 - first].lines).toContain(`done ${job.id}`);
  });

  it("keeps the lock of a run that blocks for longer than a lock lasts", async () => {
    const [one, two] = await Promise.all([startWorker(), startWorker()]);
    const [job] = tickets(`block ${1.6 * lock.duration}`);
    expect(statuses(await sweepOf([job]))).toEqual(["done"]);
    expect(begun(job.id)).toBe(1);
    expect([...one.lines, ...two.lines].filter((line) => line.includes(job.id))).toHaveLength(2);
  });

  it("counts the first of two workers that did the same job", async () => {
    const [one] = [await startWorker()];
    const [job] = tickets("wait 300");
    const sweep = sweepOf([job]);
    await one.said(`begun ${job.id}`);
    // As one that is cut off: it does not renew its lock, and its process goes on.
    one.child.kill("SIGSTOP");
    const two = await startWorker();
    const records = await sweep;
    expect(two.lines).toContain(`done ${job.id}`);
    one.child.kill("SIGCONT");
    await one.said(`done ${job.id}`);
    const client = await connect(redis.url);
    expect(await recordOf(redisStore(client), job.id)).toEqual(records[0]);
    client.disconnect();
    expect(begun(job.id)).toBe(2);
  });

  it("goes on when connections are lost, and when the server dies and comes back with what it kept", async () => {
    await Promise.all([startWorker(2), startWorker(2)]);
    const asked = tickets(...Array.from({ length: 24 }, () => "wait 200"));
    const sweep = sweepOf(asked);
    await workers[0].said("done");
    const client = await connect(redis.url);
    await client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    client.disconnect();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await redis.restart("SIGKILL");
    expect(statuses(await sweep)).toEqual(asked.map(() => "done"));
  });

  it("loses nothing when the server forgets everything", async () => {
    const asked = tickets(...Array.from({ length: 6 }, () => "wait 100"));
    const sweep = sweepOf(asked);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const client = await connect(redis.url);
    await client.flushall();
    client.disconnect();
    await startWorker(2);
    expect(statuses(await sweep)).toEqual(asked.map(() => "done"));
  });

  it("gives a job back that a machine cannot do, without an attempt", async () => {
    const full = await startWorker(1, { FULL: "1" });
    const [job] = tickets("done");
    const sweep = sweepOf([job]);
    expect(await full.said("Error")).toBe("MachineError: no space left");
    await startWorker();
    expect(await sweep).toMatchObject([{ status: "done" }]);
  });

  it("stops a worker whose server is gone", async () => {
    const own = await startRedis();
    const both = await Promise.all([startWorker(1, {}, own.url), startWorker(1, {}, own.url)]);
    const ended = both.map(({ child }) => new Promise((resolve) => child.once("exit", resolve)));
    await own.stop();
    both[0].child.kill("SIGTERM");
    // By now the other one's connections are between two tries.
    await new Promise((resolve) => setTimeout(resolve, 400));
    both[1].child.kill("SIGTERM");
    expect(await Promise.all(ended)).toEqual([0, 0]);
  });

  it("refuses a job that is not of this version, or asks for files, before anything of it is touched", async () => {
    await startWorker();
    const [made, far] = tickets("done", "done");
    const other = { ...made, job: { ...made.job, seed: 1 } } as Ticket;
    const data = { name: "/etc/passwd", reading: {}, seed: 1, sha256: "0".repeat(64), from: 0, to: 1 };
    const { model } = far.job as Extract<Ticket["job"], { kind: "bound" }>;
    const outside = asTicket({ kind: "certify", model, data, norm: 2, radii: [], work: null, parts: 0 });
    const records = await sweepOf([other, outside]);
    expect(records).toMatchObject([
      { status: "failed", error: expect.stringContaining("its name must be that of its content in this version") },
      { status: "failed", error: 'job: asks for "/etc/passwd", and this worker has no --data-dir' },
    ]);
    expect(begun(outside.id)).toBe(0);
  });
});

describe("without a server", () => {
  it("says who cannot be reached, and shows no password", async () => {
    await expect(connect("redis://user:secret@127.0.0.1:1")).rejects.toThrow(
      /--redis redis:\/\/\*\*\*@127\.0\.0\.1:1: cannot be reached/,
    );
    await expect(connect("http://x")).rejects.toThrow(/must be redis:\/\/host:port/);
    expect(shownUrl("redis://a:b@c:1")).toBe("redis://***@c:1");
  });
});
