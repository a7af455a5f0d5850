/** @file What is on disk: bytes of a file, unpacked; files below a folder. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ReadError } from "../../tensor/errors.ts";
import { maybeGunzip } from "../gzip.ts";

export async function kindOf(path: string): Promise<"file" | "folder" | "none"> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch {
    return "none";
  }
}

/** The bytes of a file, unpacked where it is .gz. Throws `ReadError`. */
export async function read(path: string): Promise<Uint8Array> {
  try {
    return await maybeGunzip(path, await readFile(path));
  } catch (cause) {
    if (cause instanceof ReadError) throw cause;
    throw new ReadError(`${path}: must be a readable file, got ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
}

/** The paths of all files, plain or .gz, in the first folder that has them all. */
export async function findAll(
  folders: readonly string[],
  files: readonly string[],
): Promise<readonly string[] | undefined> {
  for (const folder of folders) {
    const paths: string[] = [];
    for (const file of files) {
      const plain = join(folder, file);
      if ((await kindOf(plain)) === "file") paths.push(plain);
      else if ((await kindOf(`${plain}.gz`)) === "file") paths.push(`${plain}.gz`);
    }
    if (paths.length === files.length) return paths;
  }
  return undefined;
}

/** The files below a folder, as paths below it with "/", sorted; none whose name, or whose folder's, begins with a dot. */
export async function filesBelow(folder: string): Promise<readonly string[]> {
  const all = await readdir(folder, { recursive: true, withFileTypes: true });
  return all
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(join(folder, "x").length - 1)
        .replaceAll("\\", "/"),
    )
    .filter((path) => !path.split("/").some((part) => part.startsWith(".")))
    .sort();
}
