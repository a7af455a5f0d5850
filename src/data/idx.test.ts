/** @file Tests of idx.ts. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReadError } from "../tensor/errors.ts";
import { parseIdx } from "./idx.ts";

const bytes = Uint8Array.of(0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255);

describe("parseIdx()", () => {
  it("reads bytes", () => {
    expect(parseIdx("f", bytes)).toEqual({ dtype: "uint8", shape: [2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 255) });
  });

  it("reads big-endian numbers of every type", () => {
    const of = (type: number, ...values: number[]) =>
      parseIdx("f", Uint8Array.of(0, 0, type, 1, 0, 0, 0, 1, ...values));
    expect(of(9, 0xff).data).toEqual(Int8Array.of(-1));
    expect(of(11, 0x01, 0x02).data).toEqual(Int16Array.of(258));
    expect(of(12, 0xff, 0xff, 0xff, 0xfe).data).toEqual(Int32Array.of(-2));
    expect(of(13, 0x3f, 0xc0, 0, 0).data).toEqual(Float32Array.of(1.5));
    expect(of(14, 0xbf, 0xf8, 0, 0, 0, 0, 0, 0).data).toEqual(Float64Array.of(-1.5));
  });

  it("reads a view into a larger buffer", () => {
    const larger = new Uint8Array(40);
    larger.set(bytes, 7);
    expect(parseIdx("f", larger.subarray(7, 7 + bytes.length))).toEqual(parseIdx("f", bytes));
  });

  it("says what is wrong in one line", () => {
    expect(() => parseIdx("f", new Uint8Array(0))).toThrow(
      new ReadError("f: an IDX file must begin with two zero bytes and a type, got an empty file"),
    );
    expect(() => parseIdx("f", bytes.with(0, 0x1f))).toThrow("got bytes 1f 00 08 02");
    expect(() => parseIdx("f", bytes.with(2, 10))).toThrow("f: the IDX type must be 8, 9, 11, 12, 13 or 14, got 10");
    expect(() => parseIdx("f", bytes.subarray(0, 17))).toThrow(
      "f: an IDX file of uint8[2,3] must have 18 bytes, got 17; is it truncated?",
    );
  });

  it("refuses every truncation and every extension", () => {
    for (let n = 0; n < bytes.length; n++) expect(() => parseIdx("f", bytes.subarray(0, n))).toThrow(ReadError);
    expect(() => parseIdx("f", Uint8Array.of(...bytes, 0))).toThrow(ReadError);
  });

  it("parses or throws ReadError, whatever the bytes", () => {
    const start = fc.constantFrom([], [0, 0], [0, 0, 8, 1], [0, 0, 13, 2, 0, 0, 0, 1]);
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 40 }), (head, rest) => {
        const parsed = parseOrReadError(Uint8Array.of(...head, ...rest));
        if (parsed !== undefined) expect(parsed.data.length).toBe(parsed.shape.reduce((a, b) => a * b, 1));
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        parseOrReadError(bytes.with(at, value));
      }),
      { numRuns: 500 },
    );
  });
});

function parseOrReadError(input: Uint8Array) {
  try {
    return parseIdx("f", input);
  } catch (error) {
    expect(error).toBeInstanceOf(ReadError);
    return undefined;
  }
}
