/** @file Operators of arithmetic: sums, products with constants, and the larger or smaller of tensors. */

import { type Sparse, sparse } from "../algebra/sparse.ts";
import { type Arguments, check, isVarying, joined, type Made, type Operators } from "./arguments.ts";
import type { Constant } from "./constant.ts";
import { gated } from "./gates.ts";
import type { Attribute } from "./onnx.ts";
import { broadcastNumbers, broadcastShape } from "./places.ts";
import { gates } from "./pointwise.ts";
import { wholes } from "./shapes.ts";
import { extreme } from "./sorting.ts";
import { count, linear, type Step, type Varying } from "./step.ts";

export const arithmetic: Operators = {
  Constant: {
    attributes: ["value", "value_float", "value_floats", "value_int", "value_ints"],
    inputs: [0, 0],
    read(a) {
      check(a, a.node.attributes.size === 1, "it must have one value");
      const [[key, value]] = [...a.node.attributes];
      const type = key.startsWith("value_int") ? "int" : "float";
      if (typeof value === "number") return { type, shape: [], data: Float64Array.of(value) };
      if (isList(value)) return { type, shape: [value.length], data: Float64Array.from(value) };
      check(a, typeof value === "object" && "data" in value, "it must hold numbers");
      return value;
    },
  },
  Add: { attributes: [], inputs: [2, 2], read: (a) => wholes(a, (x, y) => x + y) ?? sum(a, [1, 1]) },
  Sub: { attributes: [], inputs: [2, 2], read: (a) => wholes(a, (x, y) => x - y) ?? sum(a, [1, -1]) },
  Gelu: {
    attributes: ["approximate"],
    inputs: [1, 1],
    read(a) {
      const x = a.varying(0);
      const how = a.word("approximate", "none");
      check(a, how === "none" || how === "tanh", `approximate must be none or tanh, got ${how}`);
      const scalar = how === "tanh" ? gates.tanhGelu : gates.gelu(Math.SQRT1_2, 0.5);
      return { kind: "pointwise", tensor: a.out, shape: x.shape, from: x.tensor, scalar };
    },
  },
  Neg: {
    attributes: [],
    inputs: [1, 1],
    read: (a) => scaled(a, a.varying(0), { type: "float", shape: [], data: Float64Array.of(-1) }, 0),
  },
  Mul: {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const whole = wholes(a, (x, y) => x * y);
      if (whole) return whole;
      if (isVarying(a.operands[0]) && isVarying(a.operands[1])) return gated(a, a.varying(0), a.varying(1));
      const [x, c] = isVarying(a.operands[0]) ? [a.varying(0), a.constant(1)] : [a.varying(1), a.constant(0)];
      return scaled(a, x, c, 0);
    },
  },
  Div: {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const whole = wholes(a, (x, y) => Math.trunc(x / y));
      if (whole) return whole;
      const x = a.varying(0);
      const c = a.constant(1);
      check(a, c.data.every(isModest), "what it divides by must not be near 0, or far from it");
      return scaled(a, x, { ...c, data: c.data.map((v) => 1 / v) }, 2);
    },
  },
  BatchNormalization: {
    attributes: ["epsilon", "momentum", "training_mode", "spatial"],
    inputs: [5, 5],
    read(a) {
      a.only("training_mode", 0);
      a.only("spatial", 1);
      const x = a.varying(0);
      const [scale, shift, mean, variance] = [1, 2, 3, 4].map((i) => a.constant(i).data);
      const channels = x.shape[1] ?? 0;
      const epsilon = a.number("epsilon", Math.fround(1e-5));
      check(
        a,
        [scale, shift, mean, variance].every((v) => v.length === channels),
        "it must have a number per channel",
      );
      const spreads = variance.map((v) => Math.sqrt(v + epsilon));
      check(a, spreads.every(isModest), "its variance must be positive, and not far from 1");
      const factor = scale.map((s, c) => s / spreads[c]);
      check(
        a,
        scale.every((s) => Math.abs(s) < 2 ** 32) && mean.every((m) => Math.abs(m) < 2 ** 64),
        "its scale or its mean is too large",
      );
      const inner = count(x.shape.slice(2));
      const size = count(x.shape);
      const channel = (i: number) => Math.floor(i / inner) % channels;
      const matrix = sparse(size, size, (i, put) => put(i, factor[channel(i)]), 6);
      const each = (f: (c: number) => number) => Float64Array.from({ length: size }, (_, i) => f(channel(i)));
      const bias = each((c) => shift[c] - mean[c] * factor[c]);
      const biasSize = each((c) => Math.abs(shift[c]) + Math.abs(mean[c] * factor[c]));
      return {
        kind: "affine",
        tensor: a.out,
        shape: x.shape,
        parts: [{ from: x.tensor, matrix }],
        bias,
        biasSize,
        roundings: 10,
      };
    },
  },
  Sum: {
    attributes: [],
    inputs: [1, 64],
    read: (a) =>
      sum(
        a,
        a.operands.map(() => 1),
      ),
  },
  Mean: {
    attributes: [],
    inputs: [1, 64],
    read: (a) =>
      sum(
        a,
        a.operands.map(() => 1),
        1 / a.operands.length,
      ),
  },
  Max: { attributes: [], inputs: [1, 64], read: (a) => extreme(a, "Max") },
  Min: { attributes: [], inputs: [1, 64], read: (a) => extreme(a, "Min") },
};

