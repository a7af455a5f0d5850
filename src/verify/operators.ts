/** @file The operators that a certificate may speak of: each as a matrix, a function of one number, or a choice of the largest. Every attribute has to be known and have a value that is. */
import type { Attribute, Constant, OnnxNode } from "./onnx.ts";
import { type Scalar, scalars } from "./pointwise.ts";
import { must } from "./refusal.ts";
import { identity, plus, type Sparse, selection, sparse } from "./sparse.ts";
import { convolutionMatrix, geometry, meanMatrix, windowsOf } from "./windows.ts";

export interface Varying {
  readonly tensor: string;
  readonly shape: readonly number[];
}

/** What a node reads: nothing where the input is left out. */
export type Operand = Varying | Constant | undefined;

/** sum over parts of matrix x + bias. */
export interface Affine {
  readonly kind: "affine";
  readonly parts: readonly { readonly from: string; readonly matrix: Sparse }[];
  readonly bias: Float64Array;
  /** Not below what the bias was computed from; it errs by gamma of the roundings of the parts, at most. */
  readonly biasSize: Float64Array;
  readonly roundings: number;
}

export interface Pointwise {
  readonly kind: "pointwise";
  readonly from: string;
  readonly scalar: Scalar;
}

/** Result i is the largest of members[start[i]] .. members[start[i + 1] - 1]. */
export interface Largest {
  readonly kind: "largest";
  readonly from: string;
  readonly start: Int32Array;
  readonly members: Int32Array;
  /** The most windows that a number is in. */
  readonly most: number;
}

export type Step = (Affine | Pointwise | Largest) & Varying;

/** What a node makes of its operands: a step, a constant, or one of its operands as it is. */
export type Made = Step | Constant | Varying;

export interface Reading {
  readonly node: OnnxNode;
  readonly operands: readonly Operand[];
  readonly opset: number;
}

/** Read a node; a Refusal where it is not known in every detail. */
export function readNode(reading: Reading): Made {
  const { node, operands, opset } = reading;
  const known = operators[node.operator];
  must(known !== undefined, () => `${naming(node)}: the operator is not known`);
  for (const key of node.attributes.keys()) {
    must(known.attributes.includes(key), () => `${naming(node)}: the attribute ${key} is not known`);
  }
  const [least, most] = known.inputs;
  must(
    operands.length >= least && operands.length <= most,
    () => `${naming(node)}: it must read ${least} to ${most} tensors, got ${operands.length}`,
  );
  must(node.outputs.length === 1 && node.outputs[0] !== "", () => `${naming(node)}: it must have one output`);
  must(
    operands.slice(0, least).every((o) => o !== undefined),
    () => `${naming(node)}: an input is left out`,
  );
  return known.read(new Arguments(node, operands, opset));
}

export const isVarying = (operand: Operand | Made): operand is Varying => operand !== undefined && "tensor" in operand;

export const naming = (node: OnnxNode): string => `node "${node.name}" (${node.operator})`;

export const count = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** An affine step without a bias. */
export function linear(tensor: string, shape: readonly number[], from: string, matrix: Sparse): Step {
  const bias = new Float64Array(count(shape));
  return {
    kind: "affine",
    tensor,
    shape,
    parts: [{ from, matrix }],
    bias,
    biasSize: bias,
    roundings: matrix.roundings,
  };
}

// --- internal ---

interface Operator {
  readonly attributes: readonly string[];
  /** Fewest and most. */
  readonly inputs: readonly [number, number];
  read(a: Arguments): Made;
}

