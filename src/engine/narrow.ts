/** @file Element types that only files have - halves and short integers - as they pass the engine: values of them come out as the wider type that holds them. */
import { EngineError } from "../tensor/errors.ts";
import type { Tensor, TensorData } from "../tensor/tensor.ts";

/** A tensor as a runtime has it. */
export interface RuntimeTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

/** A value of the runtime as a tensor; halves as float32, integers of fewer than 32 bits as int32, unsigned ones of 32 as int64: all exact. */
export function widened({ type, dims, data }: RuntimeTensor): Tensor {
  if (held.includes(type)) return { dtype: type as Tensor["dtype"], shape: dims, data: data as TensorData };
  const numbers = data as Exclude<TensorData, BigInt64Array>;
  switch (type) {
    case "float16":
      return { dtype: "float32", shape: dims, data: Float32Array.from(bitsOf(numbers), halfOf) };
    case "int8":
    case "uint8":
    case "int16":
    case "uint16":
      return { dtype: "int32", shape: dims, data: Int32Array.from(numbers) };
    case "uint32":
      return { dtype: "int64", shape: dims, data: BigInt64Array.from(numbers, BigInt) };
    default:
      throw new EngineError(`run: an output has the type ${type}, which this library does not hold`);
  }
}

/** A tensor for an input of the runtime that is declared with an element type of its own, rounded to it; undefined declares nothing. */
export function narrowed(
  { dtype, data }: Tensor,
  declared: string | undefined,
): [string, TensorData | Uint16Array | Int8Array | Uint8Array | Int16Array] {
  const numbers = data as Float32Array;
  switch (declared) {
    case "float16":
      return dtype === "float32" ? ["float16", Uint16Array.from(numbers, bitsOfHalf)] : [dtype, numbers];
    case "int8":
      return [declared, Int8Array.from(numbers)];
    case "uint8":
      return [declared, Uint8Array.from(numbers)];
    case "int16":
      return [declared, Int16Array.from(numbers)];
    case "uint16":
      return [declared, Uint16Array.from(numbers)];
    default:
      return [dtype, numbers];
  }
}

/** Bits of the nearest half, ties to even; infinite beyond 65,504. */
export function bitsOfHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size >= 65520) return sign | 0x7c00;
  // Spacing of halves at this size; below 2^-14 it stays 2^-24.
  const exponent = size < 2 ** -14 ? -14 : Math.floor(Math.log2(size));
  const spacing = 2 ** (exponent - 10);
  const steps = size / spacing;
  const low = Math.floor(steps);
  const odd = low % 2;
  const rounded = steps - low > 0.5 || (steps - low === 0.5 && odd === 1) ? low + 1 : low;
  // A mantissa that overflows carries into the exponent by itself.
  return sign | (size < 2 ** -14 ? rounded : ((exponent + 15) << 10) + (rounded - 1024));
}

/** The number that the bits of a half stand for. */
export function halfOf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

// --- internal ---

const held: readonly string[] = ["float32", "float64", "int64", "int32", "bool"];

/** The bits, whichever array the runtime keeps halves in. */
const bitsOf = ({ buffer, byteOffset, length }: ArrayBufferView & { readonly length: number }): Uint16Array =>
  new Uint16Array(buffer, byteOffset, length);