// --- internal ---

/** What a float32 runtime can divide by, or multiply with its reciprocal. */
const isModest = (v: number): boolean => Math.abs(v) >= 2 ** -32 && Math.abs(v) <= 2 ** 32;

const isList = (value: Attribute): value is readonly number[] => Array.isArray(value);

/** factors x, number by number. */
function scaled(a: Arguments, x: Varying, factors: Constant, roundings: number): Step {
  const shape = broadcastShape(a, x.shape, factors.shape);
  const [numbers, own] = [broadcastNumbers(a, x.shape, shape), broadcastNumbers(a, factors.shape, shape)];
  const put = (i: number, to: (column: number, value: number) => void) => to(numbers[i], factors.data[own[i]]);
  return linear(a.out, shape, x.tensor, sparse(numbers.length, count(x.shape), put, roundings));
}

/** weight (sum of signed operands), any of which may be constant, but not all. */
function sum(a: Arguments, signs: readonly number[], weight = 1): Made {
  const operands = a.operands.map((_, i) => a.any(i));
  check(a, operands.some(isVarying), "it must depend on the data");
  const shape = operands.reduce<readonly number[]>((s, { shape }) => broadcastShape(a, s, shape), []);
  const size = count(shape);
  const bias = new Float64Array(size);
  const biasSize = new Float64Array(size);
  const parts: { readonly from: string; readonly matrix: Sparse }[] = [];
  const rounded = weight === 1 ? 0 : 2;
  let constants = 0;
  for (const [k, operand] of operands.entries()) {
    const numbers = broadcastNumbers(a, operand.shape, shape);
    const factor = signs[k] * weight;
    if (isVarying(operand)) {
      const matrix = sparse(size, count(operand.shape), (i, put) => put(numbers[i], factor), rounded);
      parts.push({ from: operand.tensor, matrix });
    } else {
      const { data } = a.constant(k);
      for (let i = 0; i < size; i++) {
        bias[i] += factor * data[numbers[i]];
        biasSize[i] += Math.abs(factor * data[numbers[i]]);
      }
      constants++;
    }
  }
  const own = joined(parts);
  const before = Math.max(...own.map((p) => p.matrix.roundings));
  return {
    kind: "affine",
    tensor: a.out,
    shape,
    parts: own,
    bias,
    biasSize,
    // The sum of several constants is rounded here too.
    roundings: Math.max(before, rounded) + (constants > 1 ? 2 * constants : 0),
  };
}