/** The operands and attributes of a node, asked for with their kind. */
class Arguments {
  readonly node: OnnxNode;
  readonly operands: readonly Operand[];
  readonly opset: number;
  constructor(node: OnnxNode, operands: readonly Operand[], opset: number) {
    this.node = node;
    this.operands = operands;
    this.opset = opset;
  }
  get out(): string {
    return this.node.outputs[0];
  }
  varying(i: number): Varying {
    const operand = this.operands[i];
    must(isVarying(operand), () => `${naming(this.node)}: input ${i} must depend on the data`);
    return operand;
  }
  constant(i: number): Constant {
    const operand = this.operands[i];
    must(operand !== undefined && !isVarying(operand), () => `${naming(this.node)}: input ${i} must be a constant`);
    return operand;
  }
  has(i: number): boolean {
    return this.operands[i] !== undefined;
  }
  number(key: string, otherwise: number): number {
    const value = this.node.attributes.get(key) ?? otherwise;
    must(typeof value === "number" && Number.isFinite(value), () => `${naming(this.node)}: ${key} must be a number`);
    return value;
  }
  list(key: string): readonly number[] | undefined {
    const value = this.node.attributes.get(key);
    must(value === undefined || Array.isArray(value), () => `${naming(this.node)}: ${key} must be a list`);
    return value as readonly number[] | undefined;
  }
  only(key: string, allowed: Attribute): void {
    const value = this.node.attributes.get(key) ?? allowed;
    must(value === allowed, () => `${naming(this.node)}: ${key} must be ${allowed}, got ${String(value)}`);
  }
}

