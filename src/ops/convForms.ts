/**
 * @file How a convolution and its adjoints are written in ONNX. ONNX Runtime has no float64 Conv, so that float64 is
 * written as a Gather of patches and a MatMul.
 */
import type { Node, OnnxBuilder } from "../graph/graph.ts";
import { sizeOf } from "../tensor/shape.ts";
import { reshapeForm, sliceForm } from "./lowering.ts";
import { foldForm, gatherOrZero } from "./patches.ts";
import { type ConvAttrs, mostReaders, readersTable, swapTable, tapTable, windowsAlong } from "./windows.ts";

/** y = conv(x, w). */
export function convForm(y: Node<ConvAttrs>, build: OnnxBuilder): string {
  const { attrs } = y;
  if (y.dtype === "float64") {
    const [x, w] = y.inputs;
    return product(build, y, x, kernelRows(build, w, attrs.groups), tapRows(attrs));
  }
  const { kernel, strides, pads, dilations, groups } = attrs;
  const options = { kernel_shape: kernel, strides, pads, dilations, group: groups };
  return build.node("Conv", [build.input(0), build.input(1)], options);
}

/** dx from z = dy and w. */
export function adjointForm(y: Node<ConvAttrs>, build: OnnxBuilder): string {
  const { attrs } = y;
  const { kernel, strides, pads, dilations, groups, input } = attrs;
  const [z, w] = y.inputs;
  const rank = kernel.length;
  const turned = () => transposedKernel(build, w, groups);
  if (y.dtype === "float64") {
    const [rows, columns] = [readerRows(attrs), tapRows(attrs)];
    const taps = sizeOf(kernel);
    const readers = sizeOf(input) * mostReaders(input, attrs);
    // Numbers that are moved: windows before the product, or what the product gives after it.
    if (y.shape[1] * (columns.length + readers) < z.shape[1] * rows.length) return folded(build, y, taps);
    return product(build, y, z, turnedRows(build, w, turned(), groups), rows);
  }
  // At stride 1 the adjoint is a convolution with the kernel reversed, and Conv is the faster operator.
  const mirrored = pads.map((p, i) => dilations[i % rank] * (kernel[i % rank] - 1) - p);
  if (strides.every((s) => s === 1) && mirrored.every((p) => p >= 0) && build.opset >= 10) {
    const axes = kernel.flatMap((k, i) => (k > 1 ? [i + 2] : []));
    const reversed =
      axes.length === 0
        ? turned()
        : sliceForm(build, turned(), {
            axes,
            starts: axes.map(() => -1),
            ends: axes.map(() => -(2 ** 31)),
            steps: axes.map(() => -1),
          });
    const options = { kernel_shape: kernel, strides, pads: mirrored, dilations, group: groups };
    return build.node("Conv", [build.input(0), reversed], options);
  }
  const extra = input.map((size, i) => {
    const least = strides[i] * (z.shape[i + 2] - 1) + dilations[i] * (kernel[i] - 1) + 1 - pads[i] - pads[i + rank];
    return size - least;
  });
  return build.node("ConvTranspose", [build.input(0), build.input(1)], {
    kernel_shape: kernel,
    strides,
    pads,
    dilations,
    group: groups,
    output_padding: extra,
  });
}

// --- internal ---

/** [groups * a, b, ...kernel] -> [groups * b, a, ...kernel]: the two channel axes change places inside each group. */
function transposedKernel(build: OnnxBuilder, w: Node, groups: number): string {
  const [out, inner, ...kernel] = w.shape;
  const name = build.value(w);
  const rest = kernel.map((_, i) => i + 2);
  if (groups === 1) return build.node("Transpose", [name], { perm: [1, 0, ...rest] });
  const apart = reshapeForm(build, name, [groups, out / groups, inner, ...kernel]);
  const swapped = build.node("Transpose", [apart], { perm: [0, 2, 1, ...rest.map((i) => i + 1)] });
  return reshapeForm(build, swapped, [groups * inner, out / groups, ...kernel]);
}

/** The kernel as one matrix per group, [groups, out / groups, inner * taps]. */
function kernelRows(build: OnnxBuilder, w: Node, groups: number): string {
  return reshapeForm(build, build.value(w), [groups, w.shape[0] / groups, sizeOf(w.shape.slice(1))]);
}

function turnedRows(build: OnnxBuilder, w: Node, turned: string, groups: number): string {
  return reshapeForm(build, turned, [groups, w.shape[1], sizeOf(w.shape) / groups / w.shape[1]]);
}

/** Which input position a window reads, taps first: [taps, windows]. */
function tapRows(attrs: ConvAttrs): Int32Array {
  const windows = windowsAlong("conv", attrs.input, attrs);
  return swapTable(tapTable(attrs.input, windows, attrs), sizeOf(windows), sizeOf(attrs.kernel));
}

/** Which window reads an input position, taps first: [taps, positions]. */
function readerRows(attrs: ConvAttrs): Int32Array {
  const table = tapTable(attrs.input, windowsAlong("conv", attrs.input, attrs), attrs);
  const taps = sizeOf(attrs.kernel);
  const positions = sizeOf(attrs.input);
  return swapTable(readersTable(table, taps, positions), positions, taps);
}

/** w^T z for every window, [groups, inner * taps, windows], then added up where the taps are. */
function folded(build: OnnxBuilder, y: Node<ConvAttrs>, taps: number): string {
  const { groups } = y.attrs;
  const [z, w] = y.inputs;
  const out = w.shape[0] / groups;
  const windows = sizeOf(z.shape.slice(2));
  const rows = build.node("Transpose", [kernelRows(build, w, groups)], { perm: [0, 2, 1] });
  const apart = reshapeForm(build, build.value(z), [0, groups, out, windows]);
  const each = build.node("MatMul", [rows, apart]);
  return foldForm(build, reshapeForm(build, each, [0, y.shape[1], taps * windows]), y);
}

/** rows [groups, a, inner * taps] times the patches that `table` [taps, positions of y] takes from x. */
function product(build: OnnxBuilder, y: Node<ConvAttrs>, x: Node, rows: string, table: Int32Array): string {
  const { groups, kernel } = y.attrs;
  const channels = x.shape[1];
  const size = sizeOf(x.shape.slice(2));
  const flat = reshapeForm(build, build.value(x), [0, channels, size]);
  const taken = gatherOrZero(build, flat, [3, 2], size, table, y.dtype);
  const columns = reshapeForm(build, taken, [
    0,
    groups,
    (channels / groups) * sizeOf(kernel),
    table.length / sizeOf(kernel),
  ]);
  return reshapeForm(build, build.node("MatMul", [rows, columns]), [0, ...y.shape.slice(1)]);
}
