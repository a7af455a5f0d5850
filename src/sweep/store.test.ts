/** @file Tests of store.ts and record.ts: whole or not there, the first counts, nothing outside. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { decode, encode, failedRecord, keepRecord, keyOf, recordOf } from "./record.ts";
import { folderStore } from "./store.ts";

const folder = mkdtempSync(join(tmpdir(), "lipschitz-store-"));
const store = folderStore(folder);
const text = async (key: string) => new TextDecoder().decode((await store.get(key)) ?? new Uint8Array(0));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("a store in a folder", () => {
  it("gives back what was put, and the first of what was claimed", async () => {
    expect(await store.get("a/b.bin")).toBeNull();
    await store.put("a/b.bin", "one");
    await store.put("a/b.bin", "two");
    expect(await text("a/b.bin")).toBe("two");
    const claims = await Promise.all(Array.from({ length: 20 }, (_, i) => store.claim("a/c", `claim ${i}`)));
    expect(claims.filter(Boolean)).toHaveLength(1);
    expect(await text("a/c")).toBe(`claim ${claims.indexOf(true)}`);
    expect([...(await store.list("a"))].sort()).toEqual(["a/b.bin", "a/c"]);
    expect(readdirSync(join(folder, "a")).sort()).toEqual(["b.bin", "c"]);
    await store.remove("a/c");
    expect([await store.has("a/c"), await store.has("a/b.bin"), await store.list("none")]).toEqual([false, true, []]);
  });

  it.each(["../a", "a/../b", "/a", "a//b", "a/.job", ""])("has no place for %j", (key) => {
    expect(() => store.get(key)).toThrow(/a key must be words/);
  });
});

describe("the record of a job", () => {
  it("is the first that was kept", async () => {
    const [first, second] = ["one", "two"].map((error) => failedRecord("run-1", error));
    expect(await keepRecord(store, first)).toEqual(first);
    expect(await keepRecord(store, second)).toEqual(first);
    expect(await recordOf(store, "run-1")).toEqual(first);
    expect(await recordOf(store, "run-2")).toBeNull();
  });

  it("is refused where it is damaged, or another job's", async () => {
    writeFileSync(join(folder, keyOf("run-3")), '{"id": "run-3"');
    await expect(recordOf(store, "run-3")).rejects.toThrow(/no record of a job/);
    await store.put(keyOf("run-4"), encode(failedRecord("run-5", "x")));
    await expect(recordOf(store, "run-4")).rejects.toThrow(/must be run-4/);
  });

  it("keeps numbers that JSON has not", () => {
    const value = { radius: Number.POSITIVE_INFINITY, low: Number.NEGATIVE_INFINITY, list: [Number.NaN, 1e-300, null] };
    expect(decode(encode(value))).toEqual(value);
    const numbers = Float32Array.of(1.5, -0, 1e-45);
    expect(decode(encode({ numbers }))).toEqual({ numbers });
  });
});
