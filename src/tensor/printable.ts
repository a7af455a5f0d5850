/** @file Text that came from files (names of nodes, methods and paths) as a terminal may have it: control characters and what reorders text are shown, never sent. */

/**
 * One line, of anything: control characters (line ends too), format characters (those that turn the direction of writing around) and
 * halves of surrogate pairs are written as escapes. Already printable text comes back as it is.
 */
export const printable = (text: string): string => text.replace(unprintable, escapeOf);

/** The same for text of several lines, whose line ends are ours. */
export const printableLines = (text: string): string => text.split("\n").map(printable).join("\n");

/** The same for JSON as `JSON.stringify` writes it with line ends between its parts: what it reads back as is unchanged. */
export const printableJson = (text: string): string =>
  text.replace(unprintable, (c) => (c === "\n" ? c : Array.from({ length: c.length }, (_, i) => unit(c, i)).join("")));

// --- internal ---

/** Control, format and surrogate characters, and the line ends of Unicode. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu;

const short: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

const escapeOf = (c: string): string => short[c] ?? `\\u{${(c.codePointAt(0) as number).toString(16)}}`;

const unit = (c: string, i: number): string => `\\u${c.charCodeAt(i).toString(16).padStart(4, "0")}`;
