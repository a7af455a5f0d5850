/** @file Downloads data sets; Node only. A file appears under its name only when whole and of the known sha256; until then it is `NAME.part`, from which the next call goes on. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parseTar } from "nanotar";
import { ReadError, UsageError } from "../tensor/errors.ts";
import { cacheFolder } from "./files.ts";
import { gunzip } from "./gzip.ts";

export const FETCH_NAMES = ["mnist", "fashion-mnist", "cifar10"] as const;

export type FetchName = (typeof FETCH_NAMES)[number];

/** One file to download. */
export interface Source {
  readonly file: string;
  readonly url: string;
  readonly bytes: number;
  readonly sha256: string;
  /** For a .tar.gz: the files to keep of it, whatever folder they are in; the archive itself is then removed. */
  readonly unpack?: readonly string[];
}

export interface FetchProgress {
  readonly file: string;
  /** Bytes so far, those of an earlier call included. */
  readonly received: number;
  readonly total: number;
}

export interface FetchOptions {
  /** Where the data set's own folder is made; default the cache folder. */
  readonly folder?: string;
  /** Other addresses, for a mirror; default `SOURCES[name]`. */
  readonly sources?: readonly Source[];
  readonly fetch?: typeof globalThis.fetch;
  readonly onProgress?: (progress: FetchProgress) => void;
  readonly signal?: AbortSignal;
}

/**
 * Download a data set into `folder/name` and return that folder; files already there and whole are kept.
 *
 * Throws `ReadError` if the network fails (what came is kept; call again to go on) or a file is not the known one (it is removed), and the
 * signal's reason if aborted.
 */
export async function fetchDataset(name: FetchName, options: FetchOptions = {}): Promise<string> {
  if (!FETCH_NAMES.includes(name)) {
    throw new UsageError(`fetch: the data set must be one of ${FETCH_NAMES.join(", ")}, got "${name}"`);
  }
  const folder = join(options.folder ?? cacheFolder(), name);
  await mkdir(folder, { recursive: true });
  for (const source of options.sources ?? SOURCES[name]) {
    if (source.unpack !== undefined && (await allExist(folder, source.unpack))) continue;
    await download(source, folder, options);
    if (source.unpack !== undefined) await unpack(join(folder, source.file), folder, source.unpack);
  }
  return folder;
}

/** The files of each data set, the hashes those of the originals. */
export const SOURCES: Readonly<Record<FetchName, readonly Source[]>> = {
  mnist: idxFiles("https://ossci-datasets.s3.amazonaws.com/mnist/", [
    [9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"],
    [28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"],
    [1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"],
    [4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"],
  ]),
  "fashion-mnist": idxFiles("https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/", [
    [26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"],
    [29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"],
    [4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"],
    [5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"],
  ]),
  cifar10: [
    {
      file: "cifar-10-binary.tar.gz",
      url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
      bytes: 170052171,
      sha256: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
      unpack: [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`).concat("test_batch.bin"),
    },
  ],
};

// --- internal ---

function idxFiles(base: string, known: readonly (readonly [number, string])[]): readonly Source[] {
  const kinds = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"];
  return known.map(([bytes, sha256], i) => {
    const file = `${kinds[i]}-ubyte.gz`;
    return { file, url: base + file, bytes, sha256 };
  });
}

async function download(source: Source, folder: string, options: FetchOptions): Promise<void> {
  const target = join(folder, source.file);
  if ((await sizeOnDisk(target)) !== undefined) {
    if ((await sha256(target)) === source.sha256) return;
    throw new ReadError(
      `${target}: must have sha256 ${source.sha256}, got another file; remove it to download it again`,
    );
  }
  const part = `${target}.part`;
  const size = await receive(source, part, options);
  if (size < source.bytes) {
    throw new ReadError(
      `${source.url}: must send ${source.bytes} bytes, got ${size}; run it again to go on from there`,
    );
  }
  const got = size > source.bytes ? `more than ${source.bytes} bytes` : await sha256(part);
  if (got !== source.sha256) {
    await rm(part);
    throw new ReadError(`${source.url}: must have sha256 ${source.sha256}, got ${got}; what came was removed`);
  }
  await rename(part, target);
}

/** Append what is missing of a file and return its size, which may still be too small or (by one piece at most) too large. */
async function receive(source: Source, part: string, options: FetchOptions): Promise<number> {
  const { fetch = globalThis.fetch, signal, onProgress } = options;
  const had = (await sizeOnDisk(part)) ?? 0;
  if (had >= source.bytes) return had;
  let received = had;
  try {
    // Without "identity" a server may label the .gz as an encoding, and fetch would silently decompress it.
    const headers = { "accept-encoding": "identity", ...(had > 0 && { range: `bytes=${had}-` }) };
    const response = await fetch(source.url, { headers, signal });
    const resumed =
      response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${had}-`) === true;
    if (response.body === null || !(resumed || response.status === 200)) {
      throw new Error(`HTTP status ${response.status}`);
    }
    if (!resumed) received = 0;
    const handle = await open(part, resumed ? "a" : "w");
    try {
      onProgress?.({ file: source.file, received, total: source.bytes });
      for await (const piece of response.body) {
        await handle.writeFile(piece);
        received += piece.byteLength;
        onProgress?.({ file: source.file, received, total: source.bytes });
        if (received > source.bytes) break;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    signal?.throwIfAborted();
    const why = cause instanceof Error ? (cause.cause instanceof Error ? cause.cause.message : cause.message) : cause;
    const remedy = "run it again to go on from there";
    throw new ReadError(`${source.url}: must send ${source.bytes} bytes, got ${received} and then: ${why}; ${remedy}`, {
      cause,
    });
  }
  return received;
}

async function unpack(archive: string, folder: string, files: readonly string[]): Promise<void> {
  const inside = parseTar(await gunzip(archive, await readFile(archive)));
  for (const file of files) {
    const data = inside.find((item) => basename(item.name) === file)?.data;
    if (data === undefined) throw new ReadError(`${archive}: must hold ${file}, got an archive without it`);
    await writeFile(join(folder, `${file}.part`), data);
    await rename(join(folder, `${file}.part`), join(folder, file));
  }
  await rm(archive);
}

async function allExist(folder: string, files: readonly string[]): Promise<boolean> {
  const sizes = await Promise.all(files.map((file) => sizeOnDisk(join(folder, file))));
  return sizes.every((size) => size !== undefined);
}

async function sizeOnDisk(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest("hex");
}
