/** @file The built command line, run in a folder as a user does: a process of its own, what it prints and how it exits. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `lipschitz` with some words, in a folder. */
export const commandLineIn =
  (folder: string) =>
  (...words: string[]): Ended => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...words], {
      encoding: "utf8",
      cwd: folder,
    });
    return { status, stdout, stderr };
  };
