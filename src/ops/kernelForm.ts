/**
 * @file The gradient of a convolution's kernel in ONNX, which has no operator for it: lay the windows out, then one product.
 * Two ways to lay them out, chosen by shape: both give patches whose rows a matrix product likes.
 */
import type { Node, OnnxBuilder } from "../graph/graph.ts";
import { sizeOf } from "../tensor/shape.ts";
import { tensor } from "../tensor/tensor.ts";
import { reduceForm, reshapeForm } from "./lowering.ts";
import { gatherOrZero } from "./patches.ts";
import { type ConvAttrs, swapTable, tapTable, windowsAlong } from "./windows.ts";

/** dw from x and z = dy. */
export function kernelForm(y: Node<ConvAttrs>, build: OnnxBuilder): string {
  const sizes = sizesOf(y);
  const { batch, groups, inner, taps } = sizes;
  // Measured on two cores: from here on the Gather, whose runs are as long as the batch, wins over the Conv.
  const many = groups === 1 && taps > 1 && inner * taps > 64 && batch >= 32;
  // ONNX Runtime has no float64 Conv.
  return many || y.dtype === "float64" ? batchInRows(y, build, sizes) : sampleBySample(y, build, sizes);
}

// --- internal ---

type Sizes = Readonly<
  Record<"batch" | "channels" | "groups" | "inner" | "out" | "taps" | "windows" | "positions", number>
>;

function sizesOf(y: Node<ConvAttrs>): Sizes {
  const [x, z] = y.inputs;
  const { groups, kernel, input } = y.attrs;
  return {
    batch: x.shape[0],
    channels: x.shape[1],
    groups,
    inner: x.shape[1] / groups,
    out: z.shape[1] / groups,
    taps: sizeOf(kernel),
    windows: sizeOf(z.shape.slice(2)),
    positions: sizeOf(input),
  };
}

/**
 * The batch becomes the last axis, so that a Gather by a constant index copies runs of that length and a single product
 * [inner * taps, windows * batch] x [windows * batch, out] per group sums over windows and batch at once.
 */
function batchInRows(y: Node<ConvAttrs>, build: OnnxBuilder, sizes: Sizes): string {
  const { channels, groups, inner, out, taps, windows, positions } = sizes;
  const { attrs } = y;
  const flat = reshapeForm(build, build.input(0), [0, channels, positions]);
  const last = build.node("Transpose", [flat], { perm: [1, 2, 0] });
  const table = tapTable(attrs.input, windowsAlong("conv", attrs.input, attrs), attrs);
  const taken = gatherOrZero(build, last, [3, 1], positions, swapTable(table, windows, taps), y.dtype);
  // ONNX Runtime moves one axis of three fast, but not the same axis behind a fourth of length 1.
  const lead = groups === 1 ? [] : [groups];
  const z = reshapeForm(build, build.input(1), [0, ...lead, out, windows]);
  const turned = build.node("Transpose", [z], { perm: groups === 1 ? [2, 0, 1] : [1, 3, 0, 2] });
  const left = reshapeForm(build, taken, [...lead, inner * taps, -1]);
  const right = reshapeForm(build, turned, [...lead, -1, out]);
  return outFirst(build, y, build.node("MatMul", [left, right]), lead);
}

/** Patches by a Conv with one-hot kernels, a product per sample, and a sum over the batch. */
function sampleBySample(y: Node<ConvAttrs>, build: OnnxBuilder, sizes: Sizes): string {
  const { groups, inner, out, taps, windows, positions } = sizes;
  const lead = groups === 1 ? [] : [groups];
  const z = reshapeForm(build, build.input(1), [0, ...lead, out, windows]);
  const right = build.node("Transpose", [z], { perm: groups === 1 ? [0, 2, 1] : [0, 1, 3, 2] });
  const same = taps === 1 && windows === positions && y.attrs.pads.every((p) => p === 0);
  const copies = same ? build.input(0) : oneHotPatches(build, y, sizes);
  const left = reshapeForm(build, copies, [0, ...lead, inner * taps, windows]);
  const each = build.node("MatMul", [left, right]);
  return outFirst(build, y, reduceForm(build, "ReduceSum", each, [0], false), lead);
}

function oneHotPatches(build: OnnxBuilder, y: Node<ConvAttrs>, { channels, taps }: Sizes): string {
  const { kernel, strides, pads, dilations } = y.attrs;
  const hot = new Float32Array(channels * taps * taps);
  for (let row = 0; row < channels * taps; row++) hot[row * taps + (row % taps)] = 1;
  const kernels = build.constant(tensor(hot, [channels * taps, 1, ...kernel]));
  const options = { kernel_shape: kernel, strides, pads, dilations, group: channels };
  return build.node("Conv", [build.input(0), kernels], options);
}

/** [(groups), inner * taps, out] -> the kernel's own shape. */
function outFirst(build: OnnxBuilder, y: Node<ConvAttrs>, rows: string, lead: readonly number[]): string {
  return reshapeForm(build, build.node("Transpose", [rows], { perm: lead.length === 0 ? [1, 0] : [0, 2, 1] }), y.shape);
}
