/** @file IDX, the format of MNIST: two zero bytes, a type, the number of dimensions, the dimensions and the values, all big-endian. */
import { ReadError } from "../tensor/errors.ts";
import { showShape, sizeOf } from "../tensor/shape.ts";
import type { StoredArray, StoredNumbers, StoredType } from "./arrays.ts";

/**
 * Parse an IDX file (not compressed). Throws `ReadError` if it is not one, or longer or shorter than its header says.
 *
 * Reference: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", file formats.
 */
export function parseIdx(who: string, bytes: Uint8Array): StoredArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0) {
    throw new ReadError(`${who}: an IDX file must begin with two zero bytes and a type, got ${showStart(bytes)}`);
  }
  const type = TYPES[bytes[2]];
  if (type === undefined) {
    throw new ReadError(`${who}: the IDX type must be 8, 9, 11, 12, 13 or 14, got ${bytes[2]}`);
  }
  const rank = bytes[3];
  const start = 4 + 4 * rank;
  if (bytes.length < start) {
    throw new ReadError(`${who}: an IDX header of ${rank} dimensions must have ${start} bytes, got ${bytes.length}`);
  }
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const expected = start + sizeOf(shape) * type.width;
  if (bytes.length !== expected) {
    const what = `an IDX file of ${type.dtype}${showShape(shape)} must have ${expected} bytes`;
    throw new ReadError(`${who}: ${what}, got ${bytes.length}; is it truncated?`);
  }
  return { dtype: type.dtype, shape, data: type.read(view, start, sizeOf(shape)) };
}

// --- internal ---

interface IdxType {
  readonly dtype: StoredType;
  readonly width: number;
  read(view: DataView, start: number, size: number): StoredNumbers;
}

const TYPES: Readonly<Record<number, IdxType>> = {
  8: { dtype: "uint8", width: 1, read: (v, start, n) => new Uint8Array(v.buffer, v.byteOffset + start, n) },
  9: { dtype: "int8", width: 1, read: (v, start, n) => new Int8Array(v.buffer, v.byteOffset + start, n) },
  11: {
    dtype: "int16",
    width: 2,
    read: (v, start, n) => Int16Array.from({ length: n }, (_, i) => v.getInt16(start + 2 * i)),
  },
  12: {
    dtype: "int32",
    width: 4,
    read: (v, start, n) => Int32Array.from({ length: n }, (_, i) => v.getInt32(start + 4 * i)),
  },
  13: {
    dtype: "float32",
    width: 4,
    read: (v, start, n) => Float32Array.from({ length: n }, (_, i) => v.getFloat32(start + 4 * i)),
  },
  14: {
    dtype: "float64",
    width: 8,
    read: (v, start, n) => Float64Array.from({ length: n }, (_, i) => v.getFloat64(start + 8 * i)),
  },
};

function showStart(bytes: Uint8Array): string {
  if (bytes.length === 0) return "an empty file";
  return `bytes ${Array.from(bytes.subarray(0, 4), (b) => b.toString(16).padStart(2, "0")).join(" ")}`;
}
