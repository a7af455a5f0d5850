/**
 * @file Every file that a command writes. A file is the old or the new one at every moment: what is written stands beside it until it is whole,
 * and is renamed into its place. What is no regular file (a pipe, a terminal, /dev/null) cannot be replaced: it is written through.
 */
import { access, constants, lstat, mkdir, open, readdir, readlink, realpath, rename, rm, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, resolve } from "node:path";
import { CliError, systemReason } from "./errors.ts";

/** Make a folder and make sure that it can be written, before work is spent; CliError otherwise. */
export async function openFolder(folder: string, option = "--out"): Promise<void> {
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK);
    await removeStale(folder);
  } catch (cause) {
    throw new CliError(`${option} ${folder}: the folder cannot be written: ${systemReason(cause)}`, 1, { cause });
  }
}

/** Make sure, before work is spent, that a file can be written, with the folder that it goes into; CliError otherwise. */
export async function openFile(path: string, option = "--out"): Promise<void> {
  const place = await placeOf(path).catch((cause: unknown) => {
    throw new CliError(`${option} ${path}: cannot be written: ${systemReason(cause)}`);
  });
  if (place.kind === "folder") throw new CliError(`${option} ${path}: must be a file, got a folder`);
  if (place.kind === "file") await openFolder(dirname(place.path), option);
  if (place.kind === "device") {
    await access(path, constants.W_OK).catch((cause: unknown) => {
      throw new CliError(`${option} ${path}: cannot be written: ${systemReason(cause)}`);
    });
  }
}

/** Write bytes or text whole or not at all, at the end of a symbolic link where there is one; CliError that names the file otherwise. */
export async function writeWhole(path: string, content: Uint8Array | string): Promise<void> {
  try {
    const place = await placeOf(path);
    if (place.kind === "folder") throw Object.assign(new Error("a folder"), { code: "EISDIR" });
    if (place.kind === "file") await replace(place.path, content);
    else if (place.kind === "device") await writeTo(path, content, "w");
    else await writeOn(place.descriptor, content);
  } catch (cause) {
    throw new CliError(`${path}: cannot be written: ${systemReason(cause)}`, 1, { cause });
  }
}

export const writeJson = (path: string, value: unknown): Promise<void> =>
  writeWhole(path, `${JSON.stringify(value, null, 2)}\n`);

// --- internal ---

/** Where a path leads: a file that is there or not yet; a device or pipe; an open descriptor of this process, which /dev/stdout is. */
type Place =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "folder" }
  | { readonly kind: "device" }
  | { readonly kind: "descriptor"; readonly descriptor: number };

async function placeOf(path: string): Promise<Place> {
  // Opening it again would start at its beginning, over what was printed before.
  const descriptor = await descriptorOf(path);
  if (descriptor !== null) return { kind: "descriptor", descriptor };
  const found = await stat(path).catch(absent);
  if (found?.isDirectory()) return { kind: "folder" };
  if (found && !found.isFile()) return { kind: "device" };
  return { kind: "file", path: found ? await realpath(path) : await endOfLinks(path) };
}

/** The number of an open descriptor that a path names, through any links. */
async function descriptorOf(path: string): Promise<number | null> {
  for (let at = resolve(path), links = 0; links < mostLinks; links++) {
    const [, number] = /^(?:\/dev|\/proc\/(?:self|thread-self|\d+))\/fd\/(\d+)$/.exec(at) ?? [];
    if (number !== undefined) return Number(number);
    const target = await readlink(at).catch(() => null);
    if (target === null) return null;
    at = resolve(dirname(at), target);
  }
  return null;
}

/** Where a link leads whose target is not there yet; the path itself where it is none. */
async function endOfLinks(path: string): Promise<string> {
  let at = path;
  for (let links = 0; links < mostLinks; links++) {
    const found = await lstat(at).catch(absent);
    if (!found?.isSymbolicLink()) return at;
    at = resolve(dirname(at), await readlink(at));
  }
  throw Object.assign(new Error("too many links"), { code: "ELOOP" });
}

/** As many as Linux follows. */
const mostLinks = 40;

function absent(error: unknown): undefined {
  if ((error as { readonly code?: string }).code !== "ENOENT") throw error;
}

async function replace(path: string, content: Uint8Array | string): Promise<void> {
  const beside = join(dirname(path), partName());
  try {
    await writeTo(beside, content, "wx");
    const mode = (await stat(path).catch(() => undefined))?.mode;
    if (mode !== undefined) await setMode(beside, mode);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

async function setMode(path: string, mode: number): Promise<void> {
  const handle = await open(path, "r+");
  // A file system without modes keeps its own.
  await handle.chmod(mode & 0o7777).catch(() => undefined);
  await handle.close();
}

async function writeTo(path: string, content: Uint8Array | string, flags: "w" | "wx"): Promise<void> {
  const handle = await open(path, flags);
  try {
    await handle.writeFile(content);
  } finally {
    // What a full disk could not take may only come to light here.
    await handle.close();
  }
}

/** On what this process has open already, in turn with what it prints. */
async function writeOn(descriptor: number, content: Uint8Array | string): Promise<void> {
  const stream = descriptor === 1 ? process.stdout : descriptor === 2 ? process.stderr : null;
  if (!stream) return writeTo(`/dev/fd/${descriptor}`, content, "w");
  await new Promise<void>((done, fail) => {
    stream.write(content, (error) => (error ? fail(error) : done()));
  });
}

let parts = 0;

/** Says who writes it, so that the next run can tell what a killed one has left. */
const partName = (): string => `.${hostname()}-${process.pid}-${Math.trunc(performance.now() * 1000)}${parts++}.part`;

/** Remove what processes of this machine that are no more have left half-written in a folder. */
async function removeStale(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const [, host, pid] = /^\.(?:(.+)-)?(\d+)-\d+\.part$/.exec(name) ?? [];
    // Without a host it is from before hosts were part of the name.
    if (pid === undefined || (host !== undefined && host !== hostname()) || isAlive(Number(pid))) continue;
    // Another user's is another user's business.
    await rm(join(folder, name), { force: true }).catch(() => undefined);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { readonly code?: string }).code !== "ESRCH";
  }
}

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
