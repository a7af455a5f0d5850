/** @file A redis-server of a test's own, on a free port. Tests that need one are skipped, with a word, where the program is not installed. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const program = ["valkey-server", "redis-server"].find((name) => spawnSync(name, ["--version"]).status === 0);

/** Is there one? Says so where there is none. */
export function hasRedis(): boolean {
  if (program === undefined)
    console.log("skipped: there is no redis-server or valkey-server (apt-get install redis-server)");
  return program !== undefined;
}

export interface Server {
  readonly url: string;
  readonly port: number;
  /** End it, by SIGKILL by default, and start it again with what it had written. */
  restart(signal?: NodeJS.Signals): Promise<void>;
  stop(): Promise<void>;
}

/** When what it is told is on the disk: at once, so that a test can kill it. */
const fsync = process.env.REDIS_FSYNC ?? "always";

/** Start one that keeps what it is told in a folder, with more of its options. */
export async function startRedis(...options: readonly string[]): Promise<Server> {
  const folder = mkdtempSync(join(tmpdir(), "lipschitz-redis-"));
  const port = await freePort();
  let server = await start(port, folder, options);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const gone = new Promise((resolve) => server.once("exit", resolve));
    server.kill(signal);
    await gone;
  };
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    async restart(signal = "SIGKILL") {
      await end(signal);
      server = await start(port, folder, options);
    },
    async stop() {
      await end("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

// --- internal ---

function start(port: number, folder: string, options: readonly string[]): Promise<ChildProcess> {
  const kept = ["--dir", folder, "--appendonly", "yes", "--appendfsync", fsync, "--save", "", "--bind", "127.0.0.1"];
  const server = spawn(program ?? "redis-server", ["--port", String(port), ...kept, ...options], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
    server.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (text.includes("Ready to accept connections")) resolve(server);
    });
  });
}
