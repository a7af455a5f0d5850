/** @file An affine region of convolutions, factors per channel and sums of these, as one convolution: x + conv(x), a batch-norm behind a convolution, two kernels on one input. The border stays exact, because no convolution here reads another's result. */
import type { Flow, Region } from "../../graph/behaviour.ts";
import type { LinearForm, Node } from "../../graph/graph.ts";
import { convolutionNorm } from "../../linalg/convolution.ts";
import { sqrtUp, up } from "../../linalg/rounding.ts";
import type { Convolution } from "../../linalg/stencil.ts";
import { sameShape, sizeOf } from "../../tensor/shape.ts";
import type { Norm } from "../bound.ts";
import { computedError } from "../fixed.ts";
import { convolutionOf, largeNorm, type NodeNorms } from "./node.ts";

/**
 * An upper bound of the norm of `region` from one source where it is one convolution or one factor per channel; null where it is not.
 *
 * Kernels that read the source with the same strides add up tap by tap, the identity is a kernel with one tap. What rounding may do
 * to an entry is below a multiple of the sum of absolute values that went into it, hence to the norm of the kernel of those sums.
 */
export function mergedNorm(flow: Flow, norms: NodeNorms, region: Region, source: Node, norm: Norm): number | null {
  const whole = merged(flow, norms, region, source);
  if (!whole) return null;
  const error = 2 * (region.nodes.length + 1) * computedError;
  if (whole.kind === "factors") {
    const top = (values: Float64Array) => values.reduce((best, v) => Math.max(best, Math.abs(v)), 0);
    return up(top(whole.values) + up(error * top(whole.sums)));
  }
  const form = convolution(whole, source, region.output, "values");
  const size = convolution(whole, source, region.output, "sums");
  if (!form || !size) return null;
  const bare = (p: 1 | "inf") => convolutionNorm(size, p).upper;
  const absolute = norm === 2 ? sqrtUp(up(bare(1) * bare("inf"))) : bare(norm);
  return up(convolutionNorm(form, norm, largeNorm(form.kernel.length)).upper + up(error * absolute));
}

/**
 * The region from one source as the taps of one convolution with zeros around, and the relative error of each entry against its sum of absolute values: 0 where
 * one kernel of the file is only moved. Null where it is none.
 */
export function regionTaps(
  flow: Flow,
  norms: NodeNorms,
  region: Region,
  source: Node,
): { readonly taps: Taps; readonly error: number } | null {
  const whole = merged(flow, norms, region, source);
  if (whole?.kind !== "taps") return null;
  const inside = new Set([source, ...region.nodes]);
  const computing = region.nodes.filter((node) => {
    const varies = node.inputs.map((x) => inside.has(x));
    const behaviour = node.op.behaviour(node, varies);
    return behaviour.kind !== "isometry" || varies.filter(Boolean).length > 1;
  });
  const [only] = computing;
  const held = computing.length === 1 ? only.inputs.filter((x) => !inside.has(x)) : [];
  const copied = held.length > 0 && held.every((x) => norms.fixed(x).error === 0);
  return { taps: whole, error: copied ? 0 : 2 * (region.nodes.length + 1) * computedError };
}

/** Entries, and the sums of absolute values that they were added up from. */
export interface Entries {
  readonly values: Float64Array;
  readonly sums: Float64Array;
}

/** Matrices [outChannels, inChannels] at offsets: output j reads the places strides j + offset. */
export interface Taps {
  readonly kind: "taps";
  readonly outChannels: number;
  /** Per group. */
  readonly inChannels: number;
  readonly groups: number;
  readonly strides: readonly number[];
  readonly at: ReadonlyMap<string, Entries & { readonly offset: readonly number[] }>;
}

// --- internal ---

/** One factor for each channel. */
interface Factors extends Entries {
  readonly kind: "factors";
}

type Part = Factors | Taps;

