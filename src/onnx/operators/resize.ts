/** @file ONNX's Upsample and Resize by the nearest element: every axis is a choice by fixed indices, whatever the scale. */
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { gather } from "../../ops/index.ts";
import { reshape } from "../../ops/movement.ts";
import { ReadError } from "../../tensor/errors.ts";
import { checkAxis } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import { type Call, type Operator, Refusal } from "../call.ts";

export const Upsample: Operator = (c) => {
  const x = c.input(0);
  const scales = c.opset >= 9 ? c.numbers(1) : c.attributes.floats("scales");
  if (!scales) throw new ReadError("its scales are missing");
  c.attributes.ignore("mode"); // nearest, as the only one that is let through
  return [nearest(x, checkScales(x, scales), sizesBy(x, scales), "asymmetric", "floor")];
};

/** Scales are an input of their own from opset 11; sizes may stand in their place. From 18 on both may be for some axes only. */
export const Resize: Operator = (c) => {
  const { attributes: a } = c;
  a.ignore("mode", "cubic_coeff_a", "exclude_outside", "extrapolation_value", "antialias");
  const x = c.input(0);
  if (c.opset < 11) {
    const scales = c.numbers(1);
    if (!scales) throw new ReadError("its scales are missing");
    return [nearest(x, checkScales(x, scales), sizesBy(x, scales), "asymmetric", "floor")];
  }
  const given = known(c, 2);
  const sizes = known(c, 3);
  const axes = c.opset >= 18 ? a.ints("axes") : null;
  const spread = (values: readonly number[], otherwise: readonly number[]) => {
    if (!axes) return values;
    const all = [...otherwise];
    axes.forEach((axis, k) => {
      all[checkAxis("Resize", axis, x.shape.length)] = values[k];
    });
    return all;
  };
  const transformation = a.string("coordinate_transformation_mode", "half_pixel");
  const rounding = a.string("nearest_mode", "round_prefer_floor");
  if (c.opset >= 18 && a.string("keep_aspect_ratio_policy", "stretch") !== "stretch") {
    throw new Refusal("only keep_aspect_ratio_policy stretch is read");
  }
  if (given) {
    const scales = checkScales(
      x,
      spread(
        given,
        x.shape.map(() => 1),
      ),
    );
    return [nearest(x, scales, sizesBy(x, scales), transformation, rounding)];
  }
  if (!sizes) throw new ReadError("its scales and its sizes are missing");
  const all = spread(sizes, x.shape);
  if (all.length !== x.shape.length) throw new ReadError("it needs a size for each axis");
  return [
    nearest(
      x,
      all.map((n, i) => n / x.shape[i]),
      all,
      transformation,
      rounding,
    ),
  ];
};

// --- internal ---

/** An empty list stands for one that was left out. */
function known(c: Call, i: number): readonly number[] | null {
  const values = c.numbers(i);
  return values && values.length > 0 ? values : null;
}

function checkScales(x: Node, scales: readonly number[]): readonly number[] {
  if (scales.length !== x.shape.length || scales.some((s) => !(s > 0))) {
    throw new ReadError(`it needs a scale above 0 for each axis, got [${scales.join(",")}]`);
  }
  return scales;
}

const sizesBy = (x: Node, scales: readonly number[]) => x.shape.map((d, i) => Math.floor(d * scales[i]));

function nearest(
  x: Node,
  scales: readonly number[],
  sizes: readonly number[],
  transformation: string,
  rounding: string,
): Node {
  return sizes.reduce((y, size, axis) => {
    const d = x.shape[axis];
    if (size === d && scales[axis] === 1) return y;
    if (d === 0 || !(size <= sizeAtMost)) throw new Refusal(`a resize from ${d} to ${size} is not read`);
    const indices = Array.from({ length: size }, (_, i) => {
      const at = sources[transformation](i, scales[axis], d, size);
      return Math.min(Math.max(roundings[rounding](at), 0), d - 1);
    });
    return choose(y, axis, indices);
  }, x);
}

const sizeAtMost = 2 ** 16;

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

/** Where element i of the result lies in the input, as a real number. */
const sources: Readonly<Record<string, (i: number, scale: number, from: number, to: number) => number>> = {
  half_pixel: (i, scale) => (i + 0.5) / scale - 0.5,
  half_pixel_symmetric: (i, scale, from, to) => {
    const adjustment = to / (scale * from);
    return (from / 2) * (1 - adjustment) + (i + 0.5) / scale - 0.5;
  },
  pytorch_half_pixel: (i, scale, _, to) => (to > 1 ? (i + 0.5) / scale - 0.5 : 0),
  align_corners: (i, _, from, to) => (to > 1 ? (i * (from - 1)) / (to - 1) : 0),
  asymmetric: (i, scale) => i / scale,
};

const roundings: Readonly<Record<string, (v: number) => number>> = {
  round_prefer_floor: (v) => Math.ceil(v - 0.5),
  round_prefer_ceil: (v) => Math.floor(v + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};
