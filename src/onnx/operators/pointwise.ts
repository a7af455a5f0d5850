/** @file ONNX operators that act element by element on one input. */
import type { Node } from "../../graph/graph.ts";
import { constant } from "../../graph/leaf.ts";
import { add, cast, div, greater, log, maximum, minimum, mul, neg, not, sub, where } from "../../ops/arith.ts";
import { broadcastTo } from "../../ops/broadcast.ts";
import { reshape } from "../../ops/movement.ts";
import * as pointwise from "../../ops/pointwise.ts";
import { roundTo } from "../../ops/rounding.ts";
import { ReadError } from "../../tensor/errors.ts";
import { isFloat, toFloat64 } from "../../tensor/tensor.ts";
import { type Call, type Operator, Refusal } from "../call.ts";
import { TensorProto_DataType as T } from "../proto.ts";
import { dtypeOf } from "../tensors.ts";
import { halfOf, isSmallInteger } from "../types.ts";
import { converted as convertedTensor } from "../whole.ts";

const unary =
  (f: (x: Node) => Node): Operator =>
  (c) => [f(c.input(0))];

export const Abs = unary(pointwise.abs);
export const Cos = unary(pointwise.cos);
export const Erf = unary(pointwise.erf);
export const Exp = unary(pointwise.exp);
export const Floor = unary(pointwise.floor);
export const HardSwish = unary(pointwise.hardSwish);
export const Identity = unary((x) => x);
export const Log = unary(log);
export const Neg = unary(neg);
export const Not = unary(not);
export const Relu = unary(pointwise.relu);
export const Sigmoid = unary(pointwise.sigmoid);
export const Sign = unary(pointwise.sign);
export const Sin = unary(pointwise.sin);
export const Softplus = unary(pointwise.softplus);
export const Sqrt = unary(pointwise.sqrt);
export const Tanh = unary(pointwise.tanh);

export const Ceil = unary((x) => neg(pointwise.floor(neg(x))));
export const Reciprocal = unary((x) => div(1, x));
export const Mish = unary((x) => mul(x, pointwise.tanh(pointwise.softplus(x))));
export const Softsign = unary(pointwise.softsign);

export const LeakyRelu: Operator = (c) => [pointwise.leakyRelu(c.input(0), c.attributes.float("alpha", 0.01))];
export const Elu: Operator = (c) => [pointwise.elu(c.input(0), c.attributes.float("alpha", 1))];

export const Selu: Operator = (c) => {
  const alpha = c.attributes.float("alpha", 1.6732631921768188);
  return [mul(pointwise.elu(c.input(0), alpha), c.attributes.float("gamma", 1.0507010221481323))];
};

/** max(0, x) + min(0, a (e^(x/a) - 1)), which is a elu(x / a) where a > 0, and grows like an exponential where a < 0. */
export const Celu: Operator = (c) => {
  const x = c.input(0);
  const alpha = c.attributes.float("alpha", 1);
  if (alpha === 0) throw new Refusal("an alpha of 0 is divided by");
  const scaled = div(x, alpha);
  if (alpha > 0) return [mul(pointwise.elu(scaled, 1), alpha)];
  return [add(maximum(x, 0), minimum(mul(sub(pointwise.exp(scaled), 1), alpha), 0))];
};

export const HardSigmoid: Operator = (c) => [
  pointwise.hardSigmoid(c.input(0), c.attributes.float("alpha", 0.2), c.attributes.float("beta", 0.5)),
];

export const Gelu: Operator = (c) => [
  pointwise.gelu(c.input(0), c.attributes.string("approximate", "none") === "tanh" ? "tanh" : "none"),
];

/** x sigmoid(alpha x). */
export const Swish: Operator = (c) => {
  const x = c.input(0);
  return [mul(x, pointwise.sigmoid(mul(x, c.attributes.float("alpha", 1))))];
};

export const ThresholdedRelu: Operator = (c) => {
  const x = c.input(0);
  return [where(greater(x, c.attributes.float("alpha", 1)), x, 0)];
};

/** A slope for each channel or element: max(x, 0) + slope min(x, 0). Before opset 7 a vector of slopes belongs to axis 1. */
export const PRelu: Operator = (c) => {
  const x = c.input(0);
  let slope = c.input(1);
  if (c.opset < 7 && slope.shape.length === 1 && slope.shape[0] !== 1 && x.shape.length > 1) {
    slope = reshape(slope, [slope.shape[0], ...x.shape.slice(2).map(() => 1)]);
  }
  return [add(maximum(x, 0), mul(slope, minimum(x, 0)))];
};

