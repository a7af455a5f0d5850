/** @file Models by path: the file access of `readOnnx` and `writeOnnx`. Node's modules are asked of the running process where a path is given, so that bundles for a browser have none. */
import type { Network } from "../graph/network.ts";
import { ReadError, UsageError } from "../tensor/errors.ts";
import { type WriteOptions, writeNetwork } from "./network.ts";
import { parseOnnx, type ReadOptions } from "./read.ts";

/**
 * Read an ONNX model (opset 6 to 26) from a path (Node), a URL (fetched) or its bytes, as a network for inference. Weights that are
 * stored beside a model are found beside its path.
 * Throws UnsupportedOperatorError, which lists every node that cannot be read, or ReadError.
 */
export async function readOnnx(source: string | URL | Uint8Array, options: ReadOptions = {}): Promise<Network> {
  if (source instanceof Uint8Array) return parseOnnx(source, options);
  const { bytes, ...beside } = await modelAt(source);
  return parseOnnx(bytes, { ...beside, ...options });
}

/** The bytes of a model with what its reader has to know of where they are from. */
export interface ModelSource extends ReadOptions {
  readonly bytes: Uint8Array;
}

/** Fetch the bytes of a model from a path (Node) or a URL, for those who need them beside what is read of them. Throws ReadError. */
export async function modelAt(source: string | URL): Promise<ModelSource> {
  if (source instanceof URL && source.protocol !== "file:") return { bytes: await fetched(source), name: source.href };
  const { existsSync, readFileSync, realpathSync, statSync } = ofNode("node:fs", "readOnnx: a path");
  const { dirname, isAbsolute, join, normalize, sep } = ofNode("node:path", "readOnnx: a path");
  const { fileURLToPath } = ofNode("node:url", "readOnnx: a path");
  const path = typeof source === "string" ? source : fileURLToPath(source);
  const read = (file: string, what: string): Uint8Array => {
    try {
      return readFileSync(file);
    } catch (cause) {
      const { code, message } = cause as { readonly code?: string; readonly message?: string };
      const why = code === "ENOENT" ? "no such file" : code === "EISDIR" ? "it is a folder" : message;
      throw new ReadError(`${path}: ${what}${why}`, { cause });
    }
  };
  const external = (location: string): Uint8Array => {
    const relative = normalize(location);
    if (isAbsolute(relative) || relative.startsWith("..")) {
      throw new ReadError(`${path}: external data must lie beside the model, got "${location}"`);
    }
    const file = join(dirname(path), relative);
    const what = `its external data "${location}": `;
    if (existsSync(file)) {
      // A link may lead anywhere. Where the model is one itself, the folder of what it leads to is as good as the link's.
      const target = realpathSync(file);
      const folders = [realpathSync(dirname(path)), dirname(realpathSync(path))];
      if (!folders.some((folder) => target.startsWith(folder.endsWith(sep) ? folder : folder + sep))) {
        throw new ReadError(`${path}: ${what}must lie beside the model, got a link that leads out of its folder`);
      }
      if (!statSync(target).isFile()) throw new ReadError(`${path}: ${what}must be a file`);
    }
    return read(file, what);
  };
  return { bytes: read(path, ""), name: path, external, memory: halfOfMemory() };
}

/** Write a network as a plain ONNX model; returns the bytes and, given a path (Node), puts them there whole or not at all. */
export async function writeOnnx(network: Network, path?: string, options: WriteOptions = {}): Promise<Uint8Array> {
  const bytes = writeNetwork(network, options);
  if (path === undefined) return bytes;
  const { rename, rm, writeFile } = ofNode("node:fs/promises", "writeOnnx: a path");
  const beside = `${path}.${Math.trunc(performance.now() * 1000)}.part`;
  try {
    await writeFile(beside, bytes);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
  return bytes;
}

// --- internal ---

/** Of this machine, or of the container that this runs in. */
function halfOfMemory(): number {
  const total = ofNode("node:os", "readOnnx: a path").totalmem();
  // No limit is a huge number.
  const constrained = process.constrainedMemory?.() ?? 0;
  return (constrained > 0 ? Math.min(total, constrained) : total) / 2;
}

/** A module of Node, without an import that a bundler would follow. */
function ofNode<ID extends "node:fs" | "node:fs/promises" | "node:os" | "node:path" | "node:url">(
  id: ID,
  what: string,
) {
  const found = globalThis.process?.getBuiltinModule?.(id);
  if (!found) throw new UsageError(`${what} needs Node 20.16 or later; elsewhere models go in and out as bytes`);
  return found;
}

async function fetched(url: URL): Promise<Uint8Array> {
  const response = await fetch(url);
  if (!response.ok) throw new ReadError(`${url.href}: the server answered ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}
