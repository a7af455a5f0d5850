/** @file Tests of npy.ts. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReadError } from "../tensor/errors.ts";
import { parseNpy, writeNpy } from "./npy.ts";

/** A file as NumPy writes it: the header padded by spaces so that the values begin at a multiple of 64. */
function npy(dictionary: string, values: ArrayBufferView, version = 1): Uint8Array {
  const prefix = version === 1 ? 10 : 12;
  const text = `${dictionary.padEnd(64 * Math.ceil((prefix + dictionary.length + 1) / 64) - prefix - 1)}\n`;
  const length = version === 1 ? [text.length & 255, text.length >> 8] : [text.length & 255, text.length >> 8, 0, 0];
  const body = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return Uint8Array.of(
    0x93,
    ...new TextEncoder().encode("NUMPY"),
    version,
    0,
    ...length,
    ...new TextEncoder().encode(text),
    ...body,
  );
}

const header = (descr: string, shape: string, order = "False") =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

const matrix = npy(header("<f4", "(2, 3)"), Float32Array.of(1, 2, 3, 4, 5, 6.5));

describe("parseNpy()", () => {
  it("reads every type", () => {
    expect(parseNpy("f", matrix)).toEqual({
      dtype: "float32",
      shape: [2, 3],
      data: Float32Array.of(1, 2, 3, 4, 5, 6.5),
    });
    const of = (descr: string, values: ArrayBufferView) => parseNpy("f", npy(header(descr, "(2,)"), values));
    expect(of("<f8", Float64Array.of(0.1, 1e300)).data).toEqual(Float64Array.of(0.1, 1e300));
    expect(of("|u1", Uint8Array.of(7, 255)).data).toEqual(Uint8Array.of(7, 255));
    expect(of("<i4", Int32Array.of(-7, 7)).data).toEqual(Int32Array.of(-7, 7));
    expect(of("<i8", BigInt64Array.of(-7n, 7n)).data).toEqual(BigInt64Array.of(-7n, 7n));
    expect(of("|b1", Uint8Array.of(0, 1))).toEqual({ dtype: "bool", shape: [2], data: Uint8Array.of(0, 1) });
  });

  it("reads versions 2 and 3, scalars, and a view that is not aligned", () => {
    for (const version of [2, 3]) {
      expect(parseNpy("f", npy(header("<f4", "(1,)"), Float32Array.of(3), version)).data).toEqual(Float32Array.of(3));
    }
    expect(parseNpy("f", npy(header("<f4", "()"), Float32Array.of(3))).shape).toEqual([]);
    const larger = new Uint8Array(matrix.length + 3);
    larger.set(matrix, 3);
    expect(parseNpy("f", larger.subarray(3))).toEqual(parseNpy("f", matrix));
    // Node's Buffer lies in a shared pool, and its slice() does not copy.
    expect(parseNpy("f", Buffer.from(matrix))).toEqual(parseNpy("f", matrix));
  });

  it("refuses other types with a remedy", () => {
    expect(() => parseNpy("f", npy(header("<c8", "(1,)"), Float32Array.of(1, 2)))).toThrow(
      "f: the type must be one of f2 f4 f8 u1 u2 u4 u8 i1 i2 i4 i8 b1 U S, got '<c8'; convert it by x.astype(\"<f4\")",
    );
    expect(() => parseNpy("f", npy(header("|O", "(1,)"), Float32Array.of(1)))).toThrow("got Python objects");
    const records = "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }";
    expect(() => parseNpy("f", npy(records, Float32Array.of(1)))).toThrow("got a structured array");
  });

  it("refuses what is no .npy file", () => {
    expect(() => parseNpy("f", new Uint8Array(20))).toThrow("f: a .npy file must begin with \\x93NUMPY and a header");
    expect(() => parseNpy("f", matrix.with(6, 4))).toThrow("f: the .npy version must be 1, 2 or 3, got 4");
    expect(() => parseNpy("f", npy("{}", Float32Array.of(1)))).toThrow(
      "f: the .npy header must have a readable 'descr'",
    );
  });

  it("refuses every truncation and every extension", () => {
    for (let n = 0; n < matrix.length; n++) expect(() => parseNpy("f", matrix.subarray(0, n))).toThrow(ReadError);
    expect(() => parseNpy("f", Uint8Array.of(...matrix, 0))).toThrow("is it truncated?");
  });

  it("parses or throws ReadError, whatever the bytes", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(matrix.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const changed = matrix.slice();
          for (const [at, value] of changes) changed[at] = value;
          try {
            const parsed = parseNpy("f", changed);
            expect(parsed.data.length).toBe(parsed.shape.reduce((a, b) => a * b, 1));
          } catch (error) {
            expect(error).toBeInstanceOf(ReadError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("writeNpy()", () => {
  it("writes what NumPy writes", () => {
    expect(writeNpy(Float32Array.of(1, 2, 3, 4, 5, 6.5), [2, 3]).length).toBe(matrix.length);
    for (const shape of [[6], [2, 3], [1, 2, 3, 1]]) {
      const values = Float32Array.of(1, -2, 3e-30, 4, Number.NaN, 6.5);
      const bytes = writeNpy(values, shape);
      expect((bytes.length - 4 * 6) % 64).toBe(0);
      expect(parseNpy("f", bytes)).toEqual({ dtype: "float32", shape, data: values });
    }
  });
});
