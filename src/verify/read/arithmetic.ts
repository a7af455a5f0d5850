/** @file Operators of arithmetic: matrices, sums, products with constants, and the larger or smaller of two tensors. */

import { type Sparse, sparse } from "../algebra/sparse.ts";
import { type Arguments, affine, check, isVarying, joined, type Made, type Operators } from "./arguments.ts";
import type { Constant } from "./constant.ts";
import { gated } from "./gates.ts";
import type { Attribute } from "./onnx.ts";
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
  Gemm: {
    attributes: ["alpha", "beta", "transA", "transB"],
    inputs: [2, 3],
    read(a) {
      a.only("transA", 0);
      const [x, W] = [a.varying(0), a.constant(1)];
      const turned = a.number("transB", 0);
      check(
        a,
        (turned === 0 || turned === 1) && W.shape.length === 2 && x.shape.length === 2 && x.shape[0] === 1,
        "it must be one row times a matrix",
      );
      const [k, n] = turned === 1 ? [W.shape[1], W.shape[0]] : W.shape;
      check(a, x.shape[1] === k, `the row must have ${k} numbers`);
      const [alpha, beta] = [a.number("alpha", 1), a.number("beta", 1)];
      const at = (i: number, j: number) => W.data[turned === 1 ? j * k + i : i * n + j];
      const matrix = sparse(
        n,
        k,
        (j, put) => {
          for (let i = 0; i < k; i++) put(i, alpha * at(i, j));
        },
        alpha === 1 ? 0 : 1,
      );
      check(a, isMild(alpha) && (isMild(beta) || beta === 0), "alpha and beta must be near 1");
      const C = a.has(2) ? a.constant(2) : null;
      const bias = (C ? spread(a, C, [1, n]) : new Float64Array(n)).map((b) => b * beta);
      return affine(a, [1, n], x.tensor, matrix, bias, beta === 1 ? 0 : 1);
    },
  },
  MatMul: {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const [x, W] = [a.varying(0), a.constant(1)];
      check(a, W.shape.length === 2 && x.shape.length >= 1, "its matrix must have two axes");
      const [k, n] = W.shape;
      const rows = count(x.shape.slice(0, -1));
      check(a, x.shape[x.shape.length - 1] === k, `a row must have ${k} numbers`);
      const matrix = sparse(rows * n, rows * k, (r, put) => {
        const row = Math.floor(r / n);
        for (let i = 0; i < k; i++) put(row * k + i, W.data[i * n + (r % n)]);
      });
      return linear(a.out, [...x.shape.slice(0, -1), n], x.tensor, matrix);
    },
  },
  Add: { attributes: [], inputs: [2, 2], read: (a) => wholes(a, (x, y) => x + y) ?? sum(a, 1) },
  Sub: { attributes: [], inputs: [2, 2], read: (a) => wholes(a, (x, y) => x - y) ?? sum(a, -1) },
  Gelu: {
    attributes: ["approximate"],
    inputs: [1, 1],
    read(a) {
      a.only("approximate", "none");
      const x = a.varying(0);
      const scalar = gates.gelu(Math.SQRT1_2, 0.5);
      return { kind: "pointwise", tensor: a.out, shape: x.shape, from: x.tensor, scalar };
    },
  },
  Neg: {
    attributes: [],
    inputs: [1, 1],
    read: (a) => diagonal(a, a.varying(0), new Float64Array(count(a.varying(0).shape)).fill(-1), 0),
  },
  Mul: {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const whole = wholes(a, (x, y) => x * y);
      if (whole) return whole;
      if (isVarying(a.operands[0]) && isVarying(a.operands[1])) return gated(a, a.varying(0), a.varying(1));
      const [x, c] = isVarying(a.operands[0]) ? [a.varying(0), a.constant(1)] : [a.varying(1), a.constant(0)];
      return diagonal(a, x, spread(a, c, x.shape), 0);
    },
  },
  Div: {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const whole = wholes(a, (x, y) => Math.trunc(x / y));
      if (whole) return whole;
      const x = a.varying(0);
      const factors = spread(a, a.constant(1), x.shape).map((c) => 1 / c);
      check(a, factors.every(isModest), "what it divides by must not be near 0, or far from it");
      return diagonal(a, x, factors, 2);
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
  Max: { attributes: [], inputs: [2, 2], read: (a) => extreme(a, "Max") },
  Min: { attributes: [], inputs: [2, 2], read: (a) => extreme(a, "Min") },
};

// --- internal ---

/** A factor in front of a sum, which does not change by much what can overflow or be lost. */
const isMild = (v: number): boolean => Math.abs(v) >= 2 ** -10 && Math.abs(v) <= 2 ** 10;

/** What a float32 runtime can divide by, or multiply with its reciprocal. */
const isModest = (v: number): boolean => Math.abs(v) >= 2 ** -32 && Math.abs(v) <= 2 ** 32;

const isList = (value: Attribute): value is readonly number[] => Array.isArray(value);

/** A constant as it is added to or multiplied with a tensor of a shape, which it must not widen. */
function spread(a: Arguments, { shape, data }: Constant, to: readonly number[]): Float64Array {
  const own = [...to.map(() => 1).slice(shape.length), ...shape];
  check(a, own.length === to.length && own.every((d, i) => d === 1 || d === to[i]), `[${shape}] must fit [${to}]`);
  return Float64Array.from({ length: count(to) }, (_, i) => {
    let rest = i;
    let from = 0;
    let stride = 1;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      if (own[axis] !== 1) from += (rest % to[axis]) * stride;
      rest = Math.floor(rest / to[axis]);
      stride *= own[axis];
    }
    return data[from];
  });
}

function diagonal(a: Arguments, x: Varying, factors: Float64Array, roundings: number): Step {
  return linear(
    a.out,
    x.shape,
    x.tensor,
    sparse(factors.length, factors.length, (i, put) => put(i, factors[i]), roundings),
  );
}

/** x + y or x - y; either may be constant. */
function sum(a: Arguments, sign: 1 | -1): Made {
  const operands = a.operands.map((operand, i) => ({
    operand: operand as Varying | Constant,
    sign: i === 0 ? 1 : sign,
  }));
  const shapes = operands.flatMap(({ operand }) => (isVarying(operand) ? [operand.shape] : []));
  check(a, shapes.length > 0, "it must depend on the data");
  const [shape] = shapes;
  check(
    a,
    shapes.every((s) => s.join() === shape.join()),
    "what varies must have one shape",
  );
  const size = count(shape);
  let bias = new Float64Array(size);
  const parts: { readonly from: string; readonly matrix: Sparse }[] = [];
  for (const { operand, sign: factor } of operands) {
    if (isVarying(operand))
      parts.push({ from: operand.tensor, matrix: sparse(size, size, (i, put) => put(i, factor)) });
    else bias = spread(a, operand, shape).map((b) => b * factor);
  }
  const own = joined(parts);
  return {
    kind: "affine",
    tensor: a.out,
    shape,
    parts: own,
    bias,
    biasSize: bias.map(Math.abs),
    roundings: Math.max(...own.map((p) => p.matrix.roundings)),
  };
}
