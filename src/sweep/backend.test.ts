/** @file Tests of pool.ts, backend.ts and sweep.ts with a program that fails, dies and blocks as its jobs say. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testProgram, ticket } from "../../test/tickets.ts";
import { poolBackend } from "./backend.ts";
import { openPool } from "./pool.ts";
import { keyOf, recordOf } from "./record.ts";
import { folderStore } from "./store.ts";
import { jobRunner, runAll } from "./sweep.ts";
import { MachineError } from "./words.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lipschitz-backend-"));
  process.env.SWEEP_LOG = join(folder, "log");
});
afterEach(() => {
  delete process.env.SWEEP_LOG;
  rmSync(folder, { recursive: true, force: true });
});

const open = (workers: number, signal = new AbortController().signal) => {
  const pool = openPool({ program: testProgram, workers });
  const store = folderStore(folder);
  return { pool, store, backend: poolBackend({ pool, store, folder, signal }) };
};

/** What was begun, in order: a line for each. */
const log = (): string[][] =>
  readFileSync(join(folder, "log"), "utf8")
    .trim()
    .split("\n")
    .map((line) => line.split(" "));

describe("a pool of processes", () => {
  it("gives every job one record, whatever becomes of its process", async () => {
    const { backend, store } = open(2);
    const tickets = [ticket("done", 1), ticket("die", 2), ticket("fail", 3), ticket("block 50", 4), ticket("done", 5)];
    const records = await runAll([...tickets, tickets[0]], jobRunner({ backend, store }));
    await backend.close();
    expect(records.map((r) => r?.status)).toEqual(["done", "failed", "failed", "done", "done", "done"]);
    expect(records[1]).toMatchObject({ error: "its process ended early (SIGKILL)", attempts: 3 });
    expect(records[2]).toMatchObject({ error: "it does not work", attempts: 3 });
    expect(records[0]).toMatchObject({ value: { label: "done", infinite: Number.POSITIVE_INFINITY } });
    for (const [i, { id }] of tickets.entries()) expect(await recordOf(store, id)).toEqual(records[i]);
    const times = (seed: number) => log().filter(([id]) => id === tickets[seed - 1].id).length;
    expect([1, 2, 3, 4, 5].map(times)).toEqual([1, 3, 3, 1, 1]);
  });

  it("does not again what has a record, but for failures where it is told", async () => {
    const tickets = [ticket("done", 1), ticket("fail", 2)];
    const once = open(1);
    await runAll(tickets, jobRunner(once));
    await once.backend.close();
    expect(log()).toHaveLength(4);
    const found: boolean[] = [];
    const again = open(1);
    await runAll(tickets, jobRunner({ ...again, onRecord: (_, __, before) => found.push(before) }));
    expect(found).toEqual([true, true]);
    expect(log()).toHaveLength(4);
    await runAll(tickets, jobRunner({ ...again, retry: true }));
    await again.backend.close();
    expect(log()).toHaveLength(7);
  });

  it("begins with what takes longest, keeps its processes, and stops at a number of jobs", async () => {
    const { backend, store } = open(1);
    const tickets = [3, 9, 1, 7].map((seed) => ticket(`done ${seed}`, seed));
    const estimate = ({ label }: { readonly label: string }) => Number(label.split(" ")[1]);
    const records = await runAll(tickets, jobRunner({ backend, store, estimate, jobs: 3 }), estimate);
    await backend.close();
    expect(log().map((line) => line[3])).toEqual(["9", "7", "3"]);
    expect(new Set(log().map((line) => line[1])).size).toBe(1);
    expect(records.map((r) => r?.status ?? null)).toEqual(["done", "done", null, "done"]);
  });

  it("makes no record where the machine cannot go on, and stops", async () => {
    const { backend, store } = open(1);
    const { look, runJob } = jobRunner({ backend, store });
    const tickets = [ticket("full", 1), ticket("done", 2)];
    await look(tickets);
    const asked = tickets.map((t) => runJob(t));
    await expect(asked[0]).rejects.toThrow(MachineError);
    await asked[1];
    await backend.close();
    expect(await store.has(keyOf(tickets[0].id))).toBe(false);
  });

  it("stops when it is told, without records of what was at work", async () => {
    const controller = new AbortController();
    const { backend, store } = open(2, controller.signal);
    const tickets = [1, 2, 3].map((seed) => ticket("wait 60000", seed));
    const asked = runAll(tickets, jobRunner({ backend, store }));
    setTimeout(() => controller.abort(), 300);
    await expect(asked).rejects.toThrow(/abort/);
    await backend.close();
    for (const { id } of tickets) expect(await store.has(keyOf(id))).toBe(false);
  });

  it("divides the cores among its processes", () => {
    const { pool } = open(1);
    expect(pool.threads).toBeGreaterThanOrEqual(1);
    expect(openPool({ program: testProgram, workers: 10_000 }).threads).toBe(1);
  });
});
