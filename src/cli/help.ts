/** @file The help of a command: what the parser of options makes of it, folded to the width of a terminal, with an example that works. */
import { stripVTControlCharacters } from "node:util";
import { type CommandDef, renderUsage } from "citty";
import { aboutHelp } from "./command.ts";

/** The text of --help beside some words. */
export async function helpOf(
  command: CommandDef,
  parent: CommandDef | undefined,
  { width, words }: { readonly width: number; readonly words: readonly string[] },
): Promise<string> {
  const about = aboutHelp(command);
  const usage = await renderUsage(about ? { ...command, args: about.args(words) } : command, parent);
  const example = about?.example;
  const lines = usage.split("\n").flatMap((line) => folded(line.trimEnd(), Math.max(width, 60)));
  return `${lines.join("\n").trimEnd()}\n${example ? `\nEXAMPLE\n\n  ${example}\n` : ""}`;
}

// --- internal ---

const lengthOf = (text: string): number => stripVTControlCharacters(text).length;

/** A line of a list as several, whose description stands below itself. */
function folded(line: string, width: number): string[] {
  if (lengthOf(line) <= width) return [line];
  const at = line.lastIndexOf("    ") + 4;
  const [name, words] = at > 4 ? [line.slice(0, at), line.slice(at)] : ["", line];
  const indent = " ".repeat(lengthOf(name));
  const lines: string[] = [];
  let current = name;
  for (const word of words.split(" ")) {
    if (
      lengthOf(current) + 1 + lengthOf(word) > width &&
      current.trim() !== "" &&
      current !== indent &&
      current !== name
    ) {
      lines.push(current);
      current = indent;
    }
    current += current === name || current === indent ? word : ` ${word}`;
  }
  return [...lines, current];
}
