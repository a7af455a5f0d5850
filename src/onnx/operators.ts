/** @file The operators of ONNX's default domain that are read. The exported names are the table. */
export * from "./operators/arithmetic.ts";
export * from "./operators/attention.ts";
export * from "./operators/indexing.ts";
export * from "./operators/normalization.ts";
export * from "./operators/places.ts";
export * from "./operators/pointwise.ts";
export * from "./operators/products.ts";
export * from "./operators/quantized.ts";
export * from "./operators/recurrent.ts";
export * from "./operators/reduction.ts";
export * from "./operators/resize.ts";
export * from "./operators/shaping.ts";
export * from "./operators/sorting.ts";
export * from "./operators/windows.ts";
