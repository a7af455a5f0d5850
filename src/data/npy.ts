/** @file NumPy's .npy, versions 1 to 3: a magic, a Python dictionary in text, then the values. Only little-endian and row-major, NumPy's default on every common machine. */
import { ReadError } from "../tensor/errors.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import type { StoredArray, StoredData, StoredType } from "./arrays.ts";

/**
 * Parse a .npy file. Throws `ReadError` if it is not one, longer or shorter than its header says, or of a type or order not read here.
 *
 * Reference: NumPy enhancement proposal 1, "A simple file format for NumPy arrays".
 */
export function parseNpy(who: string, bytes: Uint8Array): StoredArray {
  const { text, start } = header(who, bytes);
  const descr = field(who, text, "descr", /'descr'\s*:\s*('[^']*'|\[)/);
  const order = field(who, text, "fortran_order", /'fortran_order'\s*:\s*(True|False)/);
  const numbers = field(who, text, "shape", /'shape'\s*:\s*\(([\d,\sL]*)\)/);
  const type = TYPES[descr.slice(1, -1)];
  if (type === undefined) {
    const known = Object.keys(TYPES).join(" ");
    const got = descr === "[" ? "a structured array" : descr;
    throw new ReadError(`${who}: the type must be one of ${known}, got ${got}; convert it by x.astype("<f4")`);
  }
  if (order === "True") {
    throw new ReadError(
      `${who}: the array must be row-major, got fortran_order True; save numpy.ascontiguousarray(x) instead`,
    );
  }
  const shape = numbers.split(",").flatMap((n) => (n.trim() === "" ? [] : [Number.parseInt(n, 10)]));
  const expected = start + sizeOf(shape) * type.width;
  if (bytes.length !== expected) {
    const what = `a .npy file of ${type.dtype}${showShape(shape)} must have ${expected} bytes`;
    throw new ReadError(`${who}: ${what}, got ${bytes.length}; is it truncated?`);
  }
  // Copied, because a typed array must start at a multiple of its width; not by slice(), which in Node's Buffer does not copy.
  return { dtype: type.dtype, shape, data: type.view(new Uint8Array(bytes.subarray(start)).buffer) };
}

/** The bytes of a .npy file, version 1, that holds float32 numbers. */
export function writeNpy(values: Float32Array, shape: Shape): Uint8Array {
  const words = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.map((d) => `${d},`).join(" ")}), }`;
  // The values begin at a multiple of 64; a line feed ends the header.
  const length = Math.ceil((10 + words.length + 1) / 64) * 64;
  const bytes = new Uint8Array(length + 4 * values.length);
  bytes.set([...MAGIC, 1, 0, (length - 10) & 0xff, (length - 10) >> 8]);
  bytes.set(new TextEncoder().encode(`${words.padEnd(length - 11)}\n`), 10);
  const view = new DataView(bytes.buffer);
  values.forEach((v, i) => {
    view.setFloat32(length + 4 * i, v, true);
  });
  return bytes;
}

// --- internal ---

interface NpyType {
  readonly dtype: StoredType;
  readonly width: number;
  view(buffer: ArrayBuffer): StoredData;
}

const TYPES: Readonly<Record<string, NpyType>> = {
  "<f4": { dtype: "float32", width: 4, view: (b) => new Float32Array(b) },
  "<f8": { dtype: "float64", width: 8, view: (b) => new Float64Array(b) },
  "|u1": { dtype: "uint8", width: 1, view: (b) => new Uint8Array(b) },
  "<i4": { dtype: "int32", width: 4, view: (b) => new Int32Array(b) },
  "<i8": { dtype: "int64", width: 8, view: (b) => new BigInt64Array(b) },
  "|b1": { dtype: "bool", width: 1, view: (b) => new Uint8Array(b) },
};

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];

/** The dictionary as text, and where the values begin. */
function header(who: string, bytes: Uint8Array): { text: string; start: number } {
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    throw new ReadError(
      `${who}: a .npy file must begin with \\x93NUMPY and a header, got something else or too little`,
    );
  }
  const version = bytes[6];
  if (version < 1 || version > 3) throw new ReadError(`${who}: the .npy version must be 1, 2 or 3, got ${version}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const from = version === 1 ? 10 : 12;
  const start = from + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (start > bytes.length) {
    throw new ReadError(`${who}: the .npy header must have ${start} bytes, got ${bytes.length}; is it truncated?`);
  }
  return { text: new TextDecoder().decode(bytes.subarray(from, start)), start };
}

function field(who: string, text: string, name: string, pattern: RegExp): string {
  const found = pattern.exec(text);
  if (found === null) {
    throw new ReadError(`${who}: the .npy header must have a readable '${name}', got ${text.trim().slice(0, 100)}`);
  }
  return found[1];
}
