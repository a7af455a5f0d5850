/** @file Numbers with a shape: a plain record over a typed array, row-major. It has no methods and computes nothing. */
import { ShapeError } from "./errors.ts";
import { type Shape, showShape, sizeOf } from "./shape.ts";

export type DType = "float32" | "float64" | "int64" | "int32" | "bool";

/** dtype and shape, what is known of a value before it is computed. */
export interface Type {
  readonly dtype: DType;
  readonly shape: Shape;
}

export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array;

/** `data` is a Float32Array, Float64Array, BigInt64Array, Int32Array or (bool) Uint8Array, as `dtype` says. */
export interface Tensor extends Type {
  readonly data: TensorData;
}

export const isFloat = (dtype: DType): boolean => dtype === "float32" || dtype === "float64";

/** Fresh zeroed storage of a dtype. */
export function storage(dtype: DType, size: number): TensorData {
  switch (dtype) {
    case "float32":
      return new Float32Array(size);
    case "float64":
      return new Float64Array(size);
    case "int64":
      return new BigInt64Array(size);
    case "int32":
      return new Int32Array(size);
    case "bool":
      return new Uint8Array(size);
    default:
      return dtype satisfies never;
  }
}

/** A tensor from numbers; a typed array that already fits is kept, not copied. `shape` defaults to a vector. */
export function tensor(values: ArrayLike<number> | TensorData, shape?: Shape, dtype: DType = "float32"): Tensor {
  const own = shape ?? [values.length];
  if (sizeOf(own) !== values.length) {
    throw new ShapeError(`tensor: ${showShape(own)} holds ${sizeOf(own)} values, got ${values.length}`);
  }
  const empty = storage(dtype, 0);
  if (values.constructor === empty.constructor) return { dtype, shape: own, data: values as TensorData };
  return { dtype, shape: own, data: fromNumbers(dtype, values as ArrayLike<number | bigint>) };
}

export const scalar = (value: number, dtype: DType = "float32"): Tensor => tensor([value], [], dtype);

export const zeros = (shape: Shape, dtype: DType = "float32"): Tensor => ({
  dtype,
  shape,
  data: storage(dtype, sizeOf(shape)),
});

export function full(shape: Shape, value: number, dtype: DType = "float32"): Tensor {
  const data = storage(dtype, sizeOf(shape));
  if (data instanceof BigInt64Array) data.fill(toInt64(value));
  else data.fill(value);
  return { dtype, shape, data };
}

/** The values as float64; shares storage if they already are. */
export function toFloat64(t: Tensor): Float64Array {
  if (t.data instanceof Float64Array) return t.data;
  if (t.data instanceof BigInt64Array) return Float64Array.from(t.data, Number);
  return Float64Array.from(t.data);
}

/** The same values in another dtype: floats to integers truncate towards zero, anything non-zero to bool is 1. */
export function cast(t: Tensor, dtype: DType): Tensor {
  if (t.dtype === dtype) return t;
  return { dtype, shape: t.shape, data: fromNumbers(dtype, t.data) };
}

/** The same data under another shape of equal size. */
export const reshaped = (t: Tensor, shape: Shape): Tensor => tensor(t.data, shape, t.dtype);

// --- internal ---

function fromNumbers(dtype: DType, values: ArrayLike<number | bigint>): TensorData {
  // The weights of a large network, at the speed of a copy.
  if (values instanceof Float32Array && dtype === "float64") return new Float64Array(values);
  if (values instanceof Float64Array && dtype === "float32") return new Float32Array(values);
  const data = storage(dtype, values.length);
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (data instanceof BigInt64Array) data[i] = typeof v === "bigint" ? v : toInt64(v);
    else if (dtype === "bool") data[i] = Number(v) !== 0 ? 1 : 0;
    else if (dtype === "int32") data[i] = Math.trunc(Number(v));
    else data[i] = Number(v);
  }
  return data;
}

const INT64_MAX = 9223372036854775807n;

function toInt64(v: number): bigint {
  if (Number.isNaN(v)) return 0n;
  if (v >= 2 ** 63) return INT64_MAX;
  if (v < -(2 ** 63)) return -INT64_MAX - 1n;
  return BigInt(Math.trunc(v));
}
