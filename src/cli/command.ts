/** @file What all commands share: --json and --quiet, refusal of unknown options, an example under the help text, progress on stderr. */
import { type ArgsDef, type CommandDef, defineCommand, type ParsedArgs } from "citty";
import { CliError, describeFailure } from "./errors.ts";
import { printJson, printText } from "./print.ts";
import { openProgress, type Progress } from "./progress.ts";

/** What a command runs with, beside its arguments. */
export interface Surroundings {
  /** Print the result: the object under --json, else the text. */
  result(json: unknown, text: () => string): void;
  readonly progress: Progress;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

const common = {
  json: { type: "boolean", description: "Print one JSON object on stdout and nothing else" },
  quiet: { type: "boolean", description: "Print nothing but errors" },
} as const satisfies ArgsDef;

const helps = new WeakMap<object, { readonly example: string; args(words: readonly string[]): ArgsDef }>();

export interface Definition<T extends ArgsDef> {
  readonly name: string;
  readonly description: string;
  /** A command line that works as it stands, shown under --help. */
  readonly example: string;
  readonly args: T;
  /** Takes more words of the kind of its last one; one for each otherwise. */
  readonly several?: boolean;
  /** What --help lists, where it depends on the words beside it. Default: all of `args`. */
  helpArgs?(words: readonly string[]): ArgsDef;
  /** What to do after an interruption so that what was done is not lost. Default: nothing is kept. */
  goOn?(args: ParsedArgs<T>): string;
  run(args: ParsedArgs<T>, surroundings: Surroundings): Promise<void>;
}

/** Define a command of the family. */
export function command<const T extends ArgsDef>(definition: Definition<T>): CommandDef<T & typeof common> {
  const args = { ...definition.args, ...common };
  const made = defineCommand({
    meta: { name: definition.name, description: definition.description },
    args,
    async run(context) {
      refuseUnknown(definition, args, context.rawArgs, context.args._);
      const { json, quiet } = context.args as { json?: boolean; quiet?: boolean };
      const controller = new AbortController();
      const interrupt = () => controller.abort();
      process.once("SIGINT", interrupt);
      const progress = openProgress(!(json || quiet));
      let printed = false;
      try {
        await definition.run(context.args as unknown as ParsedArgs<T>, {
          progress,
          signal: controller.signal,
          result(object, text) {
            progress.stop();
            printed = true;
            if (json) printJson(object);
            else if (!quiet) printText(text());
          },
        });
      } catch (error) {
        progress.stop();
        if (describeFailure(error).code !== 130) throw error;
        const advice = definition.goOn?.(context.args as unknown as ParsedArgs<T>) ?? "nothing is kept";
        // One object under --json, whatever happens.
        if (json && !printed) printJson({ interrupted: true, advice });
        throw new CliError(`interrupted; ${advice}`, 130);
      } finally {
        progress.stop();
        process.removeListener("SIGINT", interrupt);
      }
    },
  });
  helps.set(made, {
    example: definition.example,
    args: (words) => ({ ...(definition.helpArgs?.(words) ?? definition.args), ...common }),
  });
  return made as unknown as CommandDef<T & typeof common>;
}

/** What the help of a command needs: its example, and its options beside some words. */
export const aboutHelp = (made: object) => helps.get(made);

// --- internal ---

function refuseUnknown(
  { name, several }: { readonly name: string; readonly several?: boolean },
  args: ArgsDef,
  rawArgs: readonly string[],
  positionals: readonly string[],
): void {
  const kebab = (word: string) => word.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  const known = new Map(Object.entries(args).map(([key, definition]) => [kebab(key), definition]));
  for (const raw of rawArgs) {
    if (raw === "--") break;
    if (!raw.startsWith("-") || /^-[\d.]/.test(raw)) continue;
    const word = kebab(raw.replace(/^--?/, "").split("=")[0]);
    if (!known.has(word) && known.get(word.replace(/^no-/, ""))?.type !== "boolean") {
      throw new CliError(`unknown option ${raw.split("=")[0]}; see lipschitz ${name} --help`);
    }
  }
  const expected = Object.values(args).filter((a) => a.type === "positional").length;
  if (positionals.length > expected && !several) {
    throw new CliError(`unexpected argument "${positionals[expected]}"; see lipschitz ${name} --help`);
  }
}
