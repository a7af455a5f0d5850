/**
 * @file The types that values have in a file. The graph holds half types as float32 and small integers as int32; what is constant
 * is rounded to the type it has in the file, operator by operator, as a runtime does.
 */
import { type Half, roundedTo } from "../ops/rounding.ts";
import { ReadError } from "../tensor/errors.ts";
import { cast, type Tensor, toFloat64 } from "../tensor/tensor.ts";
import { TensorProto_DataType as T } from "./proto.ts";

/** An ONNX element type; UNDEFINED where it is not known. */
export type ElementType = T;

/** What a node makes, from the types that it reads and what it says itself; a second output is a mask or places. */
export function resultType(
  operator: string,
  output: number,
  inputs: readonly ElementType[],
  said: { readonly to?: ElementType | undefined; readonly value?: ElementType | undefined },
): ElementType {
  if (operator === "Dropout" && output === 1) return T.BOOL;
  if (conditions.has(operator)) return T.BOOL;
  if (places.has(operator)) return T.INT64;
  if (labels.has(operator) && output === 0) return T.INT64;
  if (floating.has(operator)) return T.FLOAT;
  if (operator === "ai.onnx.ml.LabelEncoder") return said.value ?? T.UNDEFINED;
  if (operator === "Cast") return said.to ?? T.UNDEFINED;
  if (operator === "Constant" || operator === "ConstantOfShape") return said.value ?? T.FLOAT;
  return inputs[typed[operator] ?? 0] ?? T.UNDEFINED;
}

/** A constant as its type holds it: rounded, or refused where it does not fit. Null where it fits as it is. */
export function asStored(t: Tensor, type: ElementType): Tensor | null {
  if (type === T.FLOAT) return t.dtype === "float64" ? cast(t, "float32") : null;
  const half = halfOf(type);
  if (half)
    return cast({ dtype: "float64", shape: t.shape, data: toFloat64(t).map((v) => roundedTo(half, v)) }, "float32");
  const range = ranges[type];
  if (!range) return null;
  const over = t.data.find((v: number | bigint) => v < range[0] || v > range[1]);
  if (over !== undefined)
    throw new ReadError(`${over} is no ${T[type]}: what an overflow becomes is left open by ONNX`);
  return null;
}

/** The half type that an element type is; null for any other. */
export const halfOf = (type: ElementType): Half | null =>
  type === T.FLOAT16 ? "float16" : type === T.BFLOAT16 ? "bfloat16" : null;

/** Do sums of this type wrap at bounds that the graph does not have? */
export const isSmallInteger = (type: ElementType): boolean => type in ranges;

// --- internal ---

const conditions = new Set("Less LessOrEqual Greater GreaterOrEqual Equal And Or Xor Not IsNaN IsInf".split(" "));
const places = new Set("Shape Size ArgMax ArgMin NonZero".split(" "));
/** Of the domain ai.onnx.ml: what gives a label first, and what gives float32 whatever it reads. */
const labels = new Set(["ai.onnx.ml.LinearClassifier", "ai.onnx.ml.SVMClassifier"]);
const floating = new Set(
  "Scaler Normalizer LinearClassifier LinearRegressor SVMClassifier SVMRegressor"
    .split(" ")
    .map((op) => `ai.onnx.ml.${op}`),
);
/** Which input has the type of the result, where it is not the first. */
const typed: Readonly<Record<string, number>> = { CastLike: 1, Where: 1, DequantizeLinear: 1, OneHot: 2 };

const ranges: Readonly<Record<number, readonly [number | bigint, number | bigint]>> = {
  [T.INT8]: [-128, 127],
  [T.UINT8]: [0, 255],
  [T.INT16]: [-32768, 32767],
  [T.UINT16]: [0, 65535],
  [T.UINT32]: [0n, 0xffffffffn],
  [T.UINT64]: [0n, 0x7fffffffffffffffn],
};
