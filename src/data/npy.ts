/** @file NumPy's .npy, versions 1 to 3: a magic, a Python dictionary in text, then the values: any numbers or text, in either order of bytes and of axes. */
import { ReadError } from "../tensor/errors.ts";
import { type Shape, showShape, sizeOf } from "../tensor/shape.ts";
import type { StoredArray, StoredNumbers, StoredText, StoredType } from "./arrays.ts";

/**
 * Parse a .npy file of numbers. Throws `ReadError` if it is not one, longer or shorter than its header says, or of a type not read here.
 *
 * Reference: NumPy enhancement proposal 1, "A simple file format for NumPy arrays".
 */
export function parseNpy(who: string, bytes: Uint8Array): StoredArray {
  const array = parseNpyAny(who, bytes);
  if (array.dtype === "text") throw new ReadError(`${who}: the array must hold numbers, got text`);
  return array;
}

/** The same for numbers or text. */
export function parseNpyAny(who: string, bytes: Uint8Array): StoredArray | StoredText {
  const { text, start } = header(who, bytes);
  const descr = field(who, text, "descr", /'descr'\s*:\s*('[^']*'|\[)/);
  const order = field(who, text, "fortran_order", /'fortran_order'\s*:\s*(True|False)/);
  const numbers = field(who, text, "shape", /'shape'\s*:\s*\(([\d,\sL]*)\)/);
  const shape = numbers.split(",").flatMap((n) => (n.trim() === "" ? [] : [Number.parseInt(n, 10)]));
  const [, mark, kind, letters] = /^'([<>|=]?)([a-zA-Z])(\d+)'$/.exec(descr) ?? ["", "", "", ""];
  const type = TYPES[kind + letters];
  const width = type?.width ?? (kind === "U" ? 4 * Number(letters) : kind === "S" ? Number(letters) : undefined);
  if (width === undefined) {
    const known = `${Object.keys(TYPES).join(" ")} U S`;
    const got = descr === "[" ? "a structured array" : descr === "'|O'" ? "Python objects" : descr;
    throw new ReadError(`${who}: the type must be one of ${known}, got ${got}; convert it by x.astype("<f4")`);
  }
  const expected = start + sizeOf(shape) * width;
  if (bytes.length !== expected) {
    const what = `a .npy file of ${type?.dtype ?? "text"}${showShape(shape)} must have ${expected} bytes`;
    throw new ReadError(`${who}: ${what}, got ${bytes.length}; is it truncated?`);
  }
  // Copied, because a typed array must start at a multiple of its width; not by slice(), which in Node's Buffer does not copy.
  const stored = new Uint8Array(bytes.subarray(start));
  const body = order === "True" && shape.length > 1 ? rowMajor(stored, width, shape) : stored;
  if (mark === ">") swapBytes(body, type ? width : 4);
  if (type !== undefined) return { dtype: type.dtype, shape, data: type.view(body.buffer) };
  return { dtype: "text", shape, data: kind === "U" ? wideWords(who, body, width) : byteWords(body, width) };
}

/** The bytes of a .npy file, version 1, that holds float32 or float64 numbers. */
export function writeNpy(values: Float32Array | Float64Array, shape: Shape): Uint8Array {
  const width = values.BYTES_PER_ELEMENT;
  const words = `{'descr': '<f${width}', 'fortran_order': False, 'shape': (${shape.map((d) => `${d},`).join(" ")}), }`;
  // The values begin at a multiple of 64; a line feed ends the header.
  const length = Math.ceil((10 + words.length + 1) / 64) * 64;
  const bytes = new Uint8Array(length + width * values.length);
  bytes.set([...MAGIC, 1, 0, (length - 10) & 0xff, (length - 10) >> 8]);
  bytes.set(new TextEncoder().encode(`${words.padEnd(length - 11)}\n`), 10);
  const view = new DataView(bytes.buffer);
  values.forEach((v, i) => {
    if (width === 4) view.setFloat32(length + 4 * i, v, true);
    else view.setFloat64(length + 8 * i, v, true);
  });
  return bytes;
}

// --- internal ---

interface NpyType {
  readonly dtype: StoredType;
  readonly width: number;
  view(buffer: ArrayBuffer): StoredNumbers;
}

/** By NumPy's letter and width, without the order of bytes. */
const TYPES: Readonly<Record<string, NpyType>> = {
  f2: { dtype: "float16", width: 2, view: (b) => Float32Array.from(new Uint16Array(b), halfToNumber) },
  f4: { dtype: "float32", width: 4, view: (b) => new Float32Array(b) },
  f8: { dtype: "float64", width: 8, view: (b) => new Float64Array(b) },
  u1: { dtype: "uint8", width: 1, view: (b) => new Uint8Array(b) },
  u2: { dtype: "uint16", width: 2, view: (b) => new Uint16Array(b) },
  u4: { dtype: "uint32", width: 4, view: (b) => new Uint32Array(b) },
  u8: { dtype: "uint64", width: 8, view: (b) => new BigUint64Array(b) },
  i1: { dtype: "int8", width: 1, view: (b) => new Int8Array(b) },
  i2: { dtype: "int16", width: 2, view: (b) => new Int16Array(b) },
  i4: { dtype: "int32", width: 4, view: (b) => new Int32Array(b) },
  i8: { dtype: "int64", width: 8, view: (b) => new BigInt64Array(b) },
  b1: { dtype: "bool", width: 1, view: (b) => new Uint8Array(b) },
};

/** IEEE 754 binary16. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** In place. */
function swapBytes(bytes: Uint8Array, width: number): void {
  for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse();
}

/** An array that was stored with its first axis fastest, with its last one fastest. */
function rowMajor(stored: Uint8Array, width: number, shape: Shape): Uint8Array<ArrayBuffer> {
  const own = new Uint8Array(stored.length);
  const index = shape.map(() => 0);
  const strides = shape.map((_, axis) => width * sizeOf(shape.slice(0, axis)));
  for (let to = 0, from = 0; to < own.length; to += width) {
    own.set(stored.subarray(from, from + width), to);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= index[axis] * strides[axis];
      index[axis] = 0;
    }
  }
  return own;
}

/** Words of UCS-4, filled up with zeros. */
function wideWords(who: string, bytes: Uint8Array<ArrayBuffer>, width: number): string[] {
  const codes = new Uint32Array(bytes.buffer, 0, bytes.length / 4);
  if (codes.some((code) => code > 0x10ffff)) throw new ReadError(`${who}: text must be Unicode, got other numbers`);
  const count = width === 0 ? 0 : bytes.length / width;
  return Array.from({ length: count }, (_, i) => {
    const word = codes.subarray((i * width) / 4, ((i + 1) * width) / 4);
    return String.fromCodePoint(...word).replace(/\0+$/, "");
  });
}

/** Words of bytes, filled up with zeros. */
const byteWords = (bytes: Uint8Array, width: number): string[] =>
  Array.from({ length: width === 0 ? 0 : bytes.length / width }, (_, i) =>
    new TextDecoder().decode(bytes.subarray(i * width, (i + 1) * width)).replace(/\0+$/, ""),
  );

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
