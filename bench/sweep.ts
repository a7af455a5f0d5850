/**
 * @file What sweeps cost and survive: `tsx bench/sweep.ts PART`, after a build. Parts: `pool` (speed of two processes against one on the digits), `overhead` (of a
 * job), `queue` (10,000 jobs that do nothing, through Redis), `kills` (200 jobs, killed with everything at 20 random moments).
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { poolBackend } from "../src/sweep/backend.ts";
import type { Ticket } from "../src/sweep/job.ts";
import { openPool } from "../src/sweep/pool.ts";
import { queueBackend } from "../src/sweep/queue.ts";
import { folderStore } from "../src/sweep/store.ts";
import { jobRunner, runAll } from "../src/sweep/sweep.ts";
import { startRedis } from "../test/redis.ts";
import { noModel, testProgram, ticket } from "../test/tickets.ts";

const program = new URL("../dist/cli/main.js", import.meta.url).pathname;
const testWorker = new URL("../test/fixtures/sweep/worker.mjs", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-bench-"));
const say = (text: string) => console.log(`${text}  (load ${loadavg()[0].toFixed(1)})`);

/** Wall and CPU seconds of a command with all its processes. */
function timed(words: readonly string[]): { readonly wall: number; readonly cpu: number } {
  const begun = performance.now();
  const { status, stderr } = spawnSync("bash", ["-c", `time "$@"`, "time", process.execPath, ...words], {
    encoding: "utf8",
    cwd: folder,
  });
  if (status !== 0) throw new Error(stderr);
  const of = (name: string) => {
    const [, minutes, seconds] = new RegExp(`${name}\\s+(\\d+)m([\\d.]+)s`).exec(stderr) ?? [];
    return 60 * Number(minutes) + Number(seconds);
  };
  return { wall: (performance.now() - begun) / 1000, cpu: of("user") + of("sys") };
}

function pool(): void {
  const common = { data: "digits", model: { kind: "mlp", widths: [64] }, epochs: 10, batch: 64 };
  writeFileSync(join(folder, "digits.json"), JSON.stringify({ common, runs: [{ method: { name: "lbdn" } }] }));
  const words = (workers: number) => [
    program,
    "sweep",
    "digits.json",
    "--grid",
    "gamma=1,2,4",
    "--seeds",
    "4",
    "--quiet",
    "--workers",
    String(workers),
  ];
  const found = [1, 2].map((workers) => {
    const out = `digits-${workers}`;
    const { wall, cpu } = timed([...words(workers), "--out", out]);
    const jobs = readdirSync(join(folder, out, "jobs")).map(
      (file) => JSON.parse(readFileSync(join(folder, out, "jobs", file), "utf8")).seconds as number,
    );
    const busy = jobs.reduce((a, b) => a + b, 0);
    say(
      `${workers} processes: ${wall.toFixed(1)} s, ${cpu.toFixed(1)} s of CPU; at work ${((100 * busy) / (workers * wall)).toFixed(1)} % of the time`,
    );
    return { wall, cpu };
  });
  say(
    `two processes against one: ${(found[0].wall / found[1].wall).toFixed(2)} times as fast, with ${(found[1].cpu / found[0].cpu).toFixed(3)} of the CPU`,
  );
}

async function overhead(): Promise<void> {
  const store = folderStore(folder);
  const open = openPool({ program: testProgram, workers: 1 });
  const backend = poolBackend({ pool: open, store, folder, signal: new AbortController().signal });
  const runner = jobRunner({ backend, store });
  await runAll([ticket("done", 0)], runner);
  const tickets = Array.from({ length: 1000 }, (_, k) => ticket("done", k + 1));
  const begun = performance.now();
  const cpu = process.cpuUsage();
  await runAll(tickets, runner);
  const { user, system } = process.cpuUsage(cpu);
  say(
    `a job that does nothing, by a process that is there: ${((performance.now() - begun) / 1000).toFixed(2)} ms, of which ${((user + system) / 1e6).toFixed(2)} ms of CPU here`,
  );
  await backend.close();
}

