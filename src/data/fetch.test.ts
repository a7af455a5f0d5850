/** @file Tests of fetch.ts against a server on this machine. */
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createTar } from "nanotar";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ReadError, UsageError } from "../tensor/errors.ts";
import { type FetchProgress, fetchDataset, SOURCES, type Source } from "./fetch.ts";

const content = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i) % 253);

/** What the server does next, and what it was asked. */
interface Behaviour {
  /** Break the connection after so many bytes of the body. */
  cutAt?: number;
  ranges?: "honoured" | "ignored";
  status?: number;
  body?: Uint8Array;
}
let behaviour: Behaviour = {};
let requests: { range: string | undefined }[] = [];
let server: Server;
let base = "";
let folder = "";

beforeAll(async () => {
  server = createServer((request, response) => {
    const { range } = request.headers;
    requests.push({ range });
    const whole = behaviour.body ?? content;
    const from = range === undefined || behaviour.ranges === "ignored" ? 0 : Number(/^bytes=(\d+)-$/.exec(range)?.[1]);
    const body = whole.subarray(from);
    const head = {
      "content-length": body.length,
      ...(from > 0 && { "content-range": `bytes ${from}-${whole.length - 1}/${whole.length}` }),
    };
    response.writeHead(behaviour.status ?? (from > 0 ? 206 : 200), head);
    if (behaviour.cutAt === undefined) response.end(body);
    else response.write(body.subarray(0, behaviour.cutAt), () => setTimeout(() => response.destroy(), 20));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  base = `http://127.0.0.1:${address.port}/`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(async () => {
  behaviour = {};
  requests = [];
  folder = await mkdtemp(join(tmpdir(), "fetch-"));
});
afterEach(() => rm(folder, { recursive: true }));

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const source = (bytes: Uint8Array, file = "data.gz"): Source => ({
  file,
  url: base + file,
  bytes: bytes.length,
  sha256: sha256(bytes),
});
const get = (sources: readonly Source[] = [source(content)], more = {}) =>
  fetchDataset("mnist", { folder, sources, ...more });
const files = () => readdir(join(folder, "mnist"));
const file = async (name: string) => new Uint8Array(await readFile(join(folder, "mnist", name)));

describe("fetchDataset()", () => {
  it("downloads, tells how far it is, and does nothing the second time", async () => {
    const progress: FetchProgress[] = [];
    expect(await get(undefined, { onProgress: (p: FetchProgress) => progress.push(p) })).toBe(join(folder, "mnist"));
    expect(await files()).toEqual(["data.gz"]);
    expect(await file("data.gz")).toEqual(content);
    expect(progress[0]).toEqual({ file: "data.gz", received: 0, total: 300_000 });
    expect(progress.at(-1)).toEqual({ file: "data.gz", received: 300_000, total: 300_000 });
    await get();
    expect(requests).toHaveLength(1);
  });

  it("keeps what came when the connection breaks, and goes on from there", async () => {
    behaviour = { cutAt: 100_000 };
    await expect(get()).rejects.toThrow(ReadError);
    await expect(files()).resolves.toEqual(["data.gz.part"]);
    const kept = await file("data.gz.part");
    expect(kept.length).toBe(100_000);
    behaviour = {};
    await get();
    expect(requests.map((r) => r.range)).toEqual([undefined, "bytes=100000-"]);
    expect(await files()).toEqual(["data.gz"]);
    expect(await file("data.gz")).toEqual(content);
  });

  it("says what broke and that it can go on, in one line", async () => {
    behaviour = { cutAt: 100_000 };
    await expect(get()).rejects.toThrow(
      /^http:.*: must send 300000 bytes, got 100000 and then: [^\n]+; run it again to go on from there$/,
    );
  });

  it("starts again where the server cannot resume", async () => {
    behaviour = { cutAt: 100_000 };
    await expect(get()).rejects.toThrow(ReadError);
    behaviour = { ranges: "ignored" };
    await get();
    expect(await file("data.gz")).toEqual(content);
  });

  it("refuses and removes other bytes", async () => {
    behaviour = { body: content.with(7, 0xff) };
    await expect(get()).rejects.toThrow(/must have sha256 [0-9a-f]{64}, got [0-9a-f]{64}; what came was removed$/);
    expect(await files()).toEqual([]);
    behaviour = { body: new Uint8Array(400_000) };
    await expect(get()).rejects.toThrow("got more than 300000 bytes");
    expect(await files()).toEqual([]);
    behaviour = { body: content.subarray(0, 1000) };
    await expect(get()).rejects.toThrow("must send 300000 bytes, got 1000; run it again");
  });

  it("refuses a damaged part once it is complete", async () => {
    behaviour = { cutAt: 100_000 };
    await expect(get()).rejects.toThrow(ReadError);
    await writeFile(join(folder, "mnist", "data.gz.part"), new Uint8Array(100_000));
    behaviour = {};
    await expect(get()).rejects.toThrow("what came was removed");
    await get();
    expect(await file("data.gz")).toEqual(content);
  });

  it("leaves another file of that name alone", async () => {
    await get();
    await writeFile(join(folder, "mnist", "data.gz"), "mine");
    await expect(get()).rejects.toThrow("remove it to download it again");
    expect(await file("data.gz")).toEqual(new Uint8Array(Buffer.from("mine")));
  });

  it("says the HTTP status", async () => {
    behaviour = { status: 404 };
    await expect(get()).rejects.toThrow(/got 0 and then: HTTP status 404/);
    expect(await files()).toEqual([]);
  });

  it("stops when aborted, leaving only the part", async () => {
    const controller = new AbortController();
    const onProgress = ({ received }: FetchProgress) => received > 0 && controller.abort(new Error("enough"));
    await expect(get(undefined, { onProgress, signal: controller.signal })).rejects.toThrow("enough");
    expect(await files()).toEqual(["data.gz.part"]);
    await get();
    expect(await file("data.gz")).toEqual(content);
  });

  it("unpacks an archive and removes it", async () => {
    const tar = gzipSync(
      createTar([
        { name: "batches/a.bin", data: content },
        { name: "batches/b.bin", data: content.subarray(1) },
        { name: "batches/readme", data: "no" },
      ]),
    );
    const archive = { ...source(tar, "data.tar.gz"), unpack: ["a.bin", "b.bin"] };
    behaviour = { body: tar };
    await get([archive]);
    expect(await files()).toEqual(["a.bin", "b.bin"]);
    expect(await file("b.bin")).toEqual(content.slice(1));
    await get([archive]);
    expect(requests).toHaveLength(1);
    await expect(get([{ ...archive, unpack: ["a.bin", "c.bin"] }])).rejects.toThrow(
      "must hold c.bin, got an archive without it",
    );
  });

  it("refuses a name it does not know", async () => {
    // @ts-expect-error: a name from a command line
    await expect(fetchDataset("imagenet", { folder })).rejects.toThrow(UsageError);
  });
});

describe("SOURCES", () => {
  it("has a size and a sha256 for every file, over https", () => {
    for (const { url, bytes, sha256: hash, file: name } of Object.values(SOURCES).flat()) {
      expect(url.startsWith("https://") && url.endsWith(name)).toBe(true);
      expect(bytes).toBeGreaterThan(0);
      expect(hash).toMatch(/^[0-9a-f]{64}$/);
    }
  });
});
