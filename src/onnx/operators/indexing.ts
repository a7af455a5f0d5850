/** @file ONNX operators that make constants, read shapes, and choose by index: most of them compute shapes and are gone when the graph is built. */
import { constant } from "../../graph/leaf.ts";
import { mul, neg } from "../../ops/arith.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { argMax, gather } from "../../ops/index.ts";
import { unsqueeze } from "../../ops/movement.ts";
import { ReadError } from "../../tensor/errors.ts";
import { checkAxis, sizeOf } from "../../tensor/shape.ts";
import { isFloat, scalar, tensor, toFloat64 } from "../../tensor/tensor.ts";
import { type Call, type Operator, Refusal } from "../call.ts";

export const Constant: Operator = (c) => {
  const { attributes: a } = c;
  const value = a.tensor("value");
  if (value) return [c.constant(value)];
  const [floats, ints, int] = [a.floats("value_floats"), a.wholes("value_ints"), a.wholes("value_int")];
  if (floats) return [c.constant(tensor(floats))];
  if (ints) return [c.constant(tensor(BigInt64Array.from(ints), [ints.length], "int64"))];
  if (a.has("value_float")) return [c.constant(scalar(a.float("value_float", 0)))];
  if (int) return [c.constant(tensor(BigInt64Array.from(int), [], "int64"))];
  throw new Refusal("constants that are strings or sparse are not read");
};

export const ConstantOfShape: Operator = (c) => {
  const shape = c.numbers(0);
  if (!shape) throw new ReadError("its shape is missing");
  const value = c.attributes.tensor("value") ?? scalar(0);
  if (value.data.length !== 1) throw new ReadError("its value must be one number");
  return [broadcastTo(c.constant(tensor(value.data, [], value.dtype)), shape)];
};

/** From opset 15 a part of the shape, from `start` to `end`. */
export const Shape: Operator = (c) => {
  const { shape } = c.input(0);
  const part = shape.slice(c.attributes.int("start", 0), c.attributes.int("end", shape.length));
  return [constant(tensor(part, [part.length], "int64"))];
};

export const Size: Operator = (c) => [constant(scalar(sizeOf(c.input(0).shape), "int64"))];

export const Range: Operator = (c) => {
  const [start, limit, step] = [0, 1, 2].map((i) => c.numbers(i)?.[0] ?? Number.NaN);
  const size = Math.max(0, Math.ceil((limit - start) / step));
  if (!(size <= rangeAtMost)) throw new Refusal(`a range from ${start} to ${limit} by ${step} is not read`);
  const values = Array.from({ length: size }, (_, i) => start + i * step);
  return [constant(tensor(values, [size], c.input(0).dtype))];
};

const rangeAtMost = 2 ** 22;

/** Indices that are known are checked and counted from the start. */
export const Gather: Operator = (c) => {
  const x = c.input(0);
  const axis = checkAxis("Gather", c.attributes.int("axis", 0), x.shape.length);
  const indices = c.input(1);
  const known = c.value(1);
  if (!known) return [gather(x, indices, axis)];
  const d = x.shape[axis];
  const values = toFloat64(known).map((v) => (v < 0 ? v + d : v));
  const wrong = values.find((v) => v < 0 || v >= d);
  if (wrong !== undefined) throw new ReadError(`an index must be from -${d} to ${d - 1}, got ${wrong}`);
  return [gather(x, constant(tensor(values, known.shape, "int64")), axis)];
};

export const ArgMax: Operator = (c) => {
  const x = c.input(0);
  return positions(c, argMax(x, checkAxis("ArgMax", c.attributes.int("axis", 0), x.shape.length)));
};

export const ArgMin: Operator = (c) => {
  const x = c.input(0);
  return positions(c, argMax(neg(x), checkAxis("ArgMin", c.attributes.int("axis", 0), x.shape.length)));
};

/** The triangle above (or below) diagonal k; the rest is zero. */
export const Trilu: Operator = (c) => {
  const x = c.input(0);
  if (x.shape.length < 2 || !isFloat(x.dtype)) throw new Refusal("only matrices of floating-point numbers are read");
  const [rows, columns] = x.shape.slice(-2);
  const k = c.numbers(1)?.[0] ?? 0;
  const upper = c.attributes.int("upper", 1) !== 0;
  if (rows * columns > rangeAtMost) throw new Refusal(`a triangle of ${rows} by ${columns} is not read`);
  const mask = Float64Array.from({ length: rows * columns }, (_, i) => {
    const offset = (i % columns) - Math.floor(i / columns);
    return (upper ? offset >= k : offset <= k) ? 1 : 0;
  });
  return [mul(x, constant(tensor(mask, [rows, columns], x.dtype)))];
};

// --- internal ---

function positions(c: Call, found: ReturnType<typeof argMax>) {
  const axis = checkAxis("ArgMax", c.attributes.int("axis", 0), c.input(0).shape.length);
  return [c.attributes.int("keepdims", 1) !== 0 ? unsqueeze(found, [axis]) : found];
}