/** Jobs through a Redis, by workers of one process each. */
async function through(
  tickets: readonly Ticket[],
  what: string,
  start: (url: string) => ReturnType<typeof spawn>,
  model: (t: Ticket) => Promise<Uint8Array>,
): Promise<void> {
  const redis = await startRedis();
  const workers = [start(redis.url), start(redis.url)];
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const store = folderStore(join(folder, "queue"));
  const backend = await queueBackend({ url: redis.url, store, signal: new AbortController().signal, model });
  const begun = performance.now();
  const cpu = process.cpuUsage();
  const records = await runAll(tickets, jobRunner({ backend, store }));
  const wall = (performance.now() - begun) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const done = records.filter((r) => r?.status === "done").length;
  say(
    `${done} of ${tickets.length} ${what} through Redis, two workers: ${wall.toFixed(1)} s; the sweep's own CPU ${((user + system) / 1000 / tickets.length).toFixed(2)} ms a job`,
  );
  await backend.close();
  for (const worker of workers) worker.kill();
  await redis.stop();
}

const queue = (): Promise<void> =>
  through(
    Array.from({ length: 10_000 }, (_, k) => ticket("done", k + 1)),
    "jobs that do nothing",
    (url) => spawn(process.execPath, [testWorker, url, "1"], { stdio: ["ignore", "ignore", "inherit"] }),
    async () => noModel,
  );

/** 200 runs; everything killed at 20 random moments; the records against those of a sweep that nobody killed. */
async function kills(): Promise<void> {
  const common = {
    data: "two-moons",
    model: { kind: "mlp", widths: [2] },
    epochs: 2,
    batch: 16,
    radii: [0.1],
    samples: { train: 64, test: 4 },
    seconds: 1e-9,
  };
  writeFileSync(join(folder, "moons.json"), JSON.stringify({ common, runs: [{ method: { name: "lbdn" } }] }));
  const words = (out: string) => [
    program,
    "sweep",
    "moons.json",
    "--grid",
    "gamma=1,2,4,8",
    "--seeds",
    "50",
    "--quiet",
    "--out",
    out,
  ];
  const begun = performance.now();
  timed(words("whole"));
  const alone = (performance.now() - begun) / 1000;
  say(`200 jobs: ${alone.toFixed(0)} s`);
  for (let kill = 1; kill <= 20; kill++) {
    const child = spawn(process.execPath, words("killed"), { cwd: folder, stdio: "ignore", detached: true });
    const ended = new Promise((resolve) => child.on("exit", resolve));
    await new Promise((resolve) => setTimeout(resolve, 1000 * (1 + (Math.random() * 2 * alone) / 21)));
    if (child.exitCode === null) process.kill(-Number(child.pid), "SIGKILL");
    await ended;
    const there = readdirSync(join(folder, "killed"), { withFileTypes: true }).some((e) => e.name === "jobs")
      ? readdirSync(join(folder, "killed", "jobs")).length
      : 0;
    say(`kill ${kill}: ${there} records`);
  }
  timed(words("killed"));
  const records = (out: string) => {
    const place = join(folder, out, "jobs");
    return readdirSync(place)
      .filter((file) => !file.startsWith("."))
      .sort()
      .map(
        (file) =>
          `${file} ${JSON.stringify(JSON.parse(readFileSync(join(place, file), "utf8")), (key, value) => (key === "seconds" ? undefined : value))}`,
      );
  };
  const [whole, killed] = [records("whole"), records("killed")];
  const same = whole.filter((text, i) => text === killed[i]).length;
  say(`after 20 kills: ${killed.length} records, ${same} of ${whole.length} the same byte for byte but for times`);
  if (same !== 200 || killed.length !== 200) process.exitCode = 1;
}

mkdirSync(folder, { recursive: true });
try {
  const parts = { pool, overhead, queue, kills };
  const part = process.argv[2] as keyof typeof parts;
  if (!(part in parts)) throw new Error(`PART must be one of ${Object.keys(parts).join(", ")}`);
  await parts[part]();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
