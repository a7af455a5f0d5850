/**
 * @file The members of the op contract: a row builds one node from inputs drawn at random, and `op.test.ts` asks it every question.
 * A row that cannot answer says so in `skip`, with the reason.
 */
import { vjp } from "../../src/graph/gradient.ts";
import type { Node } from "../../src/graph/graph.ts";
import { constant } from "../../src/graph/leaf.ts";
import { centeredSoftplus } from "../../src/ops/centeredSoftplus.ts";
import { conv, convTranspose } from "../../src/ops/conv.ts";
import {
  abs,
  add,
  and,
  argMax,
  batchNorm,
  broadcastTo,
  cast,
  clip,
  concat,
  cos,
  div,
  elu,
  equal,
  erf,
  exp,
  flatten,
  floor,
  gather,
  gelu,
  gemm,
  greater,
  greaterOrEqual,
  hardSigmoid,
  hardSwish,
  instanceNorm,
  inverse,
  layerNorm,
  leakyRelu,
  less,
  lessOrEqual,
  log,
  logSoftmax,
  logSumExp,
  matmul,
  maximum,
  mean,
  minimum,
  mul,
  neg,
  not,
  oneHot,
  or,
  pad,
  pow,
  reciprocal,
  reduceMax,
  reduceMin,
  relu,
  reshape,
  roundTo,
  sigmoid,
  sign,
  silu,
  sin,
  slice,
  sliceAxis,
  softmax,
  softplus,
  softsign,
  split,
  sqrt,
  squeeze,
  stopGradient,
  sub,
  sum,
  tanh,
  transpose,
  unsqueeze,
  where,
} from "../../src/ops/index.ts";
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from "../../src/ops/pool.ts";
import { remainder } from "../../src/ops/remainder.ts";
import type { Shape } from "../../src/tensor/shape.ts";
import { type DType, tensor } from "../../src/tensor/tensor.ts";

/** What is asked of every op; see op.test.ts. */
export type Question = "shape" | "derivatives" | "higher derivatives" | "behaviour" | "float32" | "float64" | "opsets";

/** One input: uniform in [low, high] (default -2 to 2); integers where the dtype is one; bool is a coin. */
export interface InputSpec {
  readonly shape: Shape;
  /** Default: float32. Where the questions are asked in float64, every float32 is float64. */
  readonly dtype?: DType;
  readonly low?: number;
  readonly high?: number;
}

export interface OpCase {
  readonly name: string;
  readonly inputs: readonly InputSpec[];
  /** One node of inputs that have the specified shapes, in float32 or all in float64. */
  build(inputs: readonly Node[]): Node;
  /** The first opset that it can be written in. Default: 6. Writing in an older one must throw UsageError. */
  readonly opset?: number;
  readonly skip?: readonly { readonly question: Question; readonly reason: string }[];
}

const small: InputSpec = { shape: [2, 3] };
const positive: InputSpec = { shape: [2, 3], low: 0.5, high: 2 };
const bool: InputSpec = { shape: [2, 3], dtype: "bool" };
const few = (shape: Shape, low: number, high: number): InputSpec => ({ shape, dtype: "int64", low, high });

/** A row of one input of shape [2, 3]. */
const one = (name: string, f: (x: Node) => Node, more: Partial<OpCase> = {}): OpCase => ({
  name,
  inputs: [small],
  build: ([x]) => f(x),
  ...more,
});

/** A row of two inputs of shape [2, 3]. */
const two = (name: string, f: (a: Node, b: Node) => Node, more: Partial<OpCase> = {}): OpCase => ({
  name,
  inputs: [small, small],
  build: ([a, b]) => f(a, b),
  ...more,
});

/** A row of one input of any shape. */
const on = (name: string, shape: Shape, f: (x: Node) => Node, more: Partial<OpCase> = {}): OpCase => ({
  name,
  inputs: [{ shape }],
  build: ([x]) => f(x),
  ...more,
});

const numbers = (values: readonly number[], shape: Shape, like: Node): Node =>
  constant(tensor(values, shape, like.dtype));