function merged(flow: Flow, norms: NodeNorms, region: Region, source: Node): Part | null {
  if (source.shape.length < 2 || source.shape.length > 4) return null;
  const ones = new Float64Array(source.shape[1]).fill(1);
  const parts = new Map<Node, Part>([[source, { kind: "factors", values: ones, sums: ones }]]);
  for (const node of region.nodes) {
    const reads = node.inputs.flatMap((x, i) => {
      const part = parts.get(x);
      return part ? [{ part, i }] : [];
    });
    if (reads.length === 0) continue;
    let sum: Part | null = null;
    for (const { part, i } of reads) {
      const term = through(flow, norms, node, i, part);
      if (!term) return null;
      sum = sum ? added(sum, term) : term;
      if (!sum) return null;
    }
    if (sum) parts.set(node, sum);
  }
  return parts.get(region.output) ?? null;
}

/** What one input contributes to an affine node. */
function through(flow: Flow, norms: NodeNorms, node: Node, i: number, part: Part): Part | null {
  const behaviour = node.op.behaviour(
    node,
    node.inputs.map((_, k) => k === i),
  );
  if (behaviour.kind === "isometry") {
    if (!sameShape(node.shape, node.inputs[i].shape)) return null;
    const sign = signInPlace(flow, norms, node, i);
    return sign === 1
      ? part
      : sign === -1
        ? scaled(part, part.kind === "factors" ? part.values.map(() => -1) : -1)
        : null;
  }
  if (behaviour.kind !== "linear") return null;
  const of: LinearForm = behaviour.of;
  if (of.form === "diagonal" && !flow.varies.has(of.factors) && sameShape(node.shape, node.inputs[i].shape)) {
    const factors = perChannel(norms.fixed(of.factors).data, node.shape, of.inverse);
    return factors && scaled(part, factors);
  }
  if (of.form !== "convolution" || part.kind !== "factors" || of.direction !== "forward") return null;
  if (flow.varies.has(of.kernel) || of.input.length > 2) return null;
  return tapsOf(convolutionOf(of, norms.fixed(of.kernel).data), part);
}

/** 1 or -1 where an isometry leaves every number where it is or changes every sign: it can only move them and change signs, so that 1, 2, 3, ... tell. */
function signInPlace(flow: Flow, norms: NodeNorms, node: Node, i: number): 1 | -1 | null {
  const inputs = node.inputs.map((x) => (flow.varies.has(x) ? new Float64Array(sizeOf(x.shape)) : norms.fixed(x).data));
  const zero = node.op.evaluate(node, inputs);
  const count = inputs[i].map((_, k) => k + 1);
  const moved = node.op.evaluate(
    node,
    inputs.map((x, k) => (k === i ? count : x)),
  );
  for (const sign of [1, -1] as const) {
    if (moved.every((v, k) => Math.abs(v - zero[k] - sign * count[k]) < 0.25)) return sign;
  }
  return null;
}

/** One factor for each channel (axis 1), if the factors do not differ within one. */
function perChannel(data: Float64Array, shape: readonly number[], inverse: boolean): Float64Array | null {
  const [, channels, ...space] = shape;
  const inner = sizeOf(space);
  const factors = Float64Array.from({ length: channels }, (_, c) => data[c * inner]);
  // With a batch, every sample must have the same factors.
  for (let i = 0; i < data.length; i++) if (data[i] !== factors[Math.floor(i / inner) % channels]) return null;
  return inverse ? factors.map((v) => 1 / v) : factors;
}

function scaled(part: Part, factors: Float64Array | -1): Part {
  const factor = (channel: number) => (factors === -1 ? -1 : factors[channel]);
  const times = ({ values, sums }: Entries, width: number) => ({
    values: values.map((v, k) => v * factor(Math.floor(k / width))),
    sums: sums.map((v, k) => v * Math.abs(factor(Math.floor(k / width)))),
  });
  if (part.kind === "factors") return { kind: "factors", ...times(part, 1) };
  const at = new Map([...part.at].map(([key, tap]) => [key, { ...tap, ...times(tap, part.inChannels) }]));
  return { ...part, at };
}