/** Bounds are attributes before opset 11, inputs from there on; either may be left out. */
export const Clip: Operator = (c) => {
  const x = c.input(0);
  const old = c.opset < 11;
  const low = old ? c.attributes.bound("min", -3.4028234663852886e38) : bound(c, 1, Number.NEGATIVE_INFINITY);
  const high = old ? c.attributes.bound("max", 3.4028234663852886e38) : bound(c, 2, Number.POSITIVE_INFINITY);
  if (isFloat(x.dtype) && typeof low === "number" && typeof high === "number") return [clipBetween(x, low, high)];
  const above = low === Number.NEGATIVE_INFINITY ? x : maximum(x, low);
  return [high === Number.POSITIVE_INFINITY ? above : minimum(above, high)];
};

/**
 * Half types are held as float32, small integers as int32; every floating-point type is the one of this build. What varies and is rounded
 * to a half type is a step function; that a float64 becomes a float32 counts as the rounding of float32 arithmetic, as everywhere.
 */
export const Cast: Operator = (c) => {
  c.attributes.ignore("saturate", "round_mode");
  return [converted(c, c.attributes.int("to", 0))];
};

export const CastLike: Operator = (c) => {
  c.attributes.ignore("saturate", "round_mode");
  return [converted(c, c.types[1])];
};

/** A network is read for inference: nothing is dropped. Where the model says that it drops even then, its output would be random. */
export const Dropout: Operator = (c) => {
  c.attributes.ignore("seed");
  const x = c.input(0);
  const old = c.opset < 12;
  const ratio = old ? c.attributes.float("ratio", 0.5) : (c.numbers(1)?.[0] ?? 0.5);
  const trains = old ? c.opset < 7 && c.attributes.int("is_test", 0) === 0 : (c.numbers(2)?.[0] ?? 0) !== 0;
  if (trains && ratio !== 0) {
    throw new Refusal("it is in training mode, so that its output is random; export the model for inference");
  }
  const kept = c.opset < 10 ? constant(1, x.dtype) : constant(1, "bool");
  return [x, broadcastTo(kept, x.shape)];
};

// --- internal ---

function converted(c: Call, type: number): Node {
  const x = c.input(0);
  const to = dtypeOf(type);
  if (!to) throw new Refusal(`casts to ONNX element type ${type} are not read`);
  const known = c.value(0);
  // A constant is rounded to its type, or refused, when it is named.
  if (known) return isFloat(to) && isFloat(x.dtype) ? cast(x, c.dtype) : c.constant(convertedTensor(known, to));
  const [from, half] = [c.types[0], halfOf(type)];
  if (half && halfOf(from) !== half && isFloat(x.dtype)) return roundTo(cast(x, c.dtype), half);
  if (isSmallInteger(type) && type !== from)
    throw new Refusal("casts to integers of fewer than 32 bits, or without a sign, are not read: they wrap");
  return cast(x, isFloat(to) ? c.dtype : to);
}

function clipBetween(x: Node, low: number, high: number): Node {
  const least = low > -3.4028234663852886e38;
  const most = high < 3.4028234663852886e38;
  if (least && most) {
    // ONNX lets the upper bound win where they cross.
    return low <= high ? pointwise.clip(x, low, high) : broadcastTo(constant(high, x.dtype), x.shape);
  }
  return least ? maximum(x, low) : most ? minimum(x, high) : x;
}

/** A number if the bound is known, a node if it is computed. */
function bound(c: Call, i: number, none: number): Node | number {
  const node = c.optional(i);
  if (!node) return none;
  const [own, other] = [c.types[0], c.types[i]];
  if (own !== other)
    throw new ReadError(`input ${i} must be of the type of what is clipped, ${T[own]}, got ${T[other]}`);
  if (node.shape.some((d) => d !== 1)) throw new ReadError(`input ${i} must be one number`);
  const value = c.value(i);
  if (!value) return reshape(node, []);
  const [limit] = toFloat64(value);
  if (Number.isNaN(limit)) throw new ReadError(`input ${i} is not a number`);
  return limit;
}