const places = (...values: number[]): Node => constant(tensor(values, [values.length], "int64"));

/** The first vjp of a node, as a row of its own: the ops that only gradients are made of. */
const pulled = (y: Node, dy: Node, x: Node): Node => {
  const [dx] = vjp([y], [dy], [x]);
  if (!dx) throw new Error("pulled: nothing flows back");
  return dx;
};

export const opCases: readonly OpCase[] = [
  // arithmetic
  two("add", add),
  two("sub", sub),
  two("mul", mul),
  two("div", div, { inputs: [small, positive] }),
  two("pow", pow, { inputs: [positive, small] }),
  one("pow: by a constant", (x) => pow(x, 3)),
  two("remainder", (a, b) => remainder(a, b, "truncated"), {
    inputs: [
      { shape: [2, 3], low: 0.1, high: 0.9 },
      { shape: [2, 3], low: 1, high: 2 },
    ],
    opset: 10,
  }),
  two("remainder: whole numbers", (a, b) => remainder(a, b, "floored"), {
    inputs: [few([2, 3], -9, 9), few([2, 3], 1, 4)],
    opset: 10,
  }),
  one("neg", neg),
  one("log", log, { inputs: [positive] }),
  two("maximum", maximum),
  two("minimum", minimum),
  two("less", less),
  two("lessOrEqual", lessOrEqual, { opset: 12 }),
  two("greater", greater),
  two("greaterOrEqual", greaterOrEqual, { opset: 12 }),
  two("equal", equal, { inputs: [few([2, 3], 0, 2), few([2, 3], 0, 2)] }),
  two("and", and, { inputs: [bool, bool] }),
  two("or", or, { inputs: [bool, bool] }),
  one("not", not, { inputs: [bool] }),
  { name: "where", inputs: [bool, small, small], build: ([c, a, b]) => where(c, a, b), opset: 9 },
  one("cast: from int64", (x) => cast(x, "float32"), {
    inputs: [few([2, 3], -5, 5)],
    skip: [{ question: "float64", reason: "the row names float32" }],
  }),
  one("cast: to int64", (x) => cast(x, "int64")),
  one("stopGradient", stopGradient, {
    skip: [
      { question: "derivatives", reason: "it hides its derivative on purpose" },
      { question: "higher derivatives", reason: "it hides its derivative on purpose" },
    ],
  }),
  { name: "add: broadcast", inputs: [{ shape: [2, 1, 3] }, { shape: [4, 1] }], build: ([a, b]) => add(a, b) },
  { name: "mul: both broadcast", inputs: [{ shape: [2, 1] }, { shape: [3] }], build: ([a, b]) => mul(a, b) },
  one("mul: by its own sigmoid", (x) => mul(x, sigmoid(x))),
  // broadcast, reduce
  on("broadcastTo", [3, 1], (x) => broadcastTo(x, [2, 3, 4])),
  on("sum", [2, 3, 2], (x) => sum(x, [1])),
  on("sum: kept", [2, 3, 2], (x) => sum(x, [0, -1], true)),
  on("sum: all", [2, 3], (x) => sum(x)),
  on("mean", [2, 3, 2], (x) => mean(x, [0, 2])),
  on("mean: kept", [2, 3], (x) => mean(x, [1], true)),
  on("reduceMax", [2, 3, 2], (x) => reduceMax(x, [1])),
  on("reduceMax: all", [2, 3], (x) => reduceMax(x)),
  on("reduceMin", [2, 3, 2], (x) => reduceMin(x, [0, 2], true)),
  // movement
  on("reshape", [2, 6], (x) => reshape(x, [3, -1])),
  on("flatten", [2, 3, 2], (x) => flatten(x)),
  on("squeeze", [2, 1, 3], (x) => squeeze(x, [1])),
  on("unsqueeze", [2, 3], (x) => unsqueeze(x, [0, 3])),
  on("transpose", [2, 3, 4], (x) => transpose(x, [2, 0, 1])),
  on("slice", [4, 5], (x) => slice(x, [1, 0], [2, 3])),
  on("slice: steps", [5, 5, 3], (x) => slice(x, [0, 4, 1], [3, 2, 2], [2, -3, 1])),
  on("slice: reversed", [2, 4], (x) => slice(x, [0, 3], [2, 4], [1, -1])),
  on("sliceAxis", [2, 4], (x) => sliceAxis(x, 1, 1, 3)),
  on("slice: adjoint of steps", [5, 5], (x) => {
    const dy = sliceAxis(sliceAxis(x, 0, 0, 3), 1, 0, 2);
    return pulled(slice(x, [0, 4], [3, 2], [2, -3]), dy, x);
  }),
  on("split", [2, 5], (x) => split(x, 1, [2, 3])[1]),
  on("pad", [2, 3], (x) => pad(x, [1, 0], [0, 2])),
  { name: "concat", inputs: [{ shape: [2, 1, 2] }, { shape: [2, 3, 2] }], build: (xs) => concat(xs, 1) },
  // products
  { name: "matmul", inputs: [{ shape: [2, 3] }, { shape: [3, 4] }], build: ([a, b]) => matmul(a, b) },
  { name: "matmul: batches", inputs: [{ shape: [2, 1, 2, 3] }, { shape: [3, 3, 2] }], build: ([a, b]) => matmul(a, b) },
  {
    name: "matmul: one matrix for all",
    inputs: [{ shape: [2, 2, 3] }, { shape: [3, 2] }],
    build: ([a, b]) => matmul(a, b),
  },
  {
    name: "matmul: left of a batch",
    inputs: [{ shape: [2, 3] }, { shape: [2, 3, 2] }],
    build: ([a, b]) => matmul(a, b),
  },
  { name: "matmul: vectors", inputs: [{ shape: [3] }, { shape: [3] }], build: ([a, b]) => matmul(a, b) },
  {
    name: "matmul: transposed",
    inputs: [{ shape: [2, 3] }, { shape: [4, 3] }],
    build: ([a, b]) => matmul(a, transpose(b)),
  },
  {
    name: "gemm",
    inputs: [{ shape: [3, 2] }, { shape: [4, 3] }, { shape: [4] }],
    build: ([a, b, c]) => gemm(a, b, c, { alpha: 0.5, beta: 2, transA: true, transB: true }),
  },
  // pointwise
  one("relu", relu),
  one("leakyRelu", (x) => leakyRelu(x, 0.1)),
  one("leakyRelu: steeper than 1", (x) => leakyRelu(x, 1.5)),
  one("leakyRelu: falling", (x) => leakyRelu(x, -0.5)),
  one("abs", abs),
  one("clip", (x) => clip(x, -0.5, 1)),
  one("clip: one side", (x) => clip(x, 0.25, Number.POSITIVE_INFINITY)),
  one("hardSigmoid", (x) => hardSigmoid(x)),
  one("hardSigmoid: falling", (x) => hardSigmoid(x, -0.4, 0.3)),
  one("hardSwish", hardSwish),
  one("elu", (x) => elu(x)),
  one("elu: alpha below 1", (x) => elu(x, 0.7)),
  one("elu: alpha above 1", (x) => elu(x, 1.7)),
  one("elu: falling", (x) => elu(x, -0.3)),
  one("sigmoid", sigmoid),
  one("tanh", tanh),
  one("softplus", softplus),
  one("softsign", softsign),
  one("centeredSoftplus", (x) => centeredSoftplus(x, 5)),
  one("centeredSoftplus: all but straight", (x) => centeredSoftplus(x, 1e-3), {
    skip: [
      {
        question: "behaviour",
        reason: "both ends of its slope are a thousand away; centeredSoftplus.test.ts goes there",
      },
    ],
  }),
  {
    name: "centeredSoftplus: a beta that varies",
    inputs: [small, { shape: [], low: 0.5, high: 2 }],
    build: ([x, beta]) => centeredSoftplus(x, beta),
  },
  one("silu", silu),
  one("gelu", (x) => gelu(x)),
  one("gelu: tanh", (x) => gelu(x, "tanh")),
  one("erf", erf),
  one("exp", exp),
  one("sqrt", sqrt, { inputs: [positive] }),
  one("reciprocal", reciprocal, { inputs: [positive] }),
  one("sin", sin, { opset: 7 }),
  one("cos", cos, { opset: 7 }),
  one("sign", sign),
  one("floor", floor),
  one("round to half", (x) => roundTo(x, "float16")),
  // softmax
  on("softmax", [2, 4], (x) => softmax(x)),
  on("softmax: an inner axis", [2, 3, 2], (x) => softmax(x, 1)),
  on("softmax: of two", [2], (x) => softmax(x)),
  on("logSoftmax", [2, 4], (x) => logSoftmax(x)),
  on("logSoftmax: an inner axis", [2, 3, 2], (x) => logSoftmax(x, 1)),
  on("logSumExp", [2, 4], (x) => logSumExp(x, [1])),
  on("logSumExp: several axes", [2, 3, 2], (x) => logSumExp(x, [0, 2], true)),
  // positions
  one("gather", (x) => gather(x, places(2, 0, 2, -1), 1)),
  {
    name: "gather: varying positions",
    inputs: [{ shape: [3, 2] }, few([2, 2], -3, 2)],
    build: ([x, i]) => gather(x, i),
  },
  {
    name: "gather: adjoint",
    inputs: [{ shape: [2, 4, 2] }],
    build: ([dy]) => {
      const x = numbers(new Array(12).fill(0), [2, 3, 2], dy);
      return pulled(gather(x, places(2, 0, 2, -1), 1), dy, x);
    },
  },
  {
    name: "gather: adjoint, varying positions",
    inputs: [{ shape: [2, 2, 2] }, few([2, 2], -3, 2)],
    build: ([dy, i]) => {
      const x = numbers(new Array(6).fill(0), [3, 2], dy);
      return pulled(gather(x, i), dy, x);
    },
    opset: 9,
  },
  on("argMax", [2, 4], (x) => argMax(x, 1)),
  on("argMax: kept", [2, 3, 2], (x) => argMax(x, -2, true)),
  { name: "oneHot", inputs: [few([2, 2], -1, 3)], build: ([i]) => oneHot(i, 3) },
  // matrices and normalisation
  { name: "inverse", inputs: [{ shape: [2, 3, 3], low: -0.8, high: 0.8 }], build: ([x]) => inverse(wellPosed(x)) },
  {
    name: "batchNorm",
    inputs: [{ shape: [2, 3, 2] }, { shape: [3] }, { shape: [3] }, { shape: [3] }, { shape: [3], low: 0.5, high: 2 }],
    build: ([x, scale, shift, m, v]) => batchNorm(x, scale, shift, m, v),
  },
  {
    name: "layerNorm",
    inputs: [{ shape: [2, 4] }, { shape: [4] }, { shape: [4] }],
    build: ([x, scale, shift]) => layerNorm(x, scale, shift),
  },
  {
    name: "instanceNorm",
    inputs: [{ shape: [2, 2, 3] }, { shape: [2] }, { shape: [2] }],
    build: ([x, scale, shift]) => instanceNorm(x, scale, shift),
  },
  // convolution and pooling
  { name: "conv", inputs: [{ shape: [1, 2, 4, 3] }, { shape: [2, 2, 2, 2] }], build: ([x, w]) => conv(x, w) },
  {
    name: "conv: strides, pads, dilations, groups",
    inputs: [{ shape: [1, 2, 5] }, { shape: [4, 1, 2] }],
    build: ([x, w]) => conv(x, w, { strides: [2], pads: [1, 0], dilations: [2], groups: 2 }),
  },
  {
    name: "convTranspose",
    inputs: [{ shape: [1, 2, 3] }, { shape: [2, 2, 3] }],
    build: ([x, w]) => convTranspose(x, w, { strides: [2], pads: [1, 1], outputPads: [1] }),
  },
  {
    name: "conv: kernel gradient",
    inputs: [{ shape: [2, 2, 4] }, { shape: [2, 2, 2] }],
    build: ([x, dy]) => {
      const w = numbers(new Array(12).fill(0), [2, 2, 3], x);
      return pulled(conv(x, w), dy, w);
    },
  },
  {
    name: "conv: two axes, depthwise, asymmetric",
    inputs: [{ shape: [1, 2, 4, 3] }, { shape: [2, 1, 2, 2] }],
    build: ([x, w]) => conv(x, w, { strides: [1, 2], pads: [1, 0, 0, 1], groups: 2 }),
  },
  {
    name: "conv: a batch that the kernel gradient keeps in rows",
    inputs: [{ shape: [32, 33, 3], low: -0.5, high: 0.5 }],
    build: ([x]) => {
      const w = numbers(new Array(66).fill(0.1), [1, 33, 2], x);
      return pulled(conv(x, w), conv(x, w), w);
    },
    skip: [
      { question: "derivatives", reason: "3,168 inputs: minutes; the smaller rows ask the same rule" },
      { question: "higher derivatives", reason: "as above" },
      { question: "behaviour", reason: "as above" },
    ],
  },
  {
    name: "convTranspose: stride 1, groups, dilations",
    inputs: [{ shape: [1, 2, 3, 3] }, { shape: [2, 2, 2, 2] }],
    build: ([x, w]) => convTranspose(x, w, { groups: 2, dilations: [1, 2], pads: [1, 0, 0, 1] }),
  },
  {
    name: "convTranspose: a kernel larger than its stride, few channels out",
    inputs: [{ shape: [2, 4, 2, 2] }, { shape: [4, 1, 4, 4] }],
    build: ([x, w]) => convTranspose(x, w, { strides: [2, 2], pads: [1, 1, 0, 0] }),
  },
  {
    name: "convTranspose: the same with groups, one axis",
    inputs: [{ shape: [1, 4, 3] }, { shape: [4, 1, 3] }],
    build: ([x, w]) => convTranspose(x, w, { strides: [2], pads: [1, 0], groups: 2 }),
  },
  on("maxPool: ceil", [1, 1, 5, 3], (x) => maxPool(x, { kernel: [2, 2], strides: [2, 2], ceil: true })),
  on("maxPool: a rest, one axis", [1, 2, 5], (x) => maxPool(x, { kernel: [2], strides: [2] })),
  on("maxPool: dilations", [1, 1, 5, 3], (x) => maxPool(x, { kernel: [2, 2], dilations: [2, 1] }), { opset: 10 }),
  on(
    "maxPool: dilations, pads as large as the kernel",
    [1, 1, 5, 3],
    (x) => maxPool(x, { kernel: [2, 2], dilations: [2, 1], pads: [2, 0, 1, 0] }),
    { opset: 10 },
  ),
  on("averagePool: counted pads, ceil", [1, 1, 4, 4], (x) =>
    averagePool(x, { kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], countPads: true, ceil: true }),
  ),
  on("averagePool: a rest, one axis", [1, 2, 5], (x) => averagePool(x, { kernel: [2], strides: [2] })),
  on("maxPool", [1, 2, 4, 4], (x) => maxPool(x, { kernel: [2, 2], strides: [2, 2] })),
  on("maxPool: overlapping, padded", [1, 1, 4, 3], (x) => maxPool(x, { kernel: [3, 2], pads: [1, 0, 1, 1] })),
  on("averagePool", [1, 2, 4, 4], (x) => averagePool(x, { kernel: [2, 2], strides: [2, 2] })),
  on("averagePool: overlapping, padded", [1, 1, 4, 3], (x) => averagePool(x, { kernel: [3, 2], pads: [1, 0, 1, 1] })),
  on("globalAveragePool", [2, 2, 2, 3], globalAveragePool),
  on("globalMaxPool", [2, 2, 3], globalMaxPool),
];

// --- internal ---

/** Matrices well away from singular ones: a quarter of x added to the identity. */
function wellPosed(x: Node): Node {
  const n = x.shape[x.shape.length - 1];
  const identity = Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
  return add(mul(x, 0.25), numbers(identity, [n, n], x));
}
