/** @file The geometry of a zero-padded convolution: which tap of the kernel meets which input at which output. One axis and two axes are one case, a missing axis having size 1. */
import { ShapeError, UsageError } from "../tensor/errors.ts";
import { checkFinite } from "./matrix.ts";

/** A linear convolution as ONNX `Conv` has it (cross-correlation, zero padding), on inputs of one spatial size. */
export interface Convolution {
  /** [outChannels, inChannels, ...kernelShape], row-major. */
  readonly kernel: Float64Array;
  readonly outChannels: number;
  /** Input channels per group; the input has inChannels * groups. */
  readonly inChannels: number;
  /** One or two axes. */
  readonly kernelShape: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Zeros added: the beginning of every axis, then the end of every axis. */
  readonly pads: readonly number[];
  readonly groups: number;
  /** Spatial size of the input. */
  readonly input: readonly number[];
}

/** Kernels that were looked through once; each is asked about many times. */
const finite = new WeakSet<Float64Array>();

/** One axis: output j meets input i = stride j + dilation t - begin through tap t, if 0 <= i < size. */
export interface Axis {
  readonly size: number;
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  readonly begin: number;
  readonly end: number;
  /** Size of the output. */
  readonly out: number;
}

/** Check a convolution and return its two axes; with one spatial axis the first is trivial. */
export function axesOf(conv: Convolution): readonly [Axis, Axis] {
  const { kernel, outChannels, inChannels, groups, kernelShape, input, strides, dilations, pads } = conv;
  const rank = input.length;
  const counts = { outChannels, inChannels, groups };
  for (const [name, value] of Object.entries(counts)) whole("convolution", name, value, 1);
  if (rank < 1 || rank > 2 || [kernelShape, strides, dilations].some((list) => list.length !== rank)) {
    throw new ShapeError(`convolution: kernelShape, strides, dilations and input must name the same 1 or 2 axes`);
  }
  if (pads.length !== 2 * rank) {
    throw new ShapeError(`convolution: pads must have ${2 * rank} numbers, got [${pads}]`);
  }
  if (outChannels % groups !== 0) {
    throw new ShapeError(`convolution: groups must divide outChannels, got ${groups} and ${outChannels}`);
  }
  const expected = kernelShape.reduce((product, k) => product * k, outChannels * inChannels);
  if (kernel.length !== expected) {
    throw new ShapeError(`convolution: the kernel must have ${expected} entries, got ${kernel.length}`);
  }
  const axes = input.map((size, a) => {
    const fields = { size, taps: kernelShape[a], stride: strides[a], dilation: dilations[a] };
    for (const [name, value] of Object.entries(fields)) whole("convolution", name, value, 1);
    const [begin, end] = [pads[a], pads[rank + a]];
    whole("convolution", "pads", begin, 0);
    whole("convolution", "pads", end, 0);
    const extent = fields.dilation * (fields.taps - 1) + 1;
    const out = Math.floor((size + begin + end - extent) / fields.stride) + 1;
    if (size + begin + end < extent) {
      throw new ShapeError(
        `convolution: the kernel must fit the padded input, got ${extent} on ${size} + ${begin} + ${end}`,
      );
    }
    return { ...fields, begin, end, out };
  });
  if (!finite.has(kernel)) checkFinite("convolution", kernel);
  finite.add(kernel);
  return rank === 2 ? [axes[0], axes[1]] : [trivial, axes[0]];
}

/** The outputs that tap t joins to an input: first <= j <= last (none if last < first). */
export function reach(axis: Axis, t: number): { readonly first: number; readonly last: number } {
  const shift = axis.begin - axis.dilation * t;
  return {
    first: Math.max(0, Math.ceil(shift / axis.stride)),
    last: Math.min(axis.out - 1, Math.floor((axis.size - 1 + shift) / axis.stride)),
  };
}

/** The sets of taps that meet at one output, or at one input; only the largest sets, no set inside another. */
export function touching(axis: Axis, at: "output" | "input"): readonly (readonly number[])[] {
  const sets: number[][] = Array.from({ length: at === "output" ? axis.out : axis.size }, () => []);
  for (let t = 0; t < axis.taps; t++) {
    const { first, last } = reach(axis, t);
    for (let j = first; j <= last; j++) {
      sets[at === "output" ? j : axis.stride * j + axis.dilation * t - axis.begin].push(t);
    }
  }
  const distinct = [...new Map(sets.map((taps) => [taps.join(), taps])).values()];
  return distinct.filter((a) => !distinct.some((b) => b.length > a.length && a.every((t) => b.includes(t))));
}

// --- internal ---

const trivial: Axis = { size: 1, taps: 1, stride: 1, dilation: 1, begin: 0, end: 0, out: 1 };

function whole(who: string, name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new UsageError(`${who}: ${name} must be a whole number from ${least} on, got ${value}`);
  }
}
