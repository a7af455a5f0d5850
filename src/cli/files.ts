/** @file Files that a command reads. */
import { readFile } from "node:fs/promises";
import { ReadError, SpecError } from "../tensor/errors.ts";
import { systemReason } from "./errors.ts";

/** Read a file; ReadError (exit 2) where it cannot be. */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as { code?: string };
    throw new ReadError(`${path}: ${code === "ENOENT" ? "no such file" : systemReason(cause)}`);
  }
}

/** Read a spec: SpecError where a file is not JSON. */
export async function readJson(path: string): Promise<unknown> {
  const bytes = await readBytes(path);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new SpecError(`${path}: is not JSON: ${(cause as Error).message}`);
  }
}

/** Read what a command wrote: ReadError where a file is not JSON. */
export async function readResult(path: string): Promise<unknown> {
  const bytes = await readBytes(path);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    throw new ReadError(`${path}: must be JSON, got: ${(cause as Error).message}`);
  }
}
