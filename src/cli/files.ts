/** @file Files in and out. Nothing half-written: a file is written beside its place and renamed into it. */
import { access, constants, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ReadError } from "../tensor/errors.ts";
import { CliError } from "./errors.ts";

/** Make a folder and make sure that it can be written, before work is spent; CliError otherwise. */
export async function openFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new CliError(`--out ${folder}: the folder cannot be written: ${(cause as Error).message}`);
  }
}

/** Write bytes or text so that the file is either the old or the new one at every moment. */
export async function writeWhole(path: string, content: Uint8Array | string): Promise<void> {
  const beside = join(dirname(path), `.${process.pid}-${Math.trunc(performance.now() * 1000)}.part`);
  try {
    await writeFile(beside, content);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

export const writeJson = (path: string, value: unknown): Promise<void> =>
  writeWhole(path, `${JSON.stringify(value, null, 2)}\n`);

/** Read a file; ReadError (exit 2) where it cannot be. */
export async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as { code?: string };
    throw new ReadError(`${path}: ${code === "ENOENT" ? "no such file" : (cause as Error).message}`);
  }
}
