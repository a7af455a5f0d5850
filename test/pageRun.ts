/** @file Carry out what the pages show: each page in a folder of its own, where `lipschitz` is a command and a package, as a reader has it. */
import { spawn } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { type Block, blocksOf, firstPage, pageText, root } from "./pages.ts";

export const program = join(root, "dist/cli/main.js");

export interface Printed {
  readonly block: Block;
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Desk {
  /** The blocks of a page in order, in a folder that holds what the first page made; stops after one that ends otherwise than it says. */
  run(page: string): Promise<readonly Printed[]>;
  clear(): void;
}

/** A place to run pages in. The first page must be run first. */
export function desk(): Desk {
  const home = mkdtempSync(join(tmpdir(), "lipschitz-docs-"));
  const folderOf = (page: string): string => join(home, page.replaceAll("/", "-"));
  const command = join(home, "bin", "lipschitz");
  mkdirSync(join(home, "bin"));
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`);
  chmodSync(command, 0o755);
  mkdirSync(join(home, "node_modules"));
  symlinkSync(root, join(home, "node_modules", "lipschitz"), "dir");
  cpSync(join(root, "examples"), join(home, "examples"), { recursive: true });
  const env = { ...process.env, PATH: `${join(home, "bin")}${delimiter}${process.env.PATH}` };

  return {
    async run(page) {
      const folder = folderOf(page);
      if (page === firstPage) mkdirSync(folder);
      else cpSync(folderOf(firstPage), folder, { recursive: true, verbatimSymlinks: true });
      const done: Printed[] = [];
      for (const block of blocksOf(pageText(page))) {
        done.push(await runBlock(block, folder, env));
        if (done.at(-1)?.status !== block.exit) break;
      }
      return done;
    },
    clear: () => rmSync(home, { recursive: true, force: true }),
  };
}

/** What a page shows of a block: refusals speak on stderr. */
export const shownOf = ({ block, stdout, stderr }: Printed): string => (block.exit === 0 ? stdout : stdout + stderr);

// --- internal ---

function runBlock(block: Block, cwd: string, env: NodeJS.ProcessEnv): Promise<Printed> {
  if (block.language === "ts") writeFileSync(join(cwd, "program.mts"), block.text);
  const [file, args] =
    block.language === "sh"
      ? ["sh", ["-e", "-c", block.text]]
      : [process.execPath, ["--import", join(root, "node_modules/tsx/dist/loader.mjs"), "program.mts"]];
  return new Promise((resolve, reject) => {
    const child = spawn(file as string, args as string[], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
      });
    }
    child.on("error", reject);
    // A slow machine gets lines of progress.
    const quiet = () => said.stderr.replace(/^\[ *\d+ s\] .*\n/gm, "");
    child.on("close", (status) => resolve({ block, status, stdout: said.stdout, stderr: quiet() }));
  });
}
