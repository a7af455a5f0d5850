/** @file Where results are kept: bytes by key, behind the few words that a folder, Redis or any store of objects can answer. */
import { link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { UsageError } from "../tensor/errors.ts";

/** Keys are names with slashes between them, none of them `..`. What is put is whole or not there at every moment. */
export interface Store {
  get(key: string): Promise<Uint8Array | null>;
  put(key: string, bytes: Uint8Array | string): Promise<void>;
  /** Put it unless there is something already, which then stays: of two writers the first counts. Was it put? */
  claim(key: string, bytes: Uint8Array | string): Promise<boolean>;
  has(key: string): Promise<boolean>;
  remove(key: string): Promise<void>;
  /** The keys in a folder of keys. */
  list(folder: string): Promise<readonly string[]>;
}

/** A store in a folder, a file for each key. */
export function folderStore(folder: string): Store {
  const at = (key: string) => join(folder, checkKey(key));
  /** Written beside its place, so that the place is old or new; then `put` moves it there. */
  const beside = async (key: string, bytes: Uint8Array | string, put: (from: string, to: string) => Promise<void>) => {
    const place = at(key);
    // As the command line names what is not whole yet.
    const part = join(
      dirname(place),
      `.${hostname()}-${process.pid}-${Math.trunc(performance.now() * 1000)}${parts++}.part`,
    );
    await mkdir(dirname(place), { recursive: true });
    try {
      await writeFile(part, bytes);
      await put(part, place);
    } finally {
      await rm(part, { force: true });
    }
  };
  return {
    get: (key) => readFile(at(key)).catch(absent),
    put: (key, bytes) => beside(key, bytes, rename),
    async claim(key, bytes) {
      try {
        await beside(key, bytes, link);
        return true;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
        throw error;
      }
    },
    has: async (key) => (await stat(at(key)).catch(absent)) !== null,
    remove: (key) => rm(at(key), { force: true }),
    async list(name) {
      const entries = (await readdir(at(name)).catch(absent)) ?? [];
      return entries.filter((entry) => !entry.startsWith(".")).map((entry) => `${name}/${entry}`);
    },
  };
}

/** A key as it is; UsageError where it could lead out of its folder. */
export function checkKey(key: string): string {
  const parts = key.split("/");
  if (parts.every((part) => /^[\w][\w ,.()=+-]*$/.test(part))) return key;
  throw new UsageError(`store: a key must be words with slashes between them, got "${key}"`);
}

// --- internal ---

let parts = 0;

function absent(error: unknown): null {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") return null;
  throw error;
}
