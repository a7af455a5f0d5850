/** @file Processes that do jobs, one each at a time. They are started when there is something to do, stay for the next job, and are replaced when they die. */
import { type ChildProcess, fork } from "node:child_process";
import { availableParallelism } from "node:os";
import type { Answer, Order, Word } from "./words.ts";

export interface PoolOptions {
  /** The module that a process runs: it is sent an `Order`, and says `Word`s. */
  readonly program: URL;
  /** Processes at a time. Default: as many as cores. */
  readonly workers?: number;
  /** Their working folder. */
  readonly cwd?: string;
}

export interface Pool {
  readonly workers: number;
  /** Of ONNX Runtime in each process: the cores, divided. */
  readonly threads: number;
  /**
   * Have a job done by the next process that is free; in the order of the calls. A process that dies without an answer is a failure of the job. Rejects with the
   * signal's reason when it is aborted; a process that is at work is then asked to stop, and is left to end by itself.
   */
  perform(
    order: Omit<Order, "threads">,
    options?: { readonly signal?: AbortSignal; hear?(word: Word): void },
  ): Promise<Answer>;
  /** End them all. */
  close(): Promise<void>;
}

export function openPool({ program, workers = availableParallelism(), cwd }: PoolOptions): Pool {
  const threads = Math.max(1, Math.floor(availableParallelism() / workers));
  const idle: ChildProcess[] = [];
  const alive = new Set<ChildProcess>();
  const line: (() => void)[] = [];
  let free = workers;

  const enter = async (): Promise<void> => {
    if (free > 0) free--;
    else await new Promise<void>((next) => line.push(next));
  };
  const leave = (): void => {
    const next = line.shift();
    if (next) next();
    else free++;
  };
  const start = (): ChildProcess => {
    const child = fork(program, {
      stdio: ["ignore", "ignore", "inherit", "ipc"],
      serialization: "advanced",
      cwd,
    });
    alive.add(child);
    const gone = () => {
      alive.delete(child);
      const at = idle.indexOf(child);
      if (at >= 0) idle.splice(at, 1);
    };
    child.on("exit", gone);
    // One that cannot be started, or told, ends its job by its exit.
    child.on("error", gone);
    return child;
  };

  return {
    workers,
    threads,
    async perform(order, { signal, hear } = {}) {
      await enter();
      try {
        signal?.throwIfAborted();
        const child = idle.pop() ?? start();
        const answer = await ask(child, { ...order, threads }, signal, hear);
        signal?.throwIfAborted();
        // What failed may have left anything behind.
        if (answer.kind === "failed") child.kill();
        else if (alive.has(child)) idle.push(child);
        return answer;
      } finally {
        leave();
      }
    },
    async close() {
      await Promise.all(
        [...alive].map((child) => {
          const ended = new Promise((resolve) => child.once("exit", resolve));
          child.kill();
          return ended;
        }),
      );
    },
  };
}

// --- internal ---

/** A job to a process, and its answer. */
function ask(
  child: ChildProcess,
  order: Order,
  signal: AbortSignal | undefined,
  hear: ((word: Word) => void) | undefined,
): Promise<Answer> {
  return new Promise<Answer>((resolve) => {
    const interrupt = () => child.kill("SIGINT");
    const end = (answer: Answer) => {
      signal?.removeEventListener("abort", interrupt);
      child.off("message", listen);
      child.off("exit", exited);
      child.off("error", broken);
      resolve(answer);
    };
    const early = (why: string) =>
      end({ kind: "failed", message: `its process ended early (${why})`, code: 1, fault: "job" });
    const exited = (code: number | null, killed: NodeJS.Signals | null) => early(String(killed ?? code));
    const broken = (error: Error) => early(error.message);
    const listen = (word: Word) => {
      if (word.kind === "done" || word.kind === "failed") end(word);
      else hear?.(word);
    };
    signal?.addEventListener("abort", interrupt, { once: true });
    child.on("message", listen);
    child.on("exit", exited);
    child.on("error", broken);
    child.send(order, (error) => {
      if (error) broken(error);
    });
    if (signal?.aborted) interrupt();
  });
}
