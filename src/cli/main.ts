#!/usr/bin/env node
/** @file The command line. Commands load lazily, so that --help costs nothing; this file alone decides what a failure looks like. */
import { stripVTControlCharacters } from "node:util";
import { type CommandDef, defineCommand, runCommand } from "citty";
import { tool } from "../experiment/tool.ts";
import { CliError, systemReason } from "./errors.ts";
import { helpOf } from "./help.ts";
import { printFailure } from "./print.ts";

const commands = {
  compare: () => import("./commands/compare.ts").then((m) => m.compare as CommandDef),
  train: () => import("./commands/train.ts").then((m) => m.train as CommandDef),
  run: () => import("./commands/run.ts").then((m) => m.run as CommandDef),
  sweep: () => import("./commands/sweep.ts").then((m) => m.sweep as CommandDef),
  worker: () => import("./commands/worker.ts").then((m) => m.worker as CommandDef),
  merge: () => import("./commands/merge.ts").then((m) => m.merge as CommandDef),
  status: () => import("./commands/status.ts").then((m) => m.status as CommandDef),
  bound: () => import("./commands/bound.ts").then((m) => m.bound as CommandDef),
  gain: () => import("./commands/gain.ts").then((m) => m.gain as CommandDef),
  difference: () => import("./commands/difference.ts").then((m) => m.difference as CommandDef),
  curvature: () => import("./commands/curvature.ts").then((m) => m.curvature as CommandDef),
  certify: () => import("./commands/certify.ts").then((m) => m.certify as CommandDef),
  margins: () => import("./commands/margins.ts").then((m) => m.margins as CommandDef),
  attack: () => import("./commands/attack.ts").then((m) => m.attack as CommandDef),
  rank: () => import("./commands/rank.ts").then((m) => m.rank as CommandDef),
  explain: () => import("./commands/explain.ts").then((m) => m.explain as CommandDef),
  check: () => import("./commands/check.ts").then((m) => m.check as CommandDef),
  verify: () => import("./commands/verify.ts").then((m) => m.verify as CommandDef),
  report: () => import("./commands/report.ts").then((m) => m.report as CommandDef),
  data: () => import("./commands/data.ts").then((m) => m.data as CommandDef),
} as const;

const main = defineCommand({
  meta: { name: tool.name, version: tool.version, description: tool.description },
  subCommands: commands,
});

// A reader that has seen enough (`| head`) closes the pipe: that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  process.exit(printFailure(new CliError(`stdout: cannot be written: ${systemReason(error)}`)));
});

process.exitCode = await run(process.argv.slice(2));

async function run(words: readonly string[]): Promise<number> {
  try {
    if (words.length === 1 && (words[0] === "--version" || words[0] === "-v")) {
      process.stdout.write(`${tool.version}\n`);
      return 0;
    }
    const { path, command } = await find(words);
    const rest = words.slice(path.length);
    if (rest.includes("--help") || rest.includes("-h") || command.run === undefined) {
      const parent: CommandDef | undefined =
        path.length > 0 ? { meta: { name: [tool.name, ...path.slice(0, -1)].join(" ") } } : undefined;
      const width = Math.min(process.stdout.columns ?? 100, 120);
      const usage = await helpOf(command, parent, { width, words: rest });
      const coloured = process.stdout.isTTY && process.env.NO_COLOR === undefined;
      process.stdout.write(coloured ? usage : stripVTControlCharacters(usage));
      return 0;
    }
    await runCommand(command, { rawArgs: [...rest] });
    return 0;
  } catch (error) {
    return printFailure(error);
  }
}

/** Follow the sub-command words as far as they go. */
async function find(words: readonly string[]): Promise<{ path: string[]; command: CommandDef }> {
  const path: string[] = [];
  let command = main as CommandDef;
  for (;;) {
    const children = command.subCommands as Record<string, CommandDef | (() => Promise<CommandDef>)> | undefined;
    const word = words[path.length];
    if (!children || word === undefined || word.startsWith("-")) return { path, command };
    const child = children[word];
    if (!child) throw new CliError(`unknown command "${word}"; known: ${Object.keys(children).join(", ")}`);
    command = typeof child === "function" ? await child() : child;
    path.push(word);
  }
}
