/**
 * @file Kills a comparison with all its processes at random moments, lets it end, and holds its folder against one that was let be: every
 * number but times, every model and the table must be the same. `npx tsx bench/kills.ts [kills] [longest wait in seconds] [seed]`, after
 * `npm run build`; a few minutes. Exit code 1 where something differs.
 */
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { random } from "../src/tensor/random.ts";

const [kills = 10, longest = 30, seed = 1] = process.argv.slice(2).map(Number);
const program = new URL("../dist/cli/main.js", import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "lipschitz-kills-"));
const words = (out: string) => [program, "compare", "--epochs", "3", "--out", out];
const moments = random(seed);

const whole = finish("whole");
for (let k = 1; k <= kills; k++) {
  const wait = 1 + moments.uniform() * (longest - 1);
  const child = spawn(process.execPath, words("killed"), { cwd: folder, stdio: "ignore", detached: true });
  const ended = new Promise((resolve) => child.on("exit", resolve));
  await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 1000 * wait))]);
  if (child.exitCode === null) process.kill(-Number(child.pid), "SIGKILL");
  await ended;
  console.log(`kill ${k} after ${wait.toFixed(1)} s: ${recordsIn("killed")} runs are done`);
}
const killed = finish("killed");
const differing = [
  ...filesIn("whole").filter((file) => contentOf("whole", file) !== contentOf("killed", file)),
  ...filesIn("killed").filter((file) => !filesIn("whole").includes(file)),
];
if (tableOf(whole) !== tableOf(killed)) differing.push("the table");
console.log(tableOf(killed));
if (differing.length === 0) {
  console.log("All the same.");
  rmSync(folder, { recursive: true, force: true });
} else {
  console.log(`DIFFERENT in ${folder}: ${differing.join(", ")}`);
  process.exitCode = 1;
}

// --- internal ---

function finish(out: string): SpawnSyncReturns<string> {
  const done = spawnSync(process.execPath, words(out), { cwd: folder, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${out}: exit code ${done.status}: ${done.stderr}`);
  return done;
}

/** Times are what may differ. */
function tableOf({ stdout }: SpawnSyncReturns<string>): string {
  const lines = stdout.split("\n").filter((line) => !/^Written|^and in/.test(line));
  return lines.map((line) => line.replace(/ +(time|[\d.]+x)$/, "")).join("\n");
}

function filesIn(out: string): string[] {
  const all = readdirSync(join(folder, out), { recursive: true, withFileTypes: true });
  const names = all
    .filter((e) => e.isFile())
    .map((e) => join(e.parentPath, e.name).slice(join(folder, out).length + 1));
  // The report shows times; a checkpoint's are in its epochs.
  return names.filter((name) => !name.endsWith(".html")).sort();
}

function contentOf(out: string, file: string): string {
  try {
    const bytes = readFileSync(join(folder, out, file));
    if (!file.endsWith(".json")) return bytes.toString("base64");
    return JSON.stringify(JSON.parse(bytes.toString()), (key, value) => (key === "seconds" ? undefined : value));
  } catch {
    return "missing";
  }
}

function recordsIn(out: string): number {
  return filesIn(out).filter((file) => /.\/record\.json$/.test(file)).length;
}
