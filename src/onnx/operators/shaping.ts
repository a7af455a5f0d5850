/** @file ONNX operators that move numbers: shapes, axes, slices, pads, tiles. What was an attribute became an input, at an opset of its own for each. */
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { add, sub } from "../../ops/arith.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { gather } from "../../ops/index.ts";
import * as move from "../../ops/movement.ts";
import { ReadError } from "../../tensor/errors.ts";
import { broadcastShapes, checkAxis, sizeOf } from "../../tensor/shape.ts";
import { full, tensor, toFloat64 } from "../../tensor/tensor.ts";
import { type Operator, Refusal } from "../call.ts";
import { argument } from "./argument.ts";

/** A 0 keeps the dimension (unless `allowzero`), a -1 takes what is left. */
export const Reshape: Operator = (c) => {
  const x = c.input(0);
  const literal = c.attributes.int("allowzero", 0) !== 0;
  const target = c.numbers(1);
  if (!target) throw new ReadError("its target shape is missing");
  return [
    move.reshape(
      x,
      target.map((d, i) => (d === 0 && !literal ? (x.shape[i] ?? 0) : d)),
    ),
  ];
};

export const Flatten: Operator = (c) => {
  const x = c.input(0);
  const axis = c.attributes.int("axis", 1);
  if (axis < -x.shape.length || axis > x.shape.length) throw new ReadError(`axis ${axis} is outside its input`);
  return [move.flatten(x, axis)];
};

export const Squeeze: Operator = (c) => [move.squeeze(c.input(0), argument(c, "axes", 1, 13) ?? undefined)];

export const Unsqueeze: Operator = (c) => {
  const axes = argument(c, "axes", 1, 13);
  if (!axes) throw new ReadError("its axes are missing");
  return [move.unsqueeze(c.input(0), axes)];
};

export const Transpose: Operator = (c) => {
  const x = c.input(0);
  return [move.transpose(x, c.attributes.ints("perm") ?? x.shape.map((_, i) => x.shape.length - 1 - i))];
};

export const Concat: Operator = (c) => {
  if (!c.attributes.has("axis")) throw new ReadError("its axis is missing");
  return [move.concat(c.inputs(), c.attributes.int("axis", 0))];
};

/** Starts and ends may count from the end and may lie outside: they are drawn in. */
export const Slice: Operator = (c) => {
  const x = c.input(0);
  const starts = argument(c, "starts", 1, 10);
  const ends = argument(c, "ends", 2, 10);
  if (!starts || !ends || starts.length !== ends.length) throw new ReadError("its starts and ends do not fit");
  const axes = (argument(c, "axes", 3, 10) ?? starts.map((_, k) => k)).map((a) =>
    checkAxis("Slice", a, x.shape.length),
  );
  const steps = c.opset >= 10 ? c.numbers(4) : null;
  const from = x.shape.map(() => 0);
  const size = [...x.shape];
  const by = x.shape.map(() => 1);
  axes.forEach((axis, k) => {
    const d = x.shape[axis];
    const step = steps?.[k] ?? 1;
    if (step === 0) throw new ReadError("a step is 0");
    const within = (v: number) => (v < 0 ? v + d : v);
    const [low, high] = step > 0 ? [0, d] : [-1, d - 1];
    const start = Math.min(Math.max(within(starts[k]), step > 0 ? 0 : Math.min(0, high)), high);
    const end = Math.min(Math.max(within(ends[k]), low), high);
    from[axis] = start;
    size[axis] = Math.max(0, Math.ceil((end - start) / step));
    by[axis] = step;
  });
  return [move.slice(x, from, size, by)];
};

export const Split: Operator = (c) => {
  const x = c.input(0);
  const axis = checkAxis("Split", c.attributes.int("axis", 0), x.shape.length);
  const parts = c.opset >= 18 ? c.attributes.int("num_outputs", c.outputs) : c.outputs;
  if (parts !== c.outputs) throw new ReadError(`num_outputs is ${parts}, it names ${c.outputs}`);
  const each = Math.ceil(x.shape[axis] / parts);
  const equal = Array.from({ length: parts }, (_, i) => Math.max(0, Math.min(each, x.shape[axis] - i * each)));
  return move.split(x, axis, argument(c, "split", 1, 13) ?? equal);
};

export const Expand: Operator = (c) => {
  const x = c.input(0);
  const target = c.numbers(1);
  if (!target) throw new ReadError("its target shape is missing");
  return [broadcastTo(x, broadcastShapes("Expand", x.shape, target))];
};

export const Tile: Operator = (c) => {
  const x = c.input(0);
  const repeats = c.numbers(1);
  if (repeats?.length !== x.shape.length) throw new ReadError("it needs one number of repeats for each axis");
  const apart = move.reshape(
    x,
    x.shape.flatMap((d) => [1, d]),
  );
  const tiled = broadcastTo(
    apart,
    x.shape.flatMap((d, i) => [repeats[i], d]),
  );
  return [
    move.reshape(
      tiled,
      x.shape.map((d, i) => repeats[i] * d),
    ),
  ];
};