function tapsOf(conv: Convolution, before: Factors): Taps {
  const { kernel, outChannels, inChannels, groups, strides, kernelShape, dilations, pads } = conv;
  const count = sizeOf(kernelShape);
  const at = new Map<string, Entries & { readonly offset: readonly number[] }>();
  for (let t = 0; t < count; t++) {
    const place = kernelShape.length === 1 ? [t] : [Math.floor(t / kernelShape[1]), t % kernelShape[1]];
    const offset = place.map((p, axis) => dilations[axis] * p - pads[axis]);
    const entry = (factors: Float64Array) =>
      Float64Array.from({ length: outChannels * inChannels }, (_, k) => {
        const group = Math.floor(k / inChannels / (outChannels / groups));
        return kernel[k * count + t] * factors[group * inChannels + (k % inChannels)];
      });
    at.set(offset.join(), { offset, values: entry(before.values), sums: entry(before.sums).map(Math.abs) });
  }
  return { kind: "taps", outChannels, inChannels, groups, strides, at };
}

function added(a: Part, b: Part): Part | null {
  if (a.kind === "factors") {
    if (b.kind === "factors") return { kind: "factors", ...sumOf(a, b) };
    const own = identityLike(b, a);
    return own && added(own, b);
  }
  if (b.kind === "factors") return added(b, a);
  const same = (["outChannels", "inChannels", "groups"] as const).every((name) => a[name] === b[name]);
  if (!same || a.strides.join() !== b.strides.join()) return null;
  const at = new Map(a.at);
  for (const [key, tap] of b.at) {
    const other = at.get(key);
    at.set(key, other ? { offset: tap.offset, ...sumOf(other, tap) } : tap);
  }
  return { ...a, at };
}

const sumOf = (a: Entries, b: Entries): Entries => ({
  values: a.values.map((v, k) => v + b.values[k]),
  sums: a.sums.map((v, k) => v + b.sums[k]),
});

/** Factors as a kernel of one tap, beside another of stride 1. */
function identityLike({ outChannels, inChannels, groups, strides }: Taps, { values, sums }: Factors): Taps | null {
  if (strides.some((s) => s !== 1) || outChannels !== values.length || inChannels * groups !== outChannels) return null;
  const spread = (factors: Float64Array) => {
    const data = new Float64Array(outChannels * inChannels);
    factors.forEach((v, c) => {
      data[c * inChannels + (c % inChannels)] = v;
    });
    return data;
  };
  const offset = strides.map(() => 0);
  const at = new Map([[offset.join(), { offset, values: spread(values), sums: spread(sums) }]]);
  return { kind: "taps", outChannels, inChannels, groups, strides, at };
}

/** The kernel over the box of all offsets. Its outputs may be more than the region's, which a bound from above allows. */
function convolution(part: Taps, source: Node, output: Node, what: "values" | "sums"): Convolution | null {
  const { outChannels, inChannels, groups, strides, at } = part;
  const input = source.shape.slice(2);
  const out = output.shape.slice(2);
  const taps = [...at.values()];
  const low = input.map((_, axis) => Math.min(0, ...taps.map((tap) => tap.offset[axis])));
  const high = input.map((_, axis) => Math.max(0, ...taps.map((tap) => tap.offset[axis])));
  const kernelShape = low.map((l, axis) => high[axis] - l + 1);
  const count = sizeOf(kernelShape);
  if (count > 1024) return null;
  const kernel = new Float64Array(outChannels * inChannels * count);
  for (const tap of taps) {
    const place = tap.offset.reduce((p, o, axis) => p * kernelShape[axis] + o - low[axis], 0);
    tap[what].forEach((v, k) => {
      kernel[k * count + place] += v;
    });
  }
  const ends = input.map((size, axis) =>
    Math.max(0, strides[axis] * (out[axis] - 1) + kernelShape[axis] - size + low[axis]),
  );
  const pads = [...low.map((l) => -l), ...ends];
  return {
    kernel,
    outChannels,
    inChannels,
    kernelShape,
    strides,
    dilations: strides.map(() => 1),
    pads,
    groups,
    input,
  };
}
