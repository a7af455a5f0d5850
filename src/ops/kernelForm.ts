/** @file The gradient of a convolution's kernel in ONNX, which has no operator for it: patches by one Gather, then MatMul. */
import type { Node, OnnxBuilder } from "../graph/graph.ts";
import { sizeOf } from "../tensor/shape.ts";
import { reduceForm, reshapeForm } from "./lowering.ts";
import { gatherOrZero } from "./patches.ts";
import { type ConvAttrs, swapTable, tapTable, windowsAlong } from "./windows.ts";

/** dw from x and z = dy. */
export function kernelForm(y: Node<ConvAttrs>, build: OnnxBuilder): string {
  const { attrs } = y;
  const { groups, kernel } = attrs;
  const [x, z] = y.inputs;
  const windowShape = windowsAlong("conv", attrs.input, attrs);
  const [taps, windows, size] = [kernel, windowShape, attrs.input].map(sizeOf);
  const [channels, out] = [x.shape[1], z.shape[1]];
  const rows = (channels / groups) * taps;
  const flat = reshapeForm(build, build.input(0), [0, channels, size]);
  const index = swapTable(tapTable(attrs.input, windowShape, attrs), windows, taps);
  const taken = gatherOrZero(build, flat, [3, 2], size, index, y.dtype);
  const patches = reshapeForm(build, taken, [0, groups, rows, windows]);
  const turned = build.node("Transpose", [patches], { perm: [0, 1, 3, 2] });
  const left = reshapeForm(build, build.input(1), [0, groups, out / groups, windows]);
  const each = build.node("MatMul", [left, turned]);
  return reshapeForm(build, reduceForm(build, "ReduceSum", each, [0], false), y.shape);
}
