/** @file Tests of gzip.ts. */
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { ReadError } from "../tensor/errors.ts";
import { gunzip, maybeGunzip } from "./gzip.ts";

const plain = Uint8Array.from({ length: 5000 }, (_, i) => (i * i) % 251);
const packed = new Uint8Array(gzipSync(plain));

describe("gunzip()", () => {
  it("inverts gzip", async () => {
    expect(await gunzip("f", packed)).toEqual(plain);
  });

  it("throws ReadError for a truncated stream, wherever it ends", async () => {
    for (const n of [0, 2, 9, 10, 20, packed.length - 9, packed.length - 8, packed.length - 1]) {
      await expect(gunzip("f", packed.subarray(0, n)), `${n} bytes`).rejects.toThrow(ReadError);
    }
  });

  it("throws ReadError for a changed byte", async () => {
    for (const at of [0, 2, 40, packed.length - 6]) {
      await expect(gunzip("f", packed.with(at, packed[at] ^ 0xff)), `byte ${at}`).rejects.toThrow(ReadError);
    }
  });

  it("says who and what in one line", async () => {
    await expect(gunzip("f", packed.subarray(0, 99))).rejects.toThrow(
      /^f: gzip data must be whole and intact, got: [^\n]+$/,
    );
  });
});

describe("maybeGunzip()", () => {
  it("decompresses gzip only", async () => {
    expect(await maybeGunzip("f", packed)).toEqual(plain);
    expect(await maybeGunzip("f", plain)).toBe(plain);
    const empty = new Uint8Array(0);
    expect(await maybeGunzip("f", empty)).toBe(empty);
  });

  it("stops at its limit, and names it", async () => {
    const bomb = new Uint8Array(gzipSync(new Uint8Array(5_000_000)));
    expect(bomb.length).toBeLessThan(6000);
    await expect(gunzip("f", bomb, 1e6)).rejects.toThrow(
      /^f: \d+ bytes of gzip hold more than 1000000 bytes, which is the limit/,
    );
    expect(await gunzip("f", bomb, 5_000_000)).toHaveLength(5_000_000);
  });
});
