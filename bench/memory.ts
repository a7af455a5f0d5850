/** @file The most memory that `npm start` holds, as the operating system counts it: the command itself and the largest of its jobs, as many as run at once. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";

const program = new URL("../dist/cli/main.js", import.meta.url).pathname;
const report = 'process.on("exit", () => process.stderr.write("maxRSS " + process.resourceUsage().maxRSS + ";"))';

/** Megabytes, and how long it took; null without a build. */
export function memoryOfStart(): { readonly megabytes: number; readonly seconds: number } | null {
  if (!existsSync(program)) return null;
  const folder = mkdtempSync(join(tmpdir(), "lipschitz-bench-"));
  const started = performance.now();
  const hook = `data:text/javascript,${encodeURIComponent(report)}`;
  const words = ["--import", hook, program, "compare", "--quiet", "--out", folder];
  const { stderr, status } = spawnSync(process.execPath, words, { encoding: "utf8" });
  rmSync(folder, { recursive: true, force: true });
  // The command outlives its jobs.
  const kilobytes = Array.from(stderr.matchAll(/maxRSS (\d+);/g), (match) => Number(match[1]));
  const own = kilobytes.pop();
  if (own === undefined || status !== 0) throw new Error(`bench: npm start failed: ${stderr}`);
  const jobs = kilobytes.sort((p, q) => q - p).slice(0, availableParallelism());
  const total = jobs.reduce((sum, size) => sum + size, own);
  return { megabytes: total / 1024, seconds: (performance.now() - started) / 1000 };
}
