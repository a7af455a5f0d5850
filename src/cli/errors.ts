/** @file What a user sees when something fails, and the exit code: 1 wrong use, 2 unreadable or unsupported input, 3 a check did not hold, 4 a check has no answer. */
import { stripVTControlCharacters } from "node:util";
import { MachineError } from "../sweep/words.ts";
import {
  BatchError,
  DisagreementError,
  EngineError,
  InternalError,
  ReadError,
  ShapeError,
  SpecError,
  UnsupportedOperatorError,
  UsageError,
} from "../tensor/errors.ts";
import { printable, printableLines } from "../tensor/printable.ts";

export type ExitCode = 0 | 1 | 2 | 3 | 4 | 130;

/** An error that says its own exit code. */
export class CliError extends Error {
  override name = "CliError";
  readonly code: ExitCode;
  /** The message is printable already, its line ends are ours. */
  readonly shown: boolean;
  constructor(
    message: string,
    code: ExitCode = 1,
    { shown = false, cause }: { readonly shown?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause });
    this.code = code;
    this.shown = shown;
  }
}

/** Why the system refused a file, in words. */
export function systemReason(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  return (code !== undefined && reasons[code]) || (message ?? String(error));
}

/**
 * What to print and the code to exit with. Printable, in one line, but for a list of nodes, which has a line for each, and for a fault of
 * the program, which keeps its stack.
 */
export function describeFailure(error: unknown): { readonly message: string; readonly code: ExitCode } {
  if (error instanceof CliError) {
    return { message: error.shown ? error.message : printable(error.message), code: error.code };
  }
  if (error instanceof UnsupportedOperatorError) {
    const [head] = error.message.split("\n");
    return { message: [head, ...error.lines].map(printable).join("\n"), code: 2 };
  }
  if ([ReadError, DisagreementError, BatchError].some((kind) => error instanceof kind)) {
    return { message: printable((error as Error).message), code: 2 };
  }
  if ([UsageError, ShapeError, EngineError, SpecError, MachineError].some((kind) => error instanceof kind)) {
    return { message: printable((error as Error).message), code: 1 };
  }
  if (error instanceof Error && error.name === "AbortError") return { message: "interrupted", code: 130 };
  if (error instanceof Error && error.name === "CLIError") {
    return { message: printable(parserMessage(error.message)), code: 1 };
  }
  if (isSystemError(error)) return { message: printable(fileMessage(error)), code: 1 };
  const stack = error instanceof Error ? error.stack : String(error);
  // Two results that refute each other are a check that did not hold.
  if (error instanceof InternalError) return { message: printable(`internal error: ${error.message}`), code: 3 };
  return { message: printableLines(`internal error, please report it: ${stack}`), code: 1 };
}

/** Whose fault a failed job is: a machine that is interrupted, or on which nothing can be written, says nothing of the job. */
export function faultOf(error: unknown): "job" | "machine" {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at.name === "AbortError" || troubles.has((at as { readonly code?: unknown }).code)) return "machine";
  }
  return "job";
}

// --- internal ---

/** Of a machine: full, read-only, out of handles, or a limit on the size of files. */
const troubles = new Set<unknown>(["ENOSPC", "EDQUOT", "EROFS", "EIO", "EMFILE", "ENFILE", "EFBIG", "EACCES", "EPERM"]);

interface SystemError extends Error {
  readonly code: string;
  readonly path?: string;
  readonly syscall?: string;
}

const isSystemError = (error: unknown): error is SystemError =>
  error instanceof Error && "code" in error && "syscall" in error;

const reasons: Readonly<Record<string, string>> = {
  ENOENT: "no such file or folder",
  EACCES: "permission denied",
  EPERM: "not permitted",
  EROFS: "the file system is read-only",
  ENOSPC: "no space left",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  EEXIST: "it exists already",
  EMFILE: "too many files are open",
  ENAMETOOLONG: "the name is too long",
  ELOOP: "its links go round in a circle",
  EDQUOT: "the quota of disk space is used up",
  EFBIG: "the file would be too large",
  EIO: "the device failed",
  EPIPE: "the reader of the pipe is gone",
  ETXTBSY: "it is a program that runs",
};

const fileMessage = (error: SystemError): string =>
  `${error.syscall ?? "file"} ${error.path ?? ""}: ${systemReason(error)}`;

/** What the parser of options says, as the other checks say it. */
function parserMessage(text: string): string {
  const plain = stripVTControlCharacters(text);
  const missing = /^Missing required positional argument: (.*)$/.exec(plain);
  if (missing) return `missing ${missing[1]}; see --help`;
  const value = /^Invalid value for argument: (\S+) \((.*)\)\. Expected one of: (.*?)\.$/.exec(plain);
  if (value) return `${value[1]}: must be one of ${value[3]}, got "${value[2]}"`;
  return `${plain.replace(/\.$/, "")}; see --help`;
}