const operators: Readonly<Record<string, Operator | undefined>> = {
  __proto__: null as unknown as undefined,
  Constant: {
    attributes: ["value", "value_float", "value_floats", "value_int", "value_ints"],
    inputs: [0, 0],
    read(a) {
      check(a, a.node.attributes.size === 1, "it must have one value");
      const [value] = [...a.node.attributes.values()];
      if (typeof value === "number") return { shape: [], data: Float64Array.of(value) };
      if (isList(value)) return { shape: [value.length], data: Float64Array.from(value) };
      check(a, typeof value === "object" && "data" in value, "it must hold numbers");
      return value;
    },
  },
  Identity: { attributes: [], inputs: [1, 1], read: (a) => a.operands[0] as Varying | Constant },
  Dropout: {
    attributes: ["ratio", "seed"],
    inputs: [1, 3],
    read(a) {
      if (a.has(2)) check(a, a.constant(2).data[0] === 0, "it must not be training");
      return a.varying(0);
    },
  },
  Reshape: {
    attributes: ["allowzero"],
    inputs: [2, 2],
    read(a) {
      a.only("allowzero", 0);
      const x = a.operands[0] as Varying | Constant;
      const shape = Array.from(a.constant(1).data, (d, i) => (d === 0 ? (x.shape[i] ?? 0) : d));
      return reshaped(a, x, resolved(a, shape, count(x.shape)));
    },
  },
  Flatten: {
    attributes: ["axis"],
    inputs: [1, 1],
    read(a) {
      const x = a.varying(0);
      const axis = axisOf(a, a.number("axis", 1), x.shape.length + 1);
      return reshaped(a, x, [count(x.shape.slice(0, axis)), count(x.shape.slice(axis))]);
    },
  },
  Squeeze: {
    attributes: ["axes"],
    inputs: [1, 2],
    read(a) {
      const x = a.operands[0] as Varying | Constant;
      const axes = axesOf(a, x.shape.length) ?? x.shape.flatMap((d, i) => (d === 1 ? [i] : []));
      check(
        a,
        axes.every((i) => x.shape[i] === 1),
        "it must drop axes of length 1",
      );
      return reshaped(
        a,
        x,
        x.shape.filter((_, i) => !axes.includes(i)),
      );
    },
  },
  Unsqueeze: {
    attributes: ["axes"],
    inputs: [1, 2],
    read(a) {
      const x = a.operands[0] as Varying | Constant;
      const given = a.list("axes")?.length ?? (a.has(1) ? a.constant(1).data.length : 0);
      const axes = axesOf(a, x.shape.length + given);
      check(a, axes !== undefined, "it must name axes");
      const rest = [...x.shape];
      const shape = Array.from({ length: x.shape.length + given }, (_, i) =>
        axes.includes(i) ? 1 : (rest.shift() as number),
      );
      return reshaped(a, x, shape);
    },
  },
  Transpose: {
    attributes: ["perm"],
    inputs: [1, 1],
    read(a) {
      const x = a.operands[0] as Varying | Constant;
      const perm = a.list("perm") ?? x.shape.map((_, i) => x.shape.length - 1 - i);
      check(
        a,
        [...perm].sort((p, q) => p - q).every((p, i) => p === i) && perm.length === x.shape.length,
        "perm must name every axis once",
      );
      const from = permutation(x.shape, perm);
      const shape = perm.map((p) => x.shape[p]);
      if (isVarying(x)) return linear(a.out, shape, x.tensor, selection(from, count(x.shape)));
      return { shape, data: Float64Array.from(from, (k) => x.data[k]) };
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
      const C = a.has(2) ? a.constant(2) : { shape: [n], data: new Float64Array(n) };
      const bias = spread(a, C, [1, n]).map((b) => b * beta);
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
  Add: { attributes: [], inputs: [2, 2], read: (a) => sum(a, 1) },
  Sub: { attributes: [], inputs: [2, 2], read: (a) => sum(a, -1) },
  Neg: {
    attributes: [],
    inputs: [1, 1],
    read: (a) => diagonal(a, a.varying(0), new Float64Array(count(a.varying(0).shape)).fill(-1), 0),
  },
  Mul: {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const [x, c] = isVarying(a.operands[0]) ? [a.varying(0), a.constant(1)] : [a.varying(1), a.constant(0)];
      return diagonal(a, x, spread(a, c, x.shape), 0);
    },
  },
  Div: {
    attributes: [],
    inputs: [2, 2],
    read(a) {
      const x = a.varying(0);
      const factors = spread(a, a.constant(1), x.shape).map((c) => 1 / c);
      check(a, factors.every(Number.isFinite), "it must not divide by zero");
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
      const factor = scale.map((s, c) => s / Math.sqrt(variance[c] + epsilon));
      check(a, factor.every(Number.isFinite), "its variance must be positive");
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
  Conv: {
    attributes: ["kernel_shape", "strides", "pads", "dilations", "group", "auto_pad"],
    inputs: [2, 3],
    read(a) {
      const [x, K] = [a.varying(0), a.constant(1)];
      const space = x.shape.length - 2;
      check(a, (space === 1 || space === 2) && x.shape[0] === 1, "it must be in one or two dimensions");
      const kernel = a.list("kernel_shape") ?? K.shape.slice(2);
      check(a, K.shape.slice(2).join() === kernel.join(), "kernel_shape must be that of its kernel");
      const groups = a.number("group", 1);
      check(
        a,
        Number.isInteger(groups) && groups >= 1 && K.shape[1] * groups === x.shape[1] && K.shape[0] % groups === 0,
        "its channels must fit",
      );
      const windows = windowGeometry(a, x, kernel);
      const { matrix, shape } = convolutionMatrix(windows, K, x.shape, groups);
      const bias = new Float64Array(count(shape));
      if (a.has(2)) {
        const { data } = a.constant(2);
        check(a, data.length === K.shape[0], "it must have a bias per channel");
        for (let i = 0; i < bias.length; i++) bias[i] = data[Math.floor((i * data.length) / bias.length)];
      }
      return affine(a, shape, x.tensor, matrix, bias, 0);
    },
  },
  AveragePool: {
    attributes: ["kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode", "count_include_pad"],
    inputs: [1, 1],
    read(a) {
      a.only("ceil_mode", 0);
      const x = a.varying(0);
      const kernel = a.list("kernel_shape");
      check(
        a,
        kernel !== undefined && kernel.length === x.shape.length - 2 && kernel.length <= 2,
        "it must be in one or two dimensions",
      );
      const pads = a.number("count_include_pad", 0);
      check(a, pads === 0 || pads === 1, "count_include_pad must be 0 or 1");
      const { matrix, shape } = meanMatrix(windowGeometry(a, x, kernel), x.shape, pads === 1);
      return linear(a.out, shape, x.tensor, matrix);
    },
  },
  GlobalAveragePool: {
    attributes: [],
    inputs: [1, 1],
    read(a) {
      const x = a.varying(0);
      const inner = count(x.shape.slice(2));
      return mean(a, x, inner, [...x.shape.slice(0, 2), ...x.shape.slice(2).map(() => 1)]);
    },
  },
  ReduceMean: {
    attributes: ["axes", "keepdims", "noop_with_empty_axes"],
    inputs: [1, 2],
    read(a) {
      const x = a.varying(0);
      const axes = axesOf(a, x.shape.length);
      const keep = a.number("keepdims", 1);
      check(a, axes !== undefined && axes.length > 0 && (keep === 0 || keep === 1), "it must name its axes");
      const first = x.shape.length - axes.length;
      check(
        a,
        first >= 1 && [...axes].sort((p, q) => p - q).every((p, i) => p === first + i),
        "its axes must be the last ones",
      );
      const rest = x.shape.slice(0, first);
      return mean(a, x, count(x.shape.slice(first)), keep === 1 ? [...rest, ...axes.map(() => 1)] : rest);
    },
  },
  MaxPool: {
    attributes: ["kernel_shape", "strides", "pads", "dilations", "auto_pad", "ceil_mode", "storage_order"],
    inputs: [1, 1],
    read(a) {
      a.only("ceil_mode", 0);
      a.only("storage_order", 0);
      const x = a.varying(0);
      const kernel = a.list("kernel_shape");
      check(
        a,
        kernel !== undefined && kernel.length === x.shape.length - 2 && kernel.length <= 2,
        "it must be in one or two dimensions",
      );
      const { start, members, most, shape } = windowsOf(windowGeometry(a, x, kernel), x.shape);
      return { kind: "largest", tensor: a.out, shape, from: x.tensor, start, members, most };
    },
  },
  Concat: {
    attributes: ["axis"],
    inputs: [1, 64],
    read(a) {
      const all = a.operands.map((_, i) => a.varying(i));
      const axis = axisOf(a, a.number("axis", 0), all[0].shape.length);
      const rest = (s: readonly number[]) => s.filter((_, i) => i !== axis).join();
      check(
        a,
        all.every((x) => x.shape.length === all[0].shape.length && rest(x.shape) === rest(all[0].shape)),
        "what it joins must fit",
      );
      const shape = all[0].shape.map((d, i) => (i === axis ? all.reduce((n, x) => n + x.shape[axis], 0) : d));
      const inner = count(shape.slice(axis + 1));
      let before = 0;
      const parts = all.map((x) => {
        const [from, wide] = [before, x.shape[axis] * inner];
        before += wide;
        const whole = shape[axis] * inner;
        const matrix = sparse(count(shape), count(x.shape), (i, put) => {
          const at = (i % whole) - from;
          if (at >= 0 && at < wide) put(Math.floor(i / whole) * wide + at, 1);
        });
        return { from: x.tensor, matrix };
      });
      const bias = new Float64Array(count(shape));
      return { kind: "affine", tensor: a.out, shape, parts: joined(parts), bias, biasSize: bias, roundings: 0 };
    },
  },
  ...Object.fromEntries(
    Object.entries(scalars).map(([name, { attributes, most, make }]): [string, Operator] => [
      name,
      {
        attributes,
        inputs: [1, most],
        read(a) {
          const x = a.varying(0);
          const rest = a.operands.slice(1).map((operand, i) => {
            if (operand === undefined) return undefined;
            const { data } = a.constant(i + 1);
            check(a, data.length === 1, `input ${i + 1} must be one number`);
            return data[0];
          });
          const scalar = make((key, otherwise) => a.number(key, otherwise), rest);
          check(a, scalar !== null, "its settings are not known");
          return { kind: "pointwise", tensor: a.out, shape: x.shape, from: x.tensor, scalar };
        },
      },
    ]),
  ),
};

function check(a: Arguments, holds: boolean, rule: string): asserts holds {
  must(holds, () => `${naming(a.node)}: ${rule}`);
}

const isList = (value: Attribute): value is readonly number[] => Array.isArray(value);

function affine(
  a: Arguments,
  shape: readonly number[],
  from: string,
  matrix: Sparse,
  bias: Float64Array,
  roundings: number,
): Step {
  return {
    kind: "affine",
    tensor: a.out,
    shape,
    parts: [{ from, matrix }],
    bias,
    biasSize: bias.map(Math.abs),
    roundings: Math.max(roundings, matrix.roundings),
  };
}

function reshaped(a: Arguments, x: Varying | Constant, shape: readonly number[]): Made {
  check(a, count(shape) === count(x.shape), `[${x.shape}] must fit [${shape}]`);
  if (!isVarying(x)) return { shape, data: x.data };
  return linear(a.out, shape, x.tensor, identity(count(shape)));
}

function resolved(a: Arguments, shape: readonly number[], size: number): readonly number[] {
  const free = shape.filter((d) => d === -1).length;
  check(a, free <= 1 && shape.every((d) => d === -1 || (Number.isInteger(d) && d > 0)), `[${shape}] is no shape`);
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
  return shape.map((d) => (d === -1 ? size / known : d));
}

function axisOf(a: Arguments, axis: number, rank: number): number {
  check(a, Number.isInteger(axis) && axis >= -rank && axis < rank, `the axis ${axis} is not there`);
  return axis < 0 ? axis + rank : axis;
}

/** The axes of a node, as an attribute or as its second input. */
function axesOf(a: Arguments, rank: number): readonly number[] | undefined {
  const given = a.list("axes") ?? (a.has(1) ? Array.from(a.constant(1).data) : undefined);
  const axes = given?.map((axis) => axisOf(a, axis, rank));
  check(a, axes === undefined || new Set(axes).size === axes.length, "an axis is there twice");
  return axes;
}

/** Where number i of the result comes from. */
function permutation(shape: readonly number[], perm: readonly number[]): Int32Array {
  const strides = shape.map((_, i) => count(shape.slice(i + 1)));
  const to = perm.map((p) => shape[p]);
  return Int32Array.from({ length: count(shape) }, (_, i) => {
    let rest = i;
    let from = 0;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      from += (rest % to[axis]) * strides[perm[axis]];
      rest = Math.floor(rest / to[axis]);
    }
    return from;
  });
}

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

function mean(a: Arguments, x: Varying, inner: number, shape: readonly number[]): Step {
  const size = count(x.shape);
  return linear(
    a.out,
    shape,
    x.tensor,
    sparse(
      size / inner,
      size,
      (i, put) => {
        for (let k = 0; k < inner; k++) put(i * inner + k, 1 / inner);
      },
      2,
    ),
  );
}

/** Parts that read the same tensor as one. */
function joined(parts: Affine["parts"]): Affine["parts"] {
  const by = new Map<string, Sparse>();
  for (const { from, matrix } of parts) {
    const other = by.get(from);
    by.set(from, other ? plus(other, matrix) : matrix);
  }
  return [...by].map(([from, matrix]) => ({ from, matrix }));
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

function windowGeometry(a: Arguments, x: Varying, kernel: readonly number[]) {
  const pad = a.node.attributes.get("auto_pad") ?? "NOTSET";
  check(a, pad === "NOTSET" || pad === "VALID" || pad === "", `auto_pad ${String(pad)} is not known`);
  const pads = pad === "VALID" ? undefined : a.list("pads");
  const made = geometry(x.shape.slice(2), kernel, a.list("strides"), pads, a.list("dilations"));
  check(a, made !== null, "its strides, pads or dilations do not fit");
  return made;
}
