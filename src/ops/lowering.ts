/** @file ONNX operators whose form changed between opsets, written in the form of the opset at hand. */
import type { OnnxAttributes, OnnxBuilder } from "../graph/graph.ts";
import { type DType, scalar, tensor } from "../tensor/tensor.ts";

/** A vector of int64, as an initialiser. */
export const int64s = (build: OnnxBuilder, values: readonly number[]): string =>
  build.constant(tensor(values, [values.length], "int64"));

/** A scalar of a dtype, as an initialiser. */
export const number = (build: OnnxBuilder, value: number, dtype: DType): string => build.constant(scalar(value, dtype));

/** Reshape `x`; a 0 keeps the dimension, a -1 takes what is left. */
export const reshapeForm = (build: OnnxBuilder, x: string, shape: readonly number[]): string =>
  build.node("Reshape", [x, int64s(build, shape)]);

/** ReduceSum takes its axes as an input from opset 13, the other reductions from 18. */
export function reduceForm(
  build: OnnxBuilder,
  operator: string,
  x: string,
  axes: readonly number[],
  keep: boolean,
): string {
  const keepdims = keep ? 1 : 0;
  if (axes.length === 0) return build.node("Identity", [x]);
  const asInput = build.opset >= (operator === "ReduceSum" ? 13 : 18);
  return asInput
    ? build.node(operator, [x, int64s(build, axes)], { keepdims })
    : build.node(operator, [x], { axes, keepdims });
}

/** Slice takes its ranges as inputs from opset 10; steps exist only there, and before are a Gather for each axis that has one. */
export function sliceForm(
  build: OnnxBuilder,
  x: string,
  range: {
    readonly axes: readonly number[];
    readonly starts: readonly number[];
    readonly ends: readonly number[];
    readonly steps: readonly number[];
  },
): string {
  const { axes, starts, ends, steps } = range;
  if (build.opset >= 10) {
    return build.node("Slice", [x, ...[starts, ends, axes, steps].map((v) => int64s(build, v))]);
  }
  let name = x;
  const stepped = axes.map((_, k) => steps[k] !== 1);
  axes.forEach((axis, k) => {
    if (stepped[k])
      name = build.node("Gather", [name, int64s(build, positions(starts[k], ends[k], steps[k]))], { axis });
  });
  const plain = (values: readonly number[]) => values.filter((_, k) => !stepped[k]);
  const attributes: OnnxAttributes = { axes: plain(axes), starts: plain(starts), ends: plain(ends) };
  return stepped.includes(false) ? build.node("Slice", [name], attributes) : name;
}

/** start, start + step, ... before `end`, which for a negative step may be far below 0. */
function positions(start: number, end: number, step: number): number[] {
  const count = Math.ceil(((step < 0 ? Math.max(end, -1) : end) - start) / step);
  return Array.from({ length: count }, (_, i) => start + i * step);
}

/** Padding with one value: pads as an input from opset 11. `pads` is begins of all axes, then ends. */
export function padForm(build: OnnxBuilder, x: string, pads: readonly number[], dtype: DType, value = 0): string {
  return build.opset >= 11
    ? build.node("Pad", [x, int64s(build, pads), number(build, value, dtype)], { mode: "constant" })
    : build.node("Pad", [x], { mode: "constant", pads, value: { float: value } });
}

/** TensorProto.DataType of a dtype. */
export const onnxType: Readonly<Record<DType, number>> = { float32: 1, int32: 6, int64: 7, bool: 9, float64: 11 };
