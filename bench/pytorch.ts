/** @file A PyTorch process to compare with. It is asked for a few steps at a time, so that ours and theirs share the machine's moods. */
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Torch {
  readonly version: string;
  /** GFLOP/s of its dense matrix product. */
  readonly matmulRate: number;
  /** Seconds that so many training steps of a network take. */
  steps(network: string, count: number): Promise<number>;
  close(): void;
}

/** A Python that has torch. */
export function findTorch(): string | null {
  const found = [process.env.PYTHON, "python3", "/usr/bin/python3"].find(
    (command) => command && spawnSync(command, ["-c", "import torch"], { stdio: "ignore" }).status === 0,
  );
  return found ?? null;
}

/** Start a script of this folder in the first of $PYTHON, python3 and /usr/bin/python3 that has torch; null where none has. */
export async function startTorch(threads: number, name = "pytorch.py"): Promise<Torch | null> {
  const python = findTorch();
  if (!python) return null;
  const script = fileURLToPath(new URL(name, import.meta.url));
  const child = spawn(python, [script, String(threads)], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${name} ended early`);
    return value;
  };
  const [, version, rate] = (await next()).split(" ");
  return {
    version,
    matmulRate: Number(rate),
    async steps(network, count) {
      child.stdin.write(`${network} ${count}\n`);
      return Number(await next());
    },
    close: () => child.stdin.end(),
  };
}
