/** @file A PyTorch process to compare with. It is asked for a few steps at a time, so that ours and theirs share the machine's moods. */
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Torch {
  /** Version, speed of its dense matrix product and, where that is slow, a warning: to be printed beside every ratio. */
  readonly name: string;
  /** The seconds that a script answers to these words. */
  ask(...words: readonly (string | number)[]): Promise<number>;
  close(): void;
}

/** A Python that has torch. */
export function findTorch(): string | null {
  const found = [process.env.PYTHON, "python3", "/usr/bin/python3"].find(
    (command) => command && spawnSync(command, ["-c", "import torch"], { stdio: "ignore" }).status === 0,
  );
  return found ?? null;
}

/** Start a script of this folder in the first of $PYTHON, python3 and /usr/bin/python3 that has torch; says so and is null where none has. */
export async function startTorch(
  script: string,
  threads: number,
  words: readonly (string | number)[] = [],
): Promise<Torch | null> {
  const python = findTorch();
  if (!python) {
    console.log("PyTorch: not compared, no Python with torch in $PYTHON, python3 or /usr/bin/python3");
    return null;
  }
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(python, ["-B", path, ...[threads, ...words].map(String)], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} ended early`);
    return value;
  };
  const [, version, rate] = (await next()).split(" ");
  const slow = Number(rate) < 30 ? " (no fast BLAS: ratios of dense networks flatter us)" : "";
  return {
    name: `PyTorch ${version}, ${Number(rate).toFixed(0)} GFLOP/s in a dense product${slow}`,
    async ask(...words) {
      child.stdin.write(`${words.join(" ")}\n`);
      return Number(await next());
    },
    close: () => child.stdin.end(),
  };
}
