/** @file The forms that operators take in real models, old and new: ONNX Runtime, loading the same bytes, is the judge. */
import { describe, expect, it } from "vitest";
import { checkModel } from "../../src/check/model.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { input } from "../../src/graph/leaf.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { normalTensor, random } from "../../src/tensor/random.ts";
import { tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { type ModelOf, modelOf, type NodeOf, type Value } from "../model.ts";
import { testEngine } from "../testEngine.ts";

const engine = testEngine({ threads: 1 });
const ints = (...values: readonly number[]) => tensor(values, [values.length], "int64");
const floats = (...values: readonly number[]) => tensor(values, [values.length]);
const number = (value: number) => tensor([value], []);
const r = random(7);
const weights = (...shape: readonly number[]) => normalTensor(r, shape);
const one = (op: string, inputs: readonly string[], attributes: Readonly<Record<string, Value>> = {}): NodeOf[] => [
  { op, in: inputs, attributes },
];

const x23 = { x: [2, 3] };
const image = { x: [2, 4, 6, 6] };

/** Every form: the model, and how often the free dimensions are if not 1. */
const forms: Readonly<Record<string, ModelOf & { readonly free?: number }>> = {
  "Squeeze, axes as attribute": {
    opset: 11,
    inputs: { x: [1, 3, 1] },
    nodes: one("Squeeze", ["x"], { axes: [0, -1] }),
  },
  "Squeeze, axes as input": { inputs: { x: [1, 3, 1] }, nodes: one("Squeeze", ["x", "a"]), tensors: { a: ints(0) } },
  "Squeeze, no axes": { inputs: { x: [1, 3, 1] }, nodes: one("Squeeze", ["x"]) },
  "Unsqueeze, axes as attribute": { opset: 11, inputs: x23, nodes: one("Unsqueeze", ["x"], { axes: [0, 3] }) },
  "Unsqueeze, axes as input": { inputs: x23, nodes: one("Unsqueeze", ["x", "a"]), tensors: { a: ints(-1, 0) } },
  "Clip, bounds as attributes": {
    opset: 10,
    inputs: x23,
    nodes: one("Clip", ["x"], { min: { float: -0.5 }, max: { float: 0.25 } }),
  },
  "Clip, one bound as attribute": { opset: 8, inputs: x23, nodes: one("Clip", ["x"], { max: { float: 0.25 } }) },
  "Clip, bounds as inputs": {
    inputs: x23,
    nodes: one("Clip", ["x", "a", "b"]),
    tensors: { a: number(-0.5), b: number(0.25) },
  },
  "Clip, lower bound left out": { inputs: x23, nodes: one("Clip", ["x", "", "b"]), tensors: { b: number(0.25) } },
  "Clip, infinite upper bound": {
    inputs: x23,
    nodes: one("Clip", ["x", "a", "b"]),
    tensors: { a: number(0), b: number(Number.POSITIVE_INFINITY) },
  },
  "Clip, bounds that cross": {
    inputs: x23,
    nodes: one("Clip", ["x", "a", "b"]),
    tensors: { a: number(0.5), b: number(0.25) },
  },
  "Clip, computed bound": {
    inputs: x23,
    nodes: [{ op: "ReduceMean", in: ["x"], out: ["m"], attributes: { keepdims: 0 } }, ...one("Clip", ["x", "m"])],
  },
  "Clip, bound of shape [1] from a Constant": {
    opset: 12,
    inputs: x23,
    nodes: [{ op: "Constant", in: [], out: ["a"], attributes: { value: number(-0.1) } }, ...one("Clip", ["x", "a"])],
  },
  "Dropout, ratio as attribute": { opset: 10, inputs: x23, nodes: one("Dropout", ["x"], { ratio: { float: 0.3 } }) },
  "Dropout, ratio as input, with mask": {
    inputs: x23,
    nodes: [
      { op: "Dropout", in: ["x", "r"], out: ["d", "mask"] },
      { op: "Where", in: ["mask", "d", "x"] },
    ],
    tensors: { r: number(0.3) },
  },
  "Slice, ranges as attributes": {
    opset: 9,
    inputs: { x: [5, 6] },
    nodes: one("Slice", ["x"], { starts: [1, -3], ends: [1000, -1], axes: [0, 1] }),
  },
  "Slice, ranges as inputs with negative steps": {
    inputs: { x: [5, 6] },
    nodes: one("Slice", ["x", "s", "e", "a", "t"]),
    tensors: { s: ints(-1, 4), e: ints(-(2 ** 62), 0), a: ints(0, -1), t: ints(-2, -1) },
  },
  "Split, sizes as attribute": {
    opset: 11,
    inputs: { x: [2, 6] },
    nodes: [{ op: "Split", in: ["x"], out: ["a", "b"], attributes: { axis: -1, split: [2, 4] } }],
    outputs: ["a", "b"],
  },
  "Split, sizes as input": {
    inputs: { x: [2, 6] },
    nodes: [{ op: "Split", in: ["x", "s"], out: ["a", "b"], attributes: { axis: 1 } }],
    tensors: { s: ints(1, 5) },
    outputs: ["b", "a"],
  },
  "Split, number of outputs that does not divide": {
    opset: 18,
    inputs: { x: [2, 7] },
    nodes: [{ op: "Split", in: ["x"], out: ["a", "b", "c"], attributes: { axis: 1, num_outputs: 3 } }],
    outputs: ["a", "b", "c"],
  },
  "Reshape by an initialiser": { inputs: x23, nodes: one("Reshape", ["x", "s"]), tensors: { s: ints(3, -1) } },
  "Reshape by a Constant, 0 keeps": {
    inputs: { x: ["batch", 2, 3] },
    free: 4,
    nodes: [{ op: "Constant", in: [], out: ["s"], attributes: { value: ints(0, -1) } }, ...one("Reshape", ["x", "s"])],
  },
  "Reshape by value_ints": {
    inputs: x23,
    nodes: [{ op: "Constant", in: [], out: ["s"], attributes: { value_ints: [6] } }, ...one("Reshape", ["x", "s"])],
  },
  "Reshape by shape arithmetic": {
    inputs: { x: ["batch", 2, 3] },
    free: 5,
    nodes: [
      { op: "Shape", in: ["x"], out: ["s"] },
      { op: "Gather", in: ["s", "zero"], out: ["n"], attributes: { axis: 0 } },
      { op: "Unsqueeze", in: ["n", "axis"], out: ["u"] },
      { op: "Concat", in: ["u", "rest"], out: ["t"], attributes: { axis: 0 } },
      ...one("Reshape", ["x", "t"]),
    ],
    tensors: { zero: tensor([0], [], "int64"), axis: ints(0), rest: ints(-1) },
  },
  "Reshape by a product of sizes": {
    inputs: { x: ["batch", 2, 3] },
    free: 3,
    nodes: [
      { op: "Shape", in: ["x"], out: ["s"] },
      { op: "Slice", in: ["s", "one", "three"], out: ["tail"] },
      { op: "ReduceProd", in: ["tail"], out: ["p"], attributes: { keepdims: 1 } },
      { op: "Slice", in: ["s", "zero", "one"], out: ["head"] },
      { op: "Concat", in: ["head", "p"], out: ["t"], attributes: { axis: 0 } },
      ...one("Reshape", ["x", "t"]),
    ],
    tensors: { zero: ints(0), one: ints(1), three: ints(3) },
  },
  "shape arithmetic with division and casts": {
    inputs: { x: ["batch", 8] },
    free: 2,
    nodes: [
      { op: "Shape", in: ["x"], out: ["s"] },
      { op: "Gather", in: ["s", "last"], out: ["n"] },
      { op: "Cast", in: ["n"], out: ["f"], attributes: { to: 1 } },
      { op: "Div", in: ["f", "three"], out: ["q"] },
      { op: "Floor", in: ["q"], out: ["fl"] },
      { op: "Cast", in: ["fl"], out: ["k"], attributes: { to: 7 } },
      ...one("Slice", ["x", "k", "n", "axis"]),
    ],
    tensors: { last: ints(-1), three: number(3), axis: ints(1) },
  },
  "ConstantOfShape, Expand, Range": {
    inputs: { x: ["batch", 4] },
    free: 3,
    nodes: [
      { op: "Shape", in: ["x"], out: ["s"] },
      { op: "ConstantOfShape", in: ["s"], out: ["c"], attributes: { value: tensor([0.5], [1]) } },
      { op: "Range", in: ["a", "b", "d"], out: ["range"] },
      { op: "Expand", in: ["range", "s"], out: ["e"] },
      { op: "Add", in: ["x", "c"], out: ["z"] },
      ...one("Mul", ["z", "e"]),
    ],
    tensors: { a: number(0), b: number(4), d: number(1) },
  },
  "a mask by ConstantOfShape and Trilu": {
    inputs: { x: [4, 4] },
    nodes: [
      { op: "Constant", in: [], out: ["s"], attributes: { value: ints(4, 4) } },
      { op: "ConstantOfShape", in: ["s"], out: ["c"], attributes: { value: tensor([-1], [1]) } },
      { op: "Trilu", in: ["c", "k"], out: ["m"], attributes: { upper: 1 } },
      ...one("Add", ["x", "m"]),
    ],
    tensors: { k: tensor([1], [], "int64") },
  },
  "Einsum: a matrix, and its sums": {
    inputs: { x: ["batch", 3] },
    free: 4,
    nodes: [
      { op: "Einsum", in: ["x", "w"], out: ["z"], attributes: { equation: "bi,ji->bj" } },
      ...one("Einsum", ["z", "z"], { equation: "bj,bj->bj" }),
    ],
    tensors: { w: weights(5, 3) },
  },
  "Einsum: heads": {
    inputs: { x: [2, 4, 6] },
    nodes: [
      { op: "Reshape", in: ["x", "s"], out: ["h"] },
      { op: "Einsum", in: ["h", "w"], out: ["z"], attributes: { equation: "bnhd,hde->bhne" } },
      { op: "Einsum", in: ["z", "z"], out: ["a"], attributes: { equation: "bhne,bhme->bhnm" } },
      ...one("Einsum", ["a", "h"], { equation: "bhnm,bmhd->bnhd" }),
    ],
    tensors: { s: ints(2, 4, 3, 2), w: weights(3, 2, 2) },
  },
  "Einsum: of one tensor, without an arrow, and an outer product": {
    inputs: { x: [3, 2, 4] },
    nodes: [
      { op: "Einsum", in: ["x"], out: ["t"], attributes: { equation: "ijk->ki" } },
      { op: "Einsum", in: ["t", "w"], out: ["u"], attributes: { equation: "ki, kl" } },
      ...one("Einsum", ["u", "v"], { equation: "il,m->lim" }),
    ],
    tensors: { w: weights(4, 5), v: weights(2) },
  },
  "GatherND, behind an axis and of slices": {
    inputs: { x: [2, 3, 4] },
    nodes: [
      { op: "GatherND", in: ["x", "i"], out: ["a"], attributes: { batch_dims: 1 } },
      ...one("GatherND", ["a", "j"]),
    ],
    tensors: {
      i: tensor([0, 2, -1, 1, 0, 1, 2, 2], [2, 2, 2], "int64"),
      j: tensor([1, 0, -1, 1], [2, 2], "int64"),
    },
  },
  "GatherElements and ScatterElements": {
    inputs: { x: [3, 4] },
    nodes: [
      { op: "GatherElements", in: ["x", "i"], out: ["a"], attributes: { axis: 1 } },
      ...one("ScatterElements", ["x", "j", "a"], { axis: 0 }),
    ],
    tensors: { i: tensor([3, 0, -1, 1], [2, 2], "int64"), j: tensor([2, 0, 0, -1], [2, 2], "int64") },
  },
  "ScatterND, of slices and numbers": {
    inputs: { x: [3, 4] },
    nodes: [
      { op: "Slice", in: ["x", "from", "to"], out: ["rows"] },
      { op: "ScatterND", in: ["x", "i", "rows"], out: ["a"] },
      ...one("ScatterND", ["a", "j", "u"]),
    ],
    tensors: {
      from: ints(0),
      to: ints(2),
      i: tensor([2, 0], [2, 1], "int64"),
      j: tensor([0, 0, 1, -1], [2, 2], "int64"),
      u: weights(2),
    },
  },
  "OneHot of known indices": {
    inputs: { x: [2, 3] },
    nodes: [{ op: "OneHot", in: ["i", "d", "v"], out: ["h"], attributes: { axis: 0 } }, ...one("MatMul", ["x", "h"])],
    tensors: { i: tensor([0, -1], [2], "int64"), d: tensor([3], [], "int64"), v: tensor([-1, 2], [2]) },
  },
  "CumSum, every way": {
    inputs: { x: [2, 3, 4] },
    nodes: [
      { op: "CumSum", in: ["x", "two"], out: ["a"] },
      { op: "CumSum", in: ["a", "one"], out: ["b"], attributes: { exclusive: 1 } },
      { op: "CumSum", in: ["b", "zero"], out: ["c"], attributes: { reverse: 1 } },
      ...one("CumSum", ["c", "last"], { exclusive: 1, reverse: 1 }),
    ],
    tensors: {
      two: tensor([2], [], "int64"),
      one: tensor([1], [], "int64"),
      zero: tensor([0], [], "int64"),
      last: tensor([-1], [], "int64"),
    },
  },
  "MatMul and Add": {
    inputs: { x: ["batch", 3] },
    free: 4,
    nodes: [{ op: "MatMul", in: ["x", "w"], out: ["z"] }, ...one("Add", ["z", "b"])],
    tensors: { w: weights(3, 5), b: weights(5) },
  },
  "a matrix on the left": {
    inputs: { x: [3, 1] },
    nodes: [{ op: "MatMul", in: ["w", "x"], out: ["z"] }, ...one("Add", ["z", "b"])],
    tensors: { w: weights(5, 3), b: weights(5, 1) },
  },
  "Gemm, all attributes": {
    inputs: { x: [3, 2] },
    nodes: one("Gemm", ["x", "w", "b"], { alpha: { float: 0.5 }, beta: { float: 2 }, transA: 1, transB: 1 }),
    tensors: { w: weights(4, 3), b: weights(4) },
  },
  "a weight behind Transpose and Identity": {
    inputs: x23,
    nodes: [
      { op: "Transpose", in: ["w"], out: ["t"], attributes: { perm: [1, 0] } },
      { op: "Identity", in: ["t"], out: ["i"] },
      ...one("MatMul", ["x", "i"]),
    ],
    tensors: { w: weights(4, 3) },
  },
  "an initialiser among the inputs": {
    inputs: { x: [2, 3], w: [3, 4] },
    nodes: one("MatMul", ["x", "w"]),
    tensors: { w: weights(3, 4) },
  },
  "nodes out of order": {
    inputs: x23,
    nodes: [...one("Relu", ["z"]), { op: "Neg", in: ["x"], out: ["z"] }],
  },
  "BatchNormalization, spatial 1 at opset 7": {
    opset: 7,
    inputs: image,
    nodes: one("BatchNormalization", ["x", "s", "b", "m", "v"], { spatial: 1, momentum: { float: 0.5 } }),
    tensors: { s: weights(4), b: weights(4), m: weights(4), v: floats(0.5, 1, 2, 3) },
  },
  "BatchNormalization of [batch, channels]": {
    opset: 15,
    inputs: { x: ["batch", 4] },
    free: 3,
    nodes: one("BatchNormalization", ["x", "s", "b", "m", "v"], { epsilon: { float: 0.1 } }),
    tensors: { s: weights(4), b: weights(4), m: weights(4), v: floats(0.5, 1, 2, 3) },
  },
  "Softmax over everything from axis 1 on": {
    opset: 11,
    inputs: { x: [2, 3, 4] },
    nodes: one("Softmax", ["x"]),
  },
  "Softmax over everything from axis 0 on": {
    opset: 9,
    inputs: { x: [2, 3] },
    nodes: one("LogSoftmax", ["x"], { axis: 0 }),
  },
  "Softmax over one axis": { opset: 13, inputs: { x: [2, 3, 4] }, nodes: one("Softmax", ["x"], { axis: 1 }) },
  "Pad, attributes": {
    opset: 10,
    inputs: x23,
    nodes: one("Pad", ["x"], { pads: [0, 1, 2, 0], mode: "constant", value: { float: 0.5 } }),
  },
  "Pad, inputs": {
    inputs: x23,
    nodes: one("Pad", ["x", "p", "v"]),
    tensors: { p: ints(1, 0, 0, 2), v: number(-1.5) },
  },
  "Pad, negative": { inputs: { x: [4, 5] }, nodes: one("Pad", ["x", "p"]), tensors: { p: ints(-1, 2, 0, -3) } },
  "Pad, axes": {
    opset: 18,
    inputs: { x: [2, 3, 4] },
    nodes: one("Pad", ["x", "p", "", "a"]),
    tensors: { p: ints(1, 2), a: ints(-1) },
  },
  "Pad, edge": {
    inputs: { x: [2, 5] },
    nodes: one("Pad", ["x", "p"], { mode: "edge" }),
    tensors: { p: ints(1, 2, 0, 3) },
  },
  "Pad, reflect": {
    inputs: { x: [2, 5] },
    nodes: one("Pad", ["x", "p"], { mode: "reflect" }),
    tensors: { p: ints(0, 2, 0, 3) },
  },
  "Pad, wrap": {
    opset: 19,
    inputs: { x: [2, 5] },
    nodes: one("Pad", ["x", "p"], { mode: "wrap" }),
    tensors: { p: ints(0, 2, 0, 3) },
  },
  "Conv with bias, groups, dilations": {
    inputs: image,
    nodes: one("Conv", ["x", "w", "b"], { group: 2, dilations: [2, 1], pads: [1, 0, 2, 1], strides: [1, 2] }),
    tensors: { w: weights(6, 2, 3, 3), b: weights(6) },
  },
  "Conv, SAME_UPPER": {
    inputs: image,
    nodes: one("Conv", ["x", "w"], { auto_pad: "SAME_UPPER", strides: [1, 4] }),
    tensors: { w: weights(3, 4, 2, 5) },
  },
  "Conv, VALID": {
    inputs: image,
    nodes: one("Conv", ["x", "w"], { auto_pad: "VALID", strides: [2, 2] }),
    tensors: { w: weights(3, 4, 2, 2) },
  },
  "Conv along one axis": { inputs: { x: [2, 3, 8] }, nodes: one("Conv", ["x", "w"]), tensors: { w: weights(4, 3, 3) } },
  "Conv the size of its input": {
    inputs: { x: ["batch", 4, 6, 6] },
    free: 2,
    nodes: [{ op: "Conv", in: ["x", "w", "b"], out: ["z"] }, ...one("Flatten", ["z"])],
    tensors: { w: weights(10, 4, 6, 6), b: weights(10) },
  },
  "ConvTranspose with groups and bias": {
    inputs: image,
    nodes: one("ConvTranspose", ["x", "w", "b"], {
      group: 2,
      strides: [2, 1],
      pads: [1, 0, 0, 1],
      output_padding: [1, 0],
    }),
    tensors: { w: weights(4, 3, 3, 2), b: weights(6) },
  },
  "ConvTranspose, SAME_LOWER": {
    inputs: image,
    nodes: one("ConvTranspose", ["x", "w"], { auto_pad: "SAME_LOWER", strides: [2, 2] }),
    tensors: { w: weights(4, 3, 3, 3) },
  },
  "ConvTranspose, output_shape": {
    inputs: image,
    nodes: one("ConvTranspose", ["x", "w"], { output_shape: [12, 11], strides: [2, 2] }),
    tensors: { w: weights(4, 3, 3, 3) },
  },
  "MaxPool, ceil": {
    inputs: image,
    nodes: one("MaxPool", ["x"], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, pads: [0, 1, 0, 1] }),
  },
  "AveragePool, ceil, pads counted": {
    inputs: image,
    nodes: one("AveragePool", ["x"], {
      kernel_shape: [3, 3],
      strides: [2, 2],
      ceil_mode: 1,
      pads: [1, 1, 1, 1],
      count_include_pad: 1,
    }),
  },
  "AveragePool, SAME_LOWER": {
    inputs: image,
    nodes: one("AveragePool", ["x"], { kernel_shape: [2, 2], auto_pad: "SAME_LOWER" }),
  },
  "Upsample, scales as attribute": {
    opset: 7,
    inputs: image,
    nodes: one("Upsample", ["x"], { scales: { floats: [1, 1, 2, 3] } }),
  },
  "Resize at opset 10": {
    opset: 10,
    inputs: image,
    nodes: one("Resize", ["x", "s"], { mode: "nearest" }),
    tensors: { s: floats(1, 1, 2, 0.5) },
  },
  "Resize by sizes": {
    inputs: image,
    nodes: one("Resize", ["x", "", "", "s"], { coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" }),
    tensors: { s: ints(2, 4, 9, 12) },
  },
  "Resize, half_pixel by odd scales": {
    inputs: image,
    nodes: one("Resize", ["x", "", "s"]),
    tensors: { s: floats(1, 1, 3, 1.5) },
  },
  "Resize, align_corners, axes": {
    opset: 18,
    inputs: image,
    nodes: one("Resize", ["x", "", "", "s"], {
      axes: [2, 3],
      coordinate_transformation_mode: "align_corners",
      nearest_mode: "ceil",
    }),
    tensors: { s: ints(11, 4) },
  },
  "DepthToSpace and back": {
    inputs: image,
    nodes: [
      { op: "DepthToSpace", in: ["x"], out: ["d"], attributes: { blocksize: 2 } },
      ...one("SpaceToDepth", ["d"], { blocksize: 3 }),
    ],
  },
  Tile: { inputs: x23, nodes: one("Tile", ["x", "r"]), tensors: { r: ints(2, 3) } },
  "Gather by negative indices": {
    inputs: x23,
    nodes: one("Gather", ["x", "i"], { axis: -1 }),
    tensors: { i: tensor([-1, 0, 2, -3], [2, 2], "int64") },
  },
  "Gather by a scalar of int32": {
    inputs: x23,
    nodes: one("Gather", ["x", "i"], { axis: 1 }),
    tensors: { i: tensor([1], [], "int32") },
  },
  "ReduceMean, axes as input": {
    opset: 18,
    inputs: { x: [2, 3, 4] },
    nodes: one("ReduceMean", ["x", "a"], { keepdims: 0 }),
    tensors: { a: ints(-1, 0) },
  },
  "ReduceMin, ReduceL1, ReduceLogSum, ReduceLogSumExp, ReduceProd": {
    inputs: { x: [2, 3, 4] },
    nodes: [
      { op: "ReduceMin", in: ["x"], out: ["a"], attributes: { axes: [1] } },
      { op: "ReduceL1", in: ["x"], out: ["b"], attributes: { axes: [0, 2] } },
      { op: "Exp", in: ["x"], out: ["e"] },
      { op: "ReduceLogSum", in: ["e"], out: ["c"], attributes: { axes: [2], keepdims: 0 } },
      { op: "ReduceLogSumExp", in: ["x"], out: ["d"] },
      { op: "ReduceProd", in: ["x"], out: ["f"], attributes: { axes: [-1], keepdims: 0 } },
    ],
    outputs: ["a", "b", "c", "d", "f"],
  },
  "ArgMax and ArgMin": {
    inputs: { x: [2, 5] },
    nodes: [
      { op: "ArgMax", in: ["x"], out: ["a"], attributes: { axis: 1 } },
      { op: "ArgMin", in: ["x"], out: ["b"], attributes: { axis: -1, keepdims: 0 } },
      { op: "Sub", in: ["a", "b"], out: ["c"] },
      { op: "Cast", in: ["c"], out: ["y"], attributes: { to: 1 } },
    ],
  },
  "operators with one input": {
    opset: 20,
    inputs: { x: [3, 4] },
    nodes: [
      ...["Ceil", "Reciprocal", "Mish", "Erf", "Softsign", "Selu", "Celu", "HardSwish", "ThresholdedRelu", "Gelu"],
    ].map((op) => ({ op, in: ["x"], out: [op] })),
    outputs: ["Ceil", "Reciprocal", "Mish", "Erf", "Softsign", "Selu", "Celu", "HardSwish", "ThresholdedRelu", "Gelu"],
  },
  CastLike: {
    inputs: x23,
    nodes: [
      { op: "CastLike", in: ["whole", "x"], out: ["w"] },
      { op: "Mul", in: ["x", "w"] },
    ],
    tensors: { whole: ints(1, 2, 3) },
  },
  "Gelu by tanh": { opset: 20, inputs: x23, nodes: one("Gelu", ["x"], { approximate: "tanh" }) },
  "logic and comparison": {
    inputs: { x: [3, 4], z: [4] },
    nodes: [
      { op: "Greater", in: ["x", "z"], out: ["g"] },
      { op: "LessOrEqual", in: ["x", "half"], out: ["l"] },
      { op: "Xor", in: ["g", "l"], out: ["o"] },
      { op: "Not", in: ["o"], out: ["n"] },
      { op: "And", in: ["n", "g"], out: ["a"] },
      { op: "Or", in: ["a", "l"], out: ["c"] },
      ...one("Where", ["c", "x", "z"]),
    ],
    tensors: { half: number(0.5) },
  },
  "Max, Min, Sum, Mean of several that broadcast": {
    inputs: { x: [3, 4], z: [4] },
    nodes: ["Max", "Min", "Sum", "Mean"].map((op) => ({ op, in: ["x", "z", "c"], out: [op] })),
    outputs: ["Max", "Min", "Sum", "Mean"],
    tensors: { c: weights(3, 1) },
  },
  "PRelu with a slope for each channel": {
    inputs: image,
    nodes: one("PRelu", ["x", "s"]),
    tensors: { s: weights(4, 1, 1) },
  },
  "Pow by whole numbers": { inputs: x23, nodes: one("Pow", ["x", "e"]), tensors: { e: tensor([2], [], "int64") } },
  InstanceNormalization: {
    inputs: image,
    nodes: one("InstanceNormalization", ["x", "s", "b"]),
    tensors: { s: weights(4), b: weights(4) },
  },
  "GroupNormalization, by channel": {
    opset: 21,
    inputs: image,
    nodes: one("GroupNormalization", ["x", "s", "b"], { num_groups: 2 }),
    tensors: { s: weights(4), b: weights(4) },
  },
  "GroupNormalization, by group": {
    opset: 18,
    inputs: image,
    nodes: one("GroupNormalization", ["x", "s", "b"], { num_groups: 2 }),
    tensors: { s: weights(2), b: weights(2) },
  },
  LpNormalization: { inputs: x23, nodes: one("LpNormalization", ["x"], { p: 1, axis: 1 }) },
  "LRN over more than all channels": { inputs: image, nodes: one("LRN", ["x"], { size: 9, alpha: { float: 0.2 } }) },
  "MeanVarianceNormalization, axes": {
    inputs: image,
    nodes: one("MeanVarianceNormalization", ["x"], { axes: [1, 2] }),
  },
  "com.microsoft": {
    domains: { "com.microsoft": 1 },
    inputs: { x: [2, 3, 3] },
    nodes: [
      {
        op: "FusedMatMul",
        domain: "com.microsoft",
        in: ["x", "x"],
        out: ["m"],
        attributes: { transB: 1, alpha: { float: 0.5 } },
      },
      { op: "Add", in: ["m", "eye"], out: ["a"] },
      { op: "Inverse", domain: "com.microsoft", in: ["a"], out: ["i"] },
      { op: "Gelu", domain: "com.microsoft", in: ["i"] },
    ],
    tensors: { eye: tensor([2, 0, 0, 0, 2, 0, 0, 0, 2], [3, 3]) },
  },
};

describe("readOnnx() on the forms of operators", () => {
  it.each(Object.entries(forms))("%s", async (_, { free = 1, ...model }) => {
    const bytes = modelOf(model);
    const network = parseOnnx(bytes);
    const nodes = network.inputs.map((p) => {
      const shape = p.shape.map((d) => (typeof d === "number" ? d : free));
      return input(p.name, shape);
    });
    const feeds = Object.fromEntries(
      network.inputs.map((p, i) => [p.name, normalTensor(random(3).fork(p.name), nodes[i].shape)]),
    );
    const built = network.build(nodes);
    const outputs = Object.fromEntries(network.outputs.map((name, i) => [name, built[i]]));
    const [judge, own] = [await engine.load(bytes), await engine.compile(outputs)];
    const used = Object.fromEntries(Object.keys(own.inputs).map((name) => [name, feeds[name]]));
    const [want, got, exact] = [await judge.run(feeds), await own.run(used), evaluate(outputs, used)];
    for (const name of network.outputs) {
      for (const t of [got[name], exact[name]]) {
        expect(t.shape).toEqual(want[name].shape);
        const b = toFloat64(want[name]);
        const worst = toFloat64(t).reduce(
          (most, v, k) => Math.max(most, Math.abs(v - b[k]) / Math.max(1, Math.abs(b[k]))),
          0,
        );
        expect(worst).toBeLessThan(1e-5);
      }
      expect(got[name].dtype).toBe(want[name].dtype);
    }
    await Promise.all([judge.dispose(), own.dispose()]);
    // And node by node.
    await expect(checkModel(bytes, { engine })).resolves.toHaveProperty("nodes");
  });
});
