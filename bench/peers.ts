/** @file What we are compared with: Python processes with PyTorch, eager and compiled, and with JAX. They are asked for a few steps at a time, so that all share the machine's moods. */
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Peer {
  /** "PyTorch 2.15.0", "PyTorch 2.15.0 compiled", "JAX 0.10.2 jit". */
  readonly name: string;
  /** The same with the speed of its dense matrix product and, where that is slow, a warning: to be printed beside every ratio. */
  readonly title: string;
  /** The seconds that a script answers to these words; NaN where it has no answer. */
  ask(...words: readonly (string | number)[]): Promise<number>;
  close(): void;
}

/** Scripts of this folder that do the same. */
export interface Scripts {
  readonly torch: string;
  readonly jax?: string;
}

/** A Python that has torch. */
export const findTorch = (): string | null => findPython("torch");

/**
 * Start scripts with $PYTHON, python3 or /usr/bin/python3, the first that has what they import; says which there are none for. torch.compile is a peer of its own, where it
 * is there (from version 2 on, with a C++ compiler).
 */
export async function startPeers(
  { torch, jax }: Scripts,
  threads: number,
  words: readonly (string | number)[] = [],
): Promise<readonly Peer[]> {
  const [withTorch, withJax] = [findPython("torch"), findPython("jax")];
  if (!withTorch) console.log(`PyTorch: not compared, no Python with torch in ${places}`);
  if (jax && !withJax) console.log(`JAX: not compared, no Python with jax in ${places}`);
  const peers: Peer[] = [];
  if (withTorch) {
    peers.push(await start("PyTorch", withTorch, torch, [threads, ...words], "eager"));
    if (compiles(withTorch)) peers.push(await start("PyTorch", withTorch, torch, [threads, ...words], "compiled"));
  }
  if (jax && withJax) peers.push(await start("JAX", withJax, jax, [threads, ...words], "jit"));
  return peers;
}

// --- internal ---

const places = "$PYTHON, python3 or /usr/bin/python3";

function findPython(module: string): string | null {
  const found = [process.env.PYTHON, "python3", "/usr/bin/python3"].find(
    (command) => command && spawnSync(command, ["-c", `import ${module}`], { stdio: "ignore" }).status === 0,
  );
  return found ?? null;
}

const compiles = (python: string): boolean =>
  spawnSync(python, ["-c", "import torch; assert torch.compile(lambda x: x + 1)(torch.ones(3)).sum() == 6"], {
    stdio: "ignore",
  }).status === 0;

async function start(
  library: string,
  python: string,
  script: string,
  words: readonly (string | number)[],
  mode: "eager" | "compiled" | "jit",
): Promise<Peer> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const child = spawn(python, ["-B", path, ...words.map(String)], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, PEER_MODE: mode },
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${script} ended early`);
    return value;
  };
  const [, version, rate] = (await next()).split(" ");
  const name = `${library} ${version}${mode === "eager" ? "" : ` ${mode}`}`;
  const slow = Number(rate) < 30 ? " (no fast BLAS: ratios of dense networks flatter us)" : "";
  return {
    name,
    title: `${name}, ${Number(rate).toFixed(0)} GFLOP/s in a dense product${slow}`,
    async ask(...words) {
      child.stdin.write(`${words.join(" ")}\n`);
      return Number(await next());
    },
    close: () => child.stdin.end(),
  };
}
