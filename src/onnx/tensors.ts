/** @file TensorProto -> tensor. Sizes are checked against the bytes that are there before anything is allocated; small and half types are widened. */
import { ReadError } from "../tensor/errors.ts";
import { sizeOf } from "../tensor/shape.ts";
import { type DType, storage, type Tensor } from "../tensor/tensor.ts";
import { type TensorProto, TensorProto_DataLocation, TensorProto_DataType } from "./proto.ts";

/** Gives the bytes of a file that stands beside the model. */
export type External = (location: string) => Uint8Array;

/** Read a tensor; throws ReadError, whose message does not say which tensor it was. */
export function readTensor(proto: TensorProto, external?: External): Tensor {
  const kind = kinds[proto.dataType];
  if (!kind) {
    const type = TensorProto_DataType[proto.dataType] ?? `data type ${proto.dataType}`;
    throw new ReadError(`tensors of ${type} are not read; convert the model to float32`);
  }
  const shape = proto.dims.map(Number);
  const size = sizeOf(shape);
  if (shape.some((d) => !Number.isSafeInteger(d) || d < 0) || !Number.isSafeInteger(size)) {
    throw new ReadError(`dimensions must be whole numbers, got [${shape.join(",")}]`);
  }
  if (proto.segment) throw new ReadError("a tensor in segments is not read");
  const own = proto.dataLocation === TensorProto_DataLocation.EXTERNAL;
  const raw = own ? externalBytes(proto, external) : proto.rawData;
  const listed = proto[kind.field];
  if (raw.length === 0 && listed.length > 0) {
    check(listed.length, size, "values", shape);
    return { dtype: kind.dtype, shape, data: fromList(kind, listed) };
  }
  check(raw.length, size * kind.width, "bytes", shape);
  return { dtype: kind.dtype, shape, data: fromBytes(kind, raw, size) };
}

/** The dtype in which values of an ONNX element type are held; null where there is none. */
export const dtypeOf = (elementType: number): DType | null => kinds[elementType]?.dtype ?? null;

/** Position of the first NaN or infinity, or -1. */
export function firstNotFinite(t: Tensor): number {
  if (t.dtype !== "float32" && t.dtype !== "float64") return -1;
  const data = t.data as Float32Array | Float64Array;
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return i;
  return -1;
}

/** The bytes of a tensor that is stored beside the model. */
export function externalBytes(proto: TensorProto, external: External | undefined): Uint8Array {
  const entries = new Map(proto.externalData.map(({ key, value }) => [key, value]));
  const location = entries.get("location");
  if (location === undefined) throw new ReadError("external data has no location");
  if (!external) {
    throw new ReadError(
      `its data is in the file "${location}" beside the model; pass { external } that gives its bytes`,
    );
  }
  const file = external(location);
  const offset = Number(entries.get("offset") ?? 0);
  const length = Number(entries.get("length") ?? file.length - offset);
  const inside = [offset, length].every((n) => Number.isSafeInteger(n) && n >= 0) && offset + length <= file.length;
  if (!inside) {
    throw new ReadError(`"${location}" has ${file.length} bytes, got offset ${offset} and length ${length}`);
  }
  return file.subarray(offset, offset + length);
}

// --- internal ---

interface Kind {
  readonly dtype: DType;
  /** Bytes of one value in raw data. */
  readonly width: number;
  /** Where values stand if they are not raw. */
  readonly field: "floatData" | "doubleData" | "int32Data" | "int64Data" | "uint64Data";
  raw(view: DataView, at: number): number | bigint;
  /** The value from what stands in the field, where that is not the value itself. */
  listed?(value: number | bigint): number | bigint;
}

const half = (bits: number): number => {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
};

const word = new DataView(new ArrayBuffer(4));
const brain = (bits: number): number => {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
};

const unsigned = (v: bigint): bigint => {
  if (v > 0x7fffffffffffffffn) throw new ReadError(`a uint64 must be below 2^63, got ${v}`);
  return v;
};

const T = TensorProto_DataType;
const kinds: Readonly<Record<number, Kind>> = {
  [T.FLOAT]: { dtype: "float32", width: 4, field: "floatData", raw: (v, i) => v.getFloat32(i, true) },
  [T.DOUBLE]: { dtype: "float64", width: 8, field: "doubleData", raw: (v, i) => v.getFloat64(i, true) },
  [T.FLOAT16]: {
    dtype: "float32",
    width: 2,
    field: "int32Data",
    raw: (v, i) => half(v.getUint16(i, true)),
    listed: (v) => half(Number(v) & 0xffff),
  },
  [T.BFLOAT16]: {
    dtype: "float32",
    width: 2,
    field: "int32Data",
    raw: (v, i) => brain(v.getUint16(i, true)),
    listed: (v) => brain(Number(v) & 0xffff),
  },
  [T.INT8]: { dtype: "int32", width: 1, field: "int32Data", raw: (v, i) => v.getInt8(i) },
  [T.UINT8]: { dtype: "int32", width: 1, field: "int32Data", raw: (v, i) => v.getUint8(i) },
  [T.INT16]: { dtype: "int32", width: 2, field: "int32Data", raw: (v, i) => v.getInt16(i, true) },
  [T.UINT16]: { dtype: "int32", width: 2, field: "int32Data", raw: (v, i) => v.getUint16(i, true) },
  [T.INT32]: { dtype: "int32", width: 4, field: "int32Data", raw: (v, i) => v.getInt32(i, true) },
  [T.INT64]: { dtype: "int64", width: 8, field: "int64Data", raw: (v, i) => v.getBigInt64(i, true) },
  [T.UINT32]: {
    dtype: "int64",
    width: 4,
    field: "uint64Data",
    raw: (v, i) => BigInt(v.getUint32(i, true)),
  },
  [T.UINT64]: {
    dtype: "int64",
    width: 8,
    field: "uint64Data",
    raw: (v, i) => unsigned(v.getBigUint64(i, true)),
    listed: (v) => unsigned(BigInt(v)),
  },
  [T.BOOL]: {
    dtype: "bool",
    width: 1,
    field: "int32Data",
    raw: (v, i) => (v.getUint8(i) === 0 ? 0 : 1),
    listed: (v) => (Number(v) === 0 ? 0 : 1),
  },
};

function check(got: number, want: number, unit: string, shape: readonly number[]): void {
  if (got !== want)
    throw new ReadError(`[${shape.join(",")}] needs ${want} ${unit}, got ${got}; the file is truncated or corrupt`);
}

function fromBytes(kind: Kind, raw: Uint8Array, size: number): Tensor["data"] {
  const data = storage(kind.dtype, size);
  if (kind.width === data.BYTES_PER_ELEMENT && kind.dtype !== "bool" && kind.field !== "uint64Data") {
    // The same bits: ONNX is little-endian, as every machine that runs this is.
    new Uint8Array(data.buffer).set(raw);
    return data;
  }
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  for (let i = 0; i < size; i++) data[i] = kind.raw(view, i * kind.width);
  return data;
}

function fromList(kind: Kind, listed: readonly (number | bigint)[]): Tensor["data"] {
  const data = storage(kind.dtype, listed.length);
  const { listed: value = (v) => v } = kind;
  for (let i = 0; i < listed.length; i++) data[i] = value(listed[i]);
  return data;
}
