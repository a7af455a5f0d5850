/** @file The most memory that `npm start` holds, as the operating system counts it. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = new URL("../dist/cli/main.js", import.meta.url).pathname;
const report = 'process.on("exit", () => process.stderr.write("maxRSS " + process.resourceUsage().maxRSS))';

/** Megabytes, and how long it took; null without a build. */
export function memoryOfStart(): { readonly megabytes: number; readonly seconds: number } | null {
  if (!existsSync(program)) return null;
  const folder = mkdtempSync(join(tmpdir(), "lipschitz-bench-"));
  const started = performance.now();
  const hook = `data:text/javascript,${encodeURIComponent(report)}`;
  const words = ["--import", hook, program, "compare", "--quiet", "--out", folder];
  const { stderr } = spawnSync(process.execPath, words, { encoding: "utf8" });
  rmSync(folder, { recursive: true, force: true });
  const kilobytes = Number(stderr.match(/maxRSS (\d+)/)?.[1]);
  if (!Number.isFinite(kilobytes)) throw new Error(`bench: npm start failed: ${stderr}`);
  return { megabytes: kilobytes / 1024, seconds: (performance.now() - started) / 1000 };
}
