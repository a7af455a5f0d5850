/** @file The processes of the command line: how many there are, and their bars among ours. */
import { availableParallelism } from "node:os";
import { extname } from "node:path";
import { openPool, type Pool } from "../sweep/pool.ts";
import type { Word } from "../sweep/words.ts";
import { parseWhole } from "./options.ts";
import type { Bar, Progress } from "./progress.ts";

export const workersOption = {
  workers: {
    type: "string",
    description: "Processes at a time; as many as cores unless told, which are divided among them",
    valueHint: "N",
  },
} as const;

export const workersOf = (word: string | undefined): number =>
  word === undefined ? availableParallelism() : parseWhole("--workers", word, 1);

/** Processes that do jobs of any kind. */
export const jobPool = (workers: number, cwd?: string): Pool =>
  openPool({
    program: new URL(`./worker${extname(import.meta.url)}`, import.meta.url),
    workers,
    ...(cwd !== undefined && { cwd }),
  });

/** Show what a process says of its bars among ours. */
export function bars(progress: Progress): (word: Word) => void {
  const own = new Map<number, Bar>();
  return (word) => {
    switch (word.kind) {
      case "bar":
        own.set(word.bar, progress.bar(word.label, word.total));
        break;
      case "at":
        own.get(word.bar)?.at(word.value, word.words);
        break;
      case "end":
        own.get(word.bar)?.done(word.words);
        break;
    }
  };
}
