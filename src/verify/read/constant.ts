/** @file The constants of a model: float32 to calculate with, int64 for shapes and places, and nothing else; all of them in the file itself. */
import { largestTensor } from "../algebra/sparse.ts";
import { must } from "../refusal.ts";
import { bytesOf, fieldsOf, floatsOf, integersOf, numberOf, textOf, unknown } from "./protobuf.ts";

/** A constant. Its numbers are exact as doubles. */
export interface Constant {
  readonly type: "float" | "int";
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** The type that a number of ONNX stands for. */
export function typeOf(what: string, number: number): Constant["type"] {
  must(number === 1 || number === 7, () => `${what}: only float32 and int64 are known, got type ${number}`);
  return number === 1 ? "float" : "int";
}

/** Read a tensor. Bytes that are kept elsewhere, in parts or as another type are refused. */
export function tensorOf(bytes: Uint8Array): { readonly name: string; readonly constant: Constant } {
  let name = "";
  let code = 0;
  const shape: number[] = [];
  let raw: Uint8Array | undefined;
  const floats: number[] = [];
  const integers: number[] = [];
  for (const field of fieldsOf(bytes, [1, 4, 7])) {
    if (field.number === 1) shape.push(...integersOf(field));
    else if (field.number === 2) code = numberOf(field);
    else if (field.number === 4) for (const v of floatsOf(field)) floats.push(v);
    else if (field.number === 7) for (const v of integersOf(field)) integers.push(v);
    else if (field.number === 8) name = textOf(field);
    else if (field.number === 9) raw = bytesOf(field);
    else if (field.number === 13 || field.number === 14)
      must(false, () => `the tensor "${name}": it is kept elsewhere`);
    else if (field.number !== 12) unknown(`the tensor "${name}"`, field);
  }
  const what = `the tensor "${name}"`;
  const type = typeOf(what, code);
  const count = shape.reduce((n, d) => n * d, 1);
  must(shape.every((d) => d >= 0) && count <= largestTensor, () => `${what}: its shape [${shape}] is not possible`);
  const [listed, others] = type === "float" ? [floats, integers] : [integers, floats];
  must(others.length === 0, () => `${what}: its numbers are not where its type says`);
  must(raw === undefined || listed.length === 0, () => `${what}: its numbers are there twice`);
  const width = type === "float" ? 4 : 8;
  must(raw === undefined || raw.length === count * width, () => `${what}: it must have ${count * width} bytes`);
  const data = raw ? numbersOf(raw, type) : Float64Array.from(listed);
  must(data.length === count, () => `${what}: it must hold ${count} numbers, got ${data.length}`);
  must(
    data.every((v) => Number.isFinite(v)),
    () => `${what}: a number is not finite`,
  );
  return { name, constant: { type, shape, data } };
}

// --- internal ---

function numbersOf(raw: Uint8Array, type: Constant["type"]): Float64Array {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  if (type === "float") return Float64Array.from({ length: raw.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  // Beyond what a double knows there are only ends of slices, which stand for "all": no tensor is as long as that.
  const most = BigInt(Number.MAX_SAFE_INTEGER);
  return Float64Array.from({ length: raw.length / 8 }, (_, i) => {
    const whole = view.getBigInt64(8 * i, true);
    return Number(whole > most ? most : whole < -most ? -most : whole);
  });
}
