/** @file The command line that finds a result again: the options that were given, as they are. */
import { quoted } from "../report/reproduce.ts";

/** `lipschitz NAME MODEL --option value ...` of those options of `names` that have a word, and --no-check where that was said. */
export function commandLine(
  name: string,
  model: string,
  args: Readonly<Record<string, unknown>>,
  names: readonly string[],
): string {
  const given = names.flatMap((option) => {
    const value = args[option];
    return typeof value === "string" ? [`--${option} ${quoted(value)}`] : [];
  });
  const unchecked = args.check === false ? ["--no-check"] : [];
  return ["lipschitz", name, quoted(model), ...given, ...unchecked].join(" ");
}
