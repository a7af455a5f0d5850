/** @file The pages under docs/ as data: what is in them to run, what it prints, and where links go. `npm run docs` writes what is printed. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../", import.meta.url));

/** The page that says how a reader begins. */
export const firstPage = "docs/README.md";

/** A fenced block that a page asks to be run: its first line is ```sh run or ```ts run, then exit=N where the code is not 0. */
export interface Block {
  readonly language: "sh" | "ts";
  readonly text: string;
  readonly exit: number;
  readonly output: Output | null;
}

/** The block that follows: ```text output, whose numbers are held, or ```text like, whose numbers depend on the machine. */
export interface Output {
  readonly kind: "output" | "like";
  readonly text: string;
  /** Where its text is in the page. */
  readonly from: number;
}

/** Every page, by its path from the root. */
export const pages: readonly string[] = readdirSync(`${root}docs`, { recursive: true, encoding: "utf8" })
  .map((file) => `docs/${file.replaceAll("\\", "/")}`)
  .filter((file) => file.endsWith(".md"))
  .sort();

export const pageText = (page: string): string => readFileSync(`${root}${page}`, "utf8");

export function blocksOf(text: string): readonly Block[] {
  const found: Block[] = [];
  let waiting = false;
  for (const match of text.matchAll(/([\s\S]*?)^```([^\n]*)\n([\s\S]*?)^```$/gm)) {
    const [whole, between, info, body] = match;
    const [language, kind, exit] = info.split(" ");
    if (kind === "run") {
      const code = Number(exit?.replace("exit=", "") ?? 0);
      found.push({ language: language === "ts" ? "ts" : "sh", text: body, exit: code, output: null });
    } else if (language === "text" && (kind === "output" || kind === "like") && waiting && between.trim() === "") {
      const from = match.index + whole.length - body.length - "```".length;
      found.push({ ...(found.pop() as Block), output: { kind, text: body, from } });
    }
    waiting = kind === "run";
  }
  return found;
}

/**
 * Does what was printed say what the page shows? Times, hashes, lengths of spaces and lines may be anything; a line or part that is
 * `...` was left out; a number must be within 1 % or half a unit of its last digit. Where the page says `like`, numbers are any, and
 * so is what hangs on them: which is best, whether a search came to its end.
 */
export function agrees(shown: Output, printed: string): boolean {
  const clean = shown.kind === "like" ? (text: string) => loose(tidy(text)) : tidy;
  const pattern = clean(shown.text)
    .split("\n")
    .map((line) => (line === "..." ? "(?:.*\n)*?" : `${patternOf(line)}\n`))
    .join("");
  const found = `${clean(printed)}\n`.match(new RegExp(`^${pattern}$`));
  if (found === null || shown.kind === "like") return found !== null;
  const wanted = clean(shown.text).match(number) ?? [];
  return wanted.every((text, i) => isNear(text, found[i + 1]));
}

/** Relative links of a text: the file, and the heading in it. */
export const linksOf = (text: string): readonly { readonly file: string; readonly heading: string | null }[] =>
  [...text.replace(/^```[\s\S]*?^```$/gm, "").matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)].map(
    ([, file, heading]) => ({ file, heading: heading ?? null }),
  );

/** The names that headings can be linked by. */
export const headingsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, words]) =>
    words
      .toLowerCase()
      .replace(/[^\w\- ]/g, "")
      .replaceAll(" ", "-"),
  );

/** The folders of src in the order of the first table of docs/map.md. */
export const foldersOf = (map: string): readonly string[] =>
  [...map.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);

// --- internal ---

/** Not within a word, and not the number of a name. */
const number = /(?<![\w.])-?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\w)/g;

/** A text with its times, hashes, spaces and lines made alike. */
const tidy = (text: string): string =>
  withoutSeconds(text)
    .replace(/\b[0-9a-f]{16,64}\b/g, "HASH")
    .replace(/(?<![\w.])\d+(?:\.\d+)?( s|x)\b/g, "TIME$1")
    .replace(/─+/g, "─")
    .replace(/[ \t]+/g, " ")
    .replace(/ $/gm, "")
    .trimEnd();

/** A tidy text without what hangs on its numbers. */
const loose = (text: string): string =>
  text
    .replace(/(?<=\d)\*/g, "")
    .replace(/│ stopped │/g, "│ done │")
    .replace(/\((witnessed|proved), [\w-]+\)/g, "($1)");

/** Without what stands in columns of tables that are called seconds. */
function withoutSeconds(text: string): string {
  let column = -1;
  return text
    .split("\n")
    .map((line) => {
      if (!line.startsWith("│")) {
        if (!line.startsWith("├")) column = -1;
        return line;
      }
      const cells = line.split("│");
      if (column < 0) column = cells.findIndex((cell) => cell.trim() === "seconds");
      return cells.map((cell, i) => (i === column ? " TIME " : cell)).join("│");
    })
    .join("\n");
}

/** Escaped, with groups for its numbers. */
function patternOf(line: string): string {
  const between = line.split(number).map((part) => part.split("...").map(escaped).join(".*"));
  return between.join("(-?\\d+(?:\\.\\d+)?(?:e[-+]?\\d+)?)");
}

function isNear(shown: string, printed: string): boolean {
  const [a, b] = [Number(shown), Number(printed)];
  const digits = shown.split("e")[0].split(".")[1]?.length ?? 0;
  const place = Math.max(0.51 * 10 ** -digits * 10 ** Number(shown.split("e")[1] ?? 0), 0.01 * Math.abs(a));
  return Math.abs(a - b) <= (Number.isInteger(a) && digits === 0 ? 0 : place);
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