/** Constant, edge, reflect and wrap; a negative pad cuts. */
export const Pad: Operator = (c) => {
  const x = c.input(0);
  const rank = x.shape.length;
  const given = argument(c, "pads", 1, 11);
  const axes = (c.opset >= 18 ? c.numbers(3) : null)?.map((a) => checkAxis("Pad", a, rank)) ?? x.shape.map((_, i) => i);
  if (given?.length !== 2 * axes.length) throw new ReadError("it needs two pads for each axis");
  const before = x.shape.map(() => 0);
  const after = x.shape.map(() => 0);
  axes.forEach((axis, k) => {
    before[axis] = given[k];
    after[axis] = given[axes.length + k];
  });
  const cut = x.shape.map((d, i) => d + Math.min(0, before[i]) + Math.min(0, after[i]));
  const kept = move.slice(
    x,
    before.map((p) => Math.max(0, -p)),
    cut,
  );
  const most = (pads: readonly number[]) => pads.map((p) => Math.max(0, p));
  const mode = c.attributes.string("mode", "constant");
  if (mode !== "constant") return [mirror(kept, most(before), most(after), mode)];
  const known = c.opset >= 11 ? c.known(2) : null;
  const value = known ? (toFloat64(known)[0] ?? 0) : c.attributes.float("value", 0);
  return [filled(kept, most(before), most(after), value)];
};

export const DepthToSpace: Operator = (c) => {
  const x = c.input(0);
  const b = c.attributes.int("blocksize", 1);
  const [n, depth, h, w] = images(x);
  const out = depth / (b * b);
  const columnFirst = c.attributes.string("mode", "DCR") === "DCR";
  const apart = columnFirst ? [n, b, b, out, h, w] : [n, out, b, b, h, w];
  const order = columnFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
  return [move.reshape(move.transpose(move.reshape(x, apart), order), [n, out, h * b, w * b])];
};

export const SpaceToDepth: Operator = (c) => {
  const x = c.input(0);
  const b = c.attributes.int("blocksize", 1);
  const [n, depth, h, w] = images(x);
  const apart = move.reshape(x, [n, depth, h / b, b, w / b, b]);
  return [move.reshape(move.transpose(apart, [0, 3, 5, 1, 2, 4]), [n, depth * b * b, h / b, w / b])];
};

// --- internal ---

function images(x: Node): readonly number[] {
  if (x.shape.length !== 4) throw new ReadError("its input must be [batch, channels, height, width]");
  return x.shape;
}

/** Zeros around x, plus a frame of `value` around zeros: no number of x is rounded. */
function filled(x: Node, before: readonly number[], after: readonly number[], value: number): Node {
  const padded = move.pad(x, before, after);
  if (value === 0 || padded === x) return padded;
  if (!Number.isFinite(value)) throw new Refusal(`a pad with ${value} is not read`);
  // An axis without pads is stretched, not stored.
  const flat = (n: number, i: number) => (before[i] + after[i] === 0 ? 1 : n);
  const outer = padded.shape.map(flat);
  if (sizeOf(outer) > frameAtMost) throw new Refusal("a pad with a number other than 0 is not read at this size");
  const inside = move.pad(constant(full(x.shape.map(flat), value, x.dtype)), before, after);
  return add(padded, sub(broadcastTo(constant(value, x.dtype), outer), inside));
}

const frameAtMost = 2 ** 20;

/** Numbers of x itself around it: which ones, the mode says. */
function mirror(x: Node, before: readonly number[], after: readonly number[], mode: string): Node {
  return x.shape.reduce((y, d, axis) => {
    const size = before[axis] + d + after[axis];
    if (size === d) return y;
    if (d === 0) throw new ReadError(`an axis of length 0 cannot be padded by ${mode}`);
    // Beyond that the standard is silent, and ONNX Runtime reads what is not there.
    const most = mode === "reflect" ? d - 1 : mode === "wrap" ? d : size;
    if (Math.max(before[axis], after[axis]) > most)
      throw new Refusal(`a pad by ${mode} of more than ${most} is not read on an axis of length ${d}`);
    if (size > frameAtMost) throw new Refusal(`a pad to ${size} is not read`);
    const indices = Array.from({ length: size }, (_, i) => from[mode as keyof typeof from](i - before[axis], d));
    return gather(y, constant(tensor(indices, [size], "int64")), axis);
  }, x);
}

/** Which element stands at place i of an axis of length d, where i may lie outside. */
const from = {
  edge: (i: number, d: number) => Math.min(Math.max(i, 0), d - 1),
  wrap: (i: number, d: number) => ((i % d) + d) % d,
  reflect(i: number, d: number) {
    if (d === 1) return 0;
    const period = 2 * (d - 1);
    const at = ((i % period) + period) % period;
    return at < d ? at : period - at;
  },
} as const;
