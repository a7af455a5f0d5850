/** @file The only places where the program speaks: results on stdout, failures on stderr. What came from files reaches a terminal as text that can be read, never as control sequences. */
import { printableJson, printableLines } from "../tensor/printable.ts";
import { describeFailure, type ExitCode } from "./errors.ts";

/** A result in words. Names in it that may hold line ends are made printable where they are put in. */
export const printText = (text: string): void => void process.stdout.write(`${printableLines(text)}\n`);

/** A result as one JSON object. */
export const printJson = (value: unknown): void =>
  void process.stdout.write(`${printableJson(JSON.stringify(value, null, 2))}\n`);

/** A failure, and the code to exit with. */
export function printFailure(error: unknown): ExitCode {
  const { message, code } = describeFailure(error);
  // Errors of the library begin with the function, which may have the name of the program.
  process.stderr.write(`lipschitz: ${message.replace(/^lipschitz: /, "")}\n`);
  return code;
}
