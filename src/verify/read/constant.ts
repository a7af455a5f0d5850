/** @file The constants of a model: float16, float32 or float64 to calculate with, int32 and int64 for shapes and places, 8 bits for weights; all of them in the file itself. */
import { largestTensor } from "../algebra/sparse.ts";
import { must } from "../refusal.ts";
import { bytesOf, doublesOf, fieldsOf, floatsOf, integersOf, numberOf, textOf, unknown } from "./protobuf.ts";

/** Bits of a number to calculate with. */
export type Bits = 16 | 32 | 64;

/** A constant. Its numbers are exact as doubles. "few": weights in 8 bits. */
export interface Constant {
  readonly type: "float" | "int" | "few";
  /** Of floating-point numbers; what is made of others need not say it. */
  readonly bits?: Bits;
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** The type that a number of ONNX stands for. */
export function typeOf(what: string, number: number): Pick<Constant, "type" | "bits"> {
  const known = types[number];
  must(
    known !== undefined,
    () =>
      `${what}: only float16, float32, float64, int32, int64 and weights in 8 bits are known, got ${names[number - 1] ?? `type ${number}`}`,
  );
  return known;
}

/** The name of a tensor, whatever else is in it. */
export function tensorName(bytes: Uint8Array): string {
  const named = anyFields(bytes).find((field) => field.number === 8);
  return named ? textOf(named) : "";
}

/** Does a tensor hold words? */
export function holdsWords(bytes: Uint8Array): boolean {
  const code = anyFields(bytes).find((field) => field.number === 2);
  return code !== undefined && numberOf(code) === 8;
}

/** Read a tensor. Bytes that are kept elsewhere, in parts or as another type are refused. */
export function tensorOf(bytes: Uint8Array): { readonly name: string; readonly constant: Constant } {
  let name = "";
  let code = 0;
  const shape: number[] = [];
  let raw: Uint8Array | undefined;
  const floats: number[] = [];
  const doubles: number[] = [];
  const integers: number[] = [];
  const small: number[] = [];
  for (const field of fieldsOf(bytes, [1, 4, 5, 7, 10, 16])) {
    if (field.number === 1) shape.push(...integersOf(field));
    else if (field.number === 2) code = numberOf(field);
    else if (field.number === 4) for (const v of floatsOf(field)) floats.push(v);
    else if (field.number === 5) for (const v of integersOf(field)) small.push(v);
    else if (field.number === 7) for (const v of integersOf(field)) integers.push(v);
    else if (field.number === 10) for (const v of doublesOf(field)) doubles.push(v);
    else if (field.number === 8) name = textOf(field);
    else if (field.number === 9) raw = bytesOf(field);
    else if (field.number === 13 || field.number === 14)
      must(false, () => `the tensor "${name}": it is kept elsewhere`);
    // Documentation and metadata.
    else if (field.number !== 12 && field.number !== 16) unknown(`the tensor "${name}"`, field);
  }
  const what = `the tensor "${name}"`;
  const { type, bits } = typeOf(what, code);
  const count = shape.reduce((n, d) => n * d, 1);
  must(shape.every((d) => d >= 0) && count <= largestTensor, () => `${what}: its shape [${shape}] is not possible`);
  const lists = { 1: floats, 6: small, 7: integers, 11: doubles } as const;
  const listed = lists[code as keyof typeof lists] ?? [];
  must(
    floats.length + doubles.length + integers.length + small.length === listed.length,
    () => `${what}: its numbers are not where its type says`,
  );
  must(raw === undefined || listed.length === 0, () => `${what}: its numbers are there twice`);
  const width = type === "float" ? (bits ?? 0) / 8 : type === "int" ? (code === 6 ? 4 : 8) : 1;
  must(raw === undefined || raw.length === count * width, () => `${what}: it must have ${count * width} bytes`);
  const data = raw ? numbersOf(raw, code) : Float64Array.from(listed);
  must(data.length === count, () => `${what}: it must hold ${count} numbers, got ${data.length}`);
  must(
    data.every((v) => Number.isFinite(v)),
    () => `${what}: a number is not finite`,
  );
  return { name, constant: { type, ...(bits && { bits }), shape, data } };
}

// --- internal ---

/** The fields of a tensor of any type, its name and its type once. */
const anyFields = (bytes: Uint8Array) => fieldsOf(bytes, [1, 4, 5, 6, 7, 10, 11, 13, 16]);

/** What is known, by the number of ONNX. */
const types: Readonly<Record<number, Pick<Constant, "type" | "bits">>> = {
  1: { type: "float", bits: 32 },
  2: { type: "few" },
  3: { type: "few" },
  6: { type: "int" },
  7: { type: "int" },
  10: { type: "float", bits: 16 },
  11: { type: "float", bits: 64 },
};

/** What people call the types of ONNX, from 1 on. */
const names =
  "float32 uint8 int8 uint16 int16 int32 int64 string bool float16 float64 uint32 uint64 complex64 complex128 bfloat16".split(
    " ",
  );

function numbersOf(raw: Uint8Array, code: number): Float64Array {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const each = (width: number, at: (from: number) => number) =>
    Float64Array.from({ length: raw.length / width }, (_, i) => at(width * i));
  if (code === 1) return each(4, (from) => view.getFloat32(from, true));
  if (code === 2) return each(1, (from) => view.getUint8(from));
  if (code === 3) return each(1, (from) => view.getInt8(from));
  if (code === 6) return each(4, (from) => view.getInt32(from, true));
  if (code === 10) return each(2, (from) => halfOf(view.getUint16(from, true)));
  if (code === 11) return each(8, (from) => view.getFloat64(from, true));
  // Beyond what a double knows there are only ends of slices, which stand for "all": no tensor is as long as that.
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  return Float64Array.from({ length: raw.length / 8 }, (_, i) => {
    const whole = view.getBigInt64(8 * i, true);
    return Number(whole > most ? most : whole < -most ? -most : whole);
  });
}

/** The number that 16 bits are: a sign, 5 bits of exponent, 10 of fraction. */
function halfOf(bits: number): number {
  const sign = bits >= 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}
