/** @file Tests of cifar10.ts. */
import { describe, expect, it } from "vitest";
import { ReadError } from "../tensor/errors.ts";
import { parseCifar10 } from "./cifar10.ts";

/** A record whose byte at (channel, row, column) is 100 channel + row + column. */
function record(label: number): number[] {
  const pixel = (i: number) => 100 * Math.floor(i / 1024) + (Math.floor(i / 32) % 32) + (i % 32);
  return [label, ...Array.from({ length: 3072 }, (_, i) => pixel(i))];
}

describe("parseCifar10()", () => {
  it("joins batches, keeping channels, rows and columns in order", () => {
    const one = { file: "one", bytes: Uint8Array.from([...record(3), ...record(9)]) };
    const two = { file: "two", bytes: Uint8Array.from(record(0)) };
    const data = parseCifar10("c", [one, two]);
    expect([data.count, data.shape, [...data.labels], data.classes, data.range]).toEqual([
      3,
      [3, 32, 32],
      [3, 9, 0],
      10,
      [0, 1],
    ]);
    const at = (sample: number, c: number, h: number, w: number) => data.x[sample * 3072 + c * 1024 + h * 32 + w];
    expect(at(1, 2, 5, 7)).toBe(Math.fround(212 / 255));
    expect(at(2, 1, 31, 0)).toBe(Math.fround(131 / 255));
  });

  it("refuses wrong sizes and labels, naming the file", () => {
    const bytes = Uint8Array.from(record(1));
    expect(() => parseCifar10("c", [{ file: "one", bytes: bytes.subarray(1) }])).toThrow(
      new ReadError(
        "one: a CIFAR-10 batch must be one or more records of 3073 bytes, got 3072 bytes; is it truncated?",
      ),
    );
    expect(() => parseCifar10("c", [{ file: "one", bytes: new Uint8Array(0) }])).toThrow(ReadError);
    expect(() => parseCifar10("c", [{ file: "one", bytes: bytes.with(0, 10) }])).toThrow(
      "one: labels must be 0..9, got 10 in record 0",
    );
  });
});
