/** @file Files in and out. Nothing half-written: a file is written beside its place and renamed into it. */
import { access, constants, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ReadError } from "../tensor/errors.ts";
import { CliError, systemReason } from "./errors.ts";

/** Make a folder and make sure that it can be written, before work is spent; CliError otherwise. */
export async function openFolder(folder: string, option = "--out"): Promise<void> {
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
  } catch (cause) {
    throw new CliError(`${option} ${folder}: the folder cannot be written: ${systemReason(cause)}`);
  }
}

/** Make sure, before work is spent, that a file can be written, with the folder that it goes into; CliError otherwise. */
export async function openFile(path: string, option = "--out"): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new CliError(`${option} ${path}: must be a file, got a folder`);
  await openFolder(dirname(path), option);
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
    throw new ReadError(`${path}: ${code === "ENOENT" ? "no such file" : systemReason(cause)}`);
  }
}

// --- internal ---

/** With its parents; what `recursive` does, which never ends where a file system takes no folders. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "EEXIST") {
      if ((await stat(folder)).isDirectory()) return;
      throw Object.assign(new Error("not a folder"), { code: "ENOTDIR" });
    }
    if (code !== "ENOENT" || dirname(folder) === folder) throw error;
    await makeFolder(dirname(folder));
    await mkdir(folder);
  }
}
