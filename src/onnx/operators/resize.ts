/** @file ONNX's Upsample and Resize: whatever the mode, each axis is mapped by a fixed matrix, one after the other. */
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { gather, matmul } from "../../ops/index.ts";
import { reshape, transpose } from "../../ops/movement.ts";
import { ReadError } from "../../tensor/errors.ts";
import { checkAxis } from "../../tensor/shape.ts";
import { cast, tensor } from "../../tensor/tensor.ts";
import { type Call, type Operator, Refusal } from "../call.ts";
import { type Axis, type Sampling, scaledLength, type Taps, tapsOf } from "./sampling.ts";

export const Upsample: Operator = (c) => {
  const x = c.input(0);
  const scales = c.opset >= 9 ? c.numbers(1) : c.attributes.floats("scales");
  if (!scales) throw new ReadError("its scales are missing");
  return [resized(x, byScales(x, scales), oldSampling(c))];
};

/** Scales are an input of their own from opset 11; sizes may stand in their place. From 18 on both may be for some axes only. */
export const Resize: Operator = (c) => {
  const { attributes: a } = c;
  const x = c.input(0);
  if (c.opset < 11) {
    const scales = c.numbers(1);
    if (!scales) throw new ReadError("its scales are missing");
    return [resized(x, byScales(x, scales), oldSampling(c))];
  }
  a.ignore("extrapolation_value"); // of tf_crop_and_resize alone
  const given = known(c, 2);
  const sizes = known(c, 3);
  if (given && sizes) throw new ReadError("it must have scales or sizes, not both");
  const axes = (c.opset >= 18 ? a.ints("axes") : null)?.map((axis) => checkAxis("Resize", axis, x.shape.length));
  const spread = (values: readonly number[], otherwise: readonly number[]) => {
    if (!axes) return values;
    if (values.length !== axes.length) throw new ReadError("it needs a number for each of its axes");
    const all = [...otherwise];
    axes.forEach((axis, k) => {
      all[axis] = values[k];
    });
    return all;
  };
  const ones = x.shape.map(() => 1);
  const found = given
    ? byScales(x, spread(given, ones))
    : bySizes(c, x, sizes && spread(sizes, x.shape), axes ?? ones.map((_, i) => i));
  const sampling: Sampling = {
    mode: modeOf(c),
    transformation: a.string("coordinate_transformation_mode", "half_pixel"),
    rounding: a.string("nearest_mode", "round_prefer_floor"),
    cubic: a.float("cubic_coeff_a", -0.75),
    excludeOutside: a.int("exclude_outside", 0) !== 0,
    antialias: c.opset >= 18 && a.int("antialias", 0) !== 0,
  };
  return [resized(x, found, sampling)];
};

// --- internal ---

/** Before opset 11: no shift, and what was nearest was rounded up where the axis shrinks. */
const oldSampling = (c: Call): Sampling => ({
  mode: modeOf(c),
  transformation: "asymmetric",
  rounding: "simple",
  cubic: -0.75,
  excludeOutside: false,
  antialias: false,
});

function modeOf(c: Call): Sampling["mode"] {
  const mode = c.attributes.string("mode", "nearest");
  if (mode === "nearest" || mode === "linear" || mode === "cubic") return mode;
  throw new Refusal(`mode ${mode} is not read`);
}

/** An empty list stands for one that was left out. */
function known(c: Call, i: number): readonly number[] | null {
  const values = c.numbers(i);
  return values && values.length > 0 ? values : null;
}

function byScales(x: Node, scales: readonly number[]): Axis[] {
  if (scales.length !== x.shape.length || scales.some((s) => !(s > 0))) {
    throw new ReadError(`it needs a scale above 0 for each axis, got [${scales.join(",")}]`);
  }
  return x.shape.map((from, i) => ({ from, to: scaledLength(from, scales[i]), scale: Math.fround(scales[i]) }));
}

/** The ratio of the lengths as a float32; where it is to be kept, the smallest or the largest of them for all axes. */
function bySizes(c: Call, x: Node, sizes: readonly number[] | null, axes: readonly number[]): Axis[] {
  if (!sizes) throw new ReadError("its scales and its sizes are missing");
  if (sizes.length !== x.shape.length) throw new ReadError("it needs a size for each axis");
  const ratio = (i: number) => Math.fround(sizes[i] / x.shape[i]);
  const policy = c.opset >= 18 ? c.attributes.string("keep_aspect_ratio_policy", "stretch") : "stretch";
  if (policy === "stretch") return x.shape.map((from, i) => ({ from, to: sizes[i], scale: ratio(i) }));
  if (policy !== "not_larger" && policy !== "not_smaller") {
    throw new Refusal(`keep_aspect_ratio_policy ${policy} is not read`);
  }
  const choose = policy === "not_larger" ? Math.min : Math.max;
  if (c.attributes.ints("axes")?.some((axis) => axis < 0)) {
    throw new Refusal("axes from the end are not read where a ratio is kept: runtimes differ in them");
  }
  const scale = choose(...axes.map(ratio));
  return x.shape.map((from, i) => {
    if (!axes.includes(i)) return { from, to: from, scale: 1 };
    return { from, to: Math.floor(Math.fround(scale * from) + 0.5), scale };
  });
}

function resized(x: Node, axes: readonly Axis[], sampling: Sampling): Node {
  // Where no length changes ONNX Runtime copies, whatever the scales are.
  if (axes.every(({ from, to }) => from === to)) return x;
  return axes.reduce((y, axis, i) => {
    const { from, to, scale } = axis;
    if (to === from && scale === 1) return y;
    if (!(from > 0 && to > 0 && to <= sizeAtMost && from <= sizeAtMost))
      throw new Refusal(`a resize from ${from} to ${to} is not read`);
    const taps = tapsOf(axis, sampling);
    return taps.every((t) => t.length === 1 && t[0][1] === 1)
      ? choose(
          y,
          i,
          taps.map(([[place]]) => place),
        )
      : mixed(y, i, taps);
  }, x);
}

const sizeAtMost = 2 ** 16;
/** Numbers in the matrix of an axis. */
const matrixAtMost = 2 ** 22;

/** Each element repeated equally often is a broadcast, whose norm is known; anything else is a gather. */
function choose(x: Node, axis: number, indices: readonly number[]): Node {
  const d = x.shape[axis];
  const times = indices.length / d;
  const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  if (Number.isInteger(times) && indices.every((v, i) => v === Math.floor(i / times))) {
    const apart = reshape(x, [...before, d, 1, ...after]);
    return reshape(broadcastTo(apart, [...before, d, times, ...after]), [...before, indices.length, ...after]);
  }
  return gather(x, constant(tensor(indices, [indices.length], "int64")), axis);
}

/** The matrix of the taps on one axis, moved to the end for it. */
function mixed(x: Node, axis: number, taps: readonly Taps[]): Node {
  const d = x.shape[axis];
  if (d * taps.length > matrixAtMost) throw new Refusal(`a resize from ${d} to ${taps.length} is not read`);
  const matrix = new Float32Array(d * taps.length);
  taps.forEach((own, i) => {
    for (const [place, weight] of own) matrix[place * taps.length + i] = weight;
  });
  const M = constant(cast(tensor(matrix, [d, taps.length]), x.dtype));
  const order = x.shape.map((_, i) => i).filter((i) => i !== axis);
  const moved = [...order, axis];
  const back = moved.map((_, i) => moved.indexOf(i));
  return transpose(matmul(transpose(x, moved), M), back);
}
