/** @file The wire format of protocol buffers, by hand: a message as a list of numbered fields. Nothing is skipped, and bytes that do not fit are refused. */
import { must, Refusal } from "../refusal.ts";

export interface Field {
  readonly number: number;
  /** A varint as a signed 64-bit integer, or the bytes of anything else. */
  readonly value: bigint | Uint8Array;
  /** 0 varint, 1 eight bytes, 2 counted bytes, 5 four bytes. */
  readonly wire: 0 | 1 | 2 | 5;
}

/** The fields of a message, in order. One that is not among the repeated ones must not be there twice: readers differ in what they make of that. */
export function fieldsOf(bytes: Uint8Array, repeated: readonly number[] = []): Field[] {
  const fields: Field[] = [];
  const seen = new Set<number>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      must(at < bytes.length, () => "the model: it ends inside a number");
      const byte = bytes[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        must(value < 1n << 64n, () => "the model: a number has more than 64 bits");
        return BigInt.asIntN(64, value);
      }
    }
    throw new Refusal("the model: a number has more than ten bytes");
  };
  const take = (length: number): Uint8Array => {
    must(length >= 0 && at + length <= bytes.length, () => "the model: a field is longer than its message");
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const key = varint();
    const number = Number(key >> 3n);
    const wire = Number(key & 7n);
    must(number > 0 && number < 2 ** 29, () => `the model: no field has the number ${number}`);
    must(
      !seen.has(number) || repeated.includes(number),
      () => `the model: field ${number} of a message is there twice`,
    );
    seen.add(number);
    if (wire === 0) fields.push({ number, wire, value: varint() });
    else if (wire === 1) fields.push({ number, wire, value: take(8) });
    else if (wire === 2) fields.push({ number, wire, value: take(wholeOf(varint())) });
    else if (wire === 5) fields.push({ number, wire, value: take(4) });
    else throw new Refusal(`the model: no field has the wire type ${wire}`);
  }
  return fields;
}

/** A number field that has to fit a double exactly. */
export function numberOf({ number, value }: Field): number {
  must(typeof value === "bigint", () => `the model: field ${number} must be a number`);
  return wholeOf(value);
}

/** The bytes of a counted field. */
export function bytesOf({ number, wire, value }: Field): Uint8Array {
  must(wire === 2 && typeof value !== "bigint", () => `the model: field ${number} must be counted bytes`);
  return value;
}

/** A text field; bytes that are no UTF-8 are refused. */
export function textOf(field: Field): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytesOf(field));
  } catch (cause) {
    if (cause instanceof Refusal) throw cause;
    throw new Refusal(`the model: field ${field.number} is no text`);
  }
}

/** The numbers of a repeated integer field, packed or one by one. */
export function integersOf(field: Field): number[] {
  if (field.wire === 0) return [numberOf(field)];
  const bytes = bytesOf(field);
  // A packed list is a row of varints: read them as a message would be, without keys.
  const values: number[] = [];
  let value = 0n;
  let shift = 0n;
  for (const byte of bytes) {
    must(shift < 70n, () => "the model: a number has more than ten bytes");
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte >= 0x80) continue;
    values.push(wholeOf(BigInt.asIntN(64, value)));
    [value, shift] = [0n, 0n];
  }
  must(shift === 0n, () => "the model: it ends inside a number");
  return values;
}

/** The numbers of a repeated float field, packed or one by one. */
export function floatsOf({ number, wire, value }: Field): number[] {
  const bad = () => `the model: field ${number} must be float32 numbers`;
  must(typeof value !== "bigint" && (wire === 2 || wire === 5) && value.length % 4 === 0, bad);
  return float32s(value);
}

/** The same of doubles. */
export function doublesOf({ number, wire, value }: Field): number[] {
  const bad = () => `the model: field ${number} must be float64 numbers`;
  must(typeof value !== "bigint" && (wire === 1 || wire === 2) && value.length % 8 === 0, bad);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return Array.from({ length: value.length / 8 }, (_, i) => view.getFloat64(8 * i, true));
}

/** Little-endian float32 numbers. */
export function float32s(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/** Refuse a field. */
export function unknown(what: string, field: Field): never {
  throw new Refusal(`${what}: field ${field.number} is not known`);
}

// --- internal ---

function wholeOf(value: bigint): number {
  const number = Number(value);
  must(Number.isSafeInteger(number), () => `the model: the number ${value} is out of range`);
  return number;
}
