/** @file What the checker computes of an operator is what ONNX Runtime computes of the same bytes, for a spread of attributes; and what it refuses. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { engine, points } from "../../../test/certificates.ts";
import { type ModelOf, modelOf, type NodeOf, type Value } from "../../../test/model.ts";
import { type GraphProto, ModelProtoSchema, TypeProtoSchema } from "../../onnx/proto.ts";
import { type Tensor, tensor, toFloat64 } from "../../tensor/tensor.ts";
import { runOn } from "../proof/run.ts";
import { runAtOnce } from "../task.ts";
import { readProgram } from "../verify.ts";

type Tensors = NonNullable<ModelOf["tensors"]>;

const ints = (...values: number[]): Tensor => tensor(BigInt64Array.from(values, BigInt), [values.length], "int64");
const float = (float: number): Value => ({ float });
const drawn = (shape: readonly number[], seed = 1): Tensor => {
  const size = shape.reduce((n, d) => n * d, 1);
  return tensor(
    Array.from({ length: size }, (_, k) => Math.sin(12.9898 * (k + 1) * seed) * 1.5),
    shape,
  );
};

/** A model of one sample whose last node makes "z", which is flattened to "y", a matrix; or one whose output is "z" itself. */
function bytesOf(
  shape: readonly number[],
  nodes: readonly NodeOf[],
  tensors: Tensors,
  opset: number,
  outputs: readonly string[] = ["y"],
): Uint8Array {
  const last = nodes[nodes.length - 1];
  const model = fromBinary(
    ModelProtoSchema,
    modelOf({
      opset,
      inputs: { x: [1, ...shape] },
      nodes: [
        ...nodes.slice(0, -1),
        { ...last, out: last.out ?? ["z"] },
        { op: "Flatten", in: ["z"], attributes: { axis: 0 } },
      ],
      outputs,
      ...(nodes.some((node) => node.domain === "ai.onnx.ml") ? { domains: { "ai.onnx.ml": 3 } } : {}),
      tensors,
    }),
  );
  const dim = [
    { value: { case: "dimValue" as const, value: 1n } },
    { value: { case: "dimParam" as const, value: "n" } },
  ];
  const type = create(TypeProtoSchema, { value: { case: "tensorType", value: { elemType: 1, shape: { dim } } } });
  if (outputs[0] === "y") (model.graph as GraphProto).output[0].type = type;
  return toBinary(ModelProtoSchema, model);
}

/** Samples around 0, run by the checker in doubles and by the runtime in float32. */
async function agree(shape: readonly number[], nodes: readonly NodeOf[], tensors: Tensors = {}, opset = 17) {
  const bytes = bytesOf(shape, nodes, tensors, opset);
  const data = points(shape, 3, 4);
  const x = data.x.map((v) => 6 * v - 3);
  const read = readProgram(bytes, {}, shape);
  const ours = runAtOnce(runOn(read, x)).outputs;
  const program = await engine.load(bytes);
  const size = x.length / 3;
  const theirs: number[] = [];
  for (let k = 0; k < 3; k++) {
    const { y } = await program.run({ x: tensor(x.slice(k * size, (k + 1) * size), [1, ...shape]) });
    theirs.push(...toFloat64(y));
  }
  await program.dispose();
  const before = await engine.load(bytesOf(shape, nodes, tensors, opset, ["z"]));
  const { z } = await before.run({ x: tensor(x.slice(0, size), [1, ...shape]) });
  await before.dispose();
  // What is passed on has no step.
  const own = read.byTensor.get("z");
  if (own) expect(own.shape).toEqual(z.shape);
  // A single output counts as (0, y).
  const all = theirs.length === 3 ? theirs.flatMap((v) => [0, v]) : theirs;
  expect(ours.length).toBe(all.length);
  ours.forEach((v, i) => {
    expect(Math.abs(v - all[i]), `number ${i}: ${v}, the runtime has ${all[i]}`).toBeLessThan(2e-5 * (1 + Math.abs(v)));
  });
}

const refused = (shape: readonly number[], nodes: readonly NodeOf[], tensors: Tensors, opset: number, why: RegExp) =>
  expect(() => readProgram(bytesOf(shape, nodes, tensors, opset), {}, shape)).toThrow(why);

interface Case {
  readonly name: string;
  readonly shape: readonly number[];
  readonly nodes: readonly NodeOf[];
  readonly tensors?: Tensors;
  readonly opset?: number;
}

/** One node of x and constants that are named by their keys in order. */
function one(
  op: string,
  shape: readonly number[],
  attributes: Readonly<Record<string, Value>> = {},
  tensors: Tensors = {},
  opset = 17,
): Case {
  const said = JSON.stringify(attributes, (_, v) => (typeof v === "bigint" ? Number(v) : v));
  const given = Object.entries(tensors).map(([name, t]) => {
    if (!("data" in t)) return name;
    return `${name} ${t.data.length < 8 ? `[${[...t.data]}]` : `of shape [${t.shape}]`}`;
  });
  const name = `${op} of [${shape}] ${said} ${given.join(", ")} in set ${opset}`;
  return { name, shape, nodes: [{ op, in: ["x", ...Object.keys(tensors)], attributes }], tensors, opset };
}

const splits: Case[] = (
  [
    [[6], 1, undefined, 17, 2],
    [[5, 4], -1, undefined, 17, 2],
    [[5, 4], 1, [1, 3, 1], 17, 3],
    [[5, 4], -2, [2, 3], 13, 2],
    [[7], 1, undefined, 18, 3],
    [[4], 1, [1, 3], 11, 2],
  ] as const
).map(([shape, axis, sizes, opset, n]): Case => {
  const out = Array.from({ length: n }, (_, i) => `part${i}`);
  const attributes: Record<string, Value> = {
    axis,
    ...(sizes && opset < 13 ? { split: sizes } : {}),
    ...(!sizes && opset >= 18 ? { num_outputs: n } : {}),
  };
  const input = sizes && opset >= 13 ? ["x", "sizes"] : ["x"];
  return {
    name: `Split of [${shape}] along ${axis} by ${sizes ?? n} in set ${opset}`,
    shape,
    opset,
    ...(sizes && opset >= 13 ? { tensors: { sizes: ints(...sizes) } } : {}),
    nodes: [
      { op: "Split", in: input, out, attributes },
      { op: "Concat", in: [...out].reverse(), attributes: { axis } },
    ],
  };
});

const linear: Case[] = [
  ...splits,
  one("Expand", [1, 3], {}, { to: ints(4, 1) }),
  one("Expand", [2, 1], {}, { to: ints(2, 1, 1, 3) }),
  one("Tile", [2, 3], {}, { repeats: ints(1, 2, 3) }),
  one("Flatten", [2, 3], { axis: -1 }),
  one("Flatten", [2, 3], { axis: 3 }),
  one("Flatten", [2, 3], { axis: -3 }),
  one("Reshape", [2, 3], { allowzero: 1 }, { to: ints(3, -1) }),
  one("Squeeze", [1, 3]),
  one("Squeeze", [1, 3, 1], {}, { axes: ints(-1, 1) }),
  one("Squeeze", [1, 3], { axes: [1] }, {}, 11),
  one("Unsqueeze", [3], {}, { axes: ints(-1, 0) }),
  one("Identity", [3]),
  one("Dropout", [3], { ratio: float(0.5) }, {}, 11),
  one("Pad", [2, 3], {}, { pads: ints(0, 1, 2, 0, 0, 1) }),
  one("Pad", [2, 3], {}, { pads: ints(0, -1, 2, 0, 0, 1), fill: tensor([0.5], []) }),
  one("Pad", [2, 3], { mode: "reflect" }, { pads: ints(0, 1, 2, 0, 0, 1) }),
  one("Pad", [2, 3], { mode: "edge" }, { pads: ints(0, 1, 4, 0, 3, 1) }),
  one("Pad", [2, 3], { mode: "wrap" }, { pads: ints(0, 1, 2, 0, 0, 3) }, 19),
  one("Pad", [2, 3], { pads: [0, 1, 2, 0, 0, 1], value: float(-0.25) }, {}, 10),
  {
    ...one("Pad", [2, 3]),
    name: "Pad of some axes",
    opset: 18,
    tensors: { pads: ints(1, 2, 0, 3), axes: ints(-1, 1) },
    nodes: [{ op: "Pad", in: ["x", "pads", "", "axes"] }],
  },
  one("Slice", [4, 5], {}, { s: ints(-1, 0), e: ints(-9, 4), a: ints(2, 1), t: ints(-2, 3) }),
  one("Slice", [4, 5], { starts: [1, -3], ends: [3, 1000], axes: [1, -1] }, {}, 9),
  one("Gather", [4, 3], { axis: -2 }, { i: ints(3, -4, 1, 1) }),
  one("Gather", [4, 3], { axis: 2 }, { i: tensor(BigInt64Array.of(-1n), [], "int64") }),
  one("ReduceSum", [2, 3], { keepdims: 0 }, { axes: ints(-2) }),
  one("ReduceSum", [2, 3], { keepdims: 1 }),
  one("ReduceMean", [4, 2, 3], { axes: [1], keepdims: 0 }),
  one("ReduceMean", [4, 2, 3], { axes: [-1, 1], keepdims: 1 }),
  one("ReduceMean", [4, 2, 3], { keepdims: 0 }, { axes: ints(2, -3) }, 18),
  one("ReduceMean", [4, 2]),
  one("ReduceMax", [4, 2, 3], { axes: [1], keepdims: 0 }),
  one("ReduceMax", [4, 2, 3], { keepdims: 1 }, { axes: ints(-1, 1) }, 18),
  one("ReduceL1", [4, 2, 3], { axes: [-1, 1] }),
  one("ReduceL1", [4, 2], { keepdims: 0 }, { axes: ints(1) }, 18),
  one("ReduceMin", [4, 2, 3], { axes: [-1], keepdims: 0 }),
  ...[
    ["x", "c"],
    ["c", "x", "c"],
  ].map((names) => ({
    ...one("Concat", [2, 3]),
    name: `Concat of ${names}`,
    nodes: [
      { op: "Concat", in: ["d", "d"], out: ["c"], attributes: { axis: -2 } },
      { op: "Concat", in: names, attributes: { axis: 2 } },
    ],
    tensors: { d: drawn([1, 1, 2]) },
  })),
  one("Add", [3, 1], {}, { c: drawn([2, 1, 4]) }),
  one("Mul", [3, 1], {}, { c: drawn([1, 4]) }),
  one("Div", [3, 1], {}, { c: tensor([2, -0.5, 3, 7]) }),
  one("Sub", [4], {}, { c: drawn([3, 1]) }),
  { ...one("Sub", [4]), nodes: [{ op: "Sub", in: ["c", "x"] }], tensors: { c: drawn([2, 1, 4]) }, name: "c - x" },
  { ...one("Sum", [4]), nodes: [{ op: "Sum", in: ["c", "x", "d", "x"] }], tensors: { c: drawn([4]), d: drawn([]) } },
  {
    ...one("Mean", [4]),
    nodes: [
      { op: "Neg", in: ["x"], out: ["n"] },
      { op: "Abs", in: ["n"], out: ["m"] },
      { op: "Mean", in: ["c", "x", "m"] },
    ],
    tensors: { c: drawn([2, 1]) },
  },
  {
    ...one("Sub", [2, 3]),
    name: "a tensor less its mean",
    nodes: [
      { op: "ReduceMean", in: ["x"], out: ["m"], attributes: { axes: [-1] } },
      { op: "Sub", in: ["x", "m"] },
    ],
  },
  one("MatMul", [3, 2], {}, { W: drawn([2, 4]) }),
  one("MatMul", [3, 2], {}, { W: drawn([1, 2, 4]) }),
  one("MatMul", [5, 3, 2], {}, { W: drawn([5, 2, 4]) }),
  one("MatMul", [3, 2], {}, { W: drawn([2]) }),
  ...[[4, 3], [3], [2, 1, 4, 3]].map((shape) => ({
    ...one("MatMul", [3, 2]),
    name: `MatMul of a constant [${shape}]`,
    nodes: [{ op: "MatMul", in: ["W", "x"] }],
    tensors: { W: drawn(shape) },
  })),
  ...(
    [
      [{ transB: 1 }, [2, 3]],
      [{ transA: 1 }, [4, 2]],
      [{ alpha: float(0.5), beta: float(2), transA: 1, transB: 1 }, [2, 4]],
    ] as const
  ).map(([attributes, shape], k) => ({
    ...one("Gemm", [4, 3]),
    name: `Gemm of several rows, ${JSON.stringify(attributes)}`,
    nodes: [
      { op: "Squeeze", in: ["x"], out: ["s"], attributes: { axes: [0] } },
      { op: "Gemm", in: ["s", "W", "C"], attributes },
    ],
    opset: 11,
    tensors: { W: drawn(shape), C: k === 0 ? drawn([2]) : drawn([3, 1]) },
  })),
  ...(
    [
      ["bij,jk->bik", [3, 2], [2, 4]],
      ["bij,kj->bki", [3, 2], [4, 2]],
      ["bhij,hjk->bihk", [2, 3, 2], [2, 2, 4]],
      ["bij,i->bj", [3, 2], [3]],
      ["bi,ij->bj", [3], [3, 4]],
      ["bi, jk -> bijk", [3], [2, 2]],
    ] as const
  ).map(([equation, shape, of]) => one("Einsum", shape, { equation }, { W: drawn(of) })),
  one("Einsum", [3, 2], { equation: "bij->jb" }),
];

const pointwise: Case[] = [
  one("Celu", [5], { alpha: float(0.5) }),
  one("Celu", [5]),
  one("ThresholdedRelu", [5], { alpha: float(0) }),
  one("Mish", [5], {}, {}, 18),
  one("Sin", [5]),
  one("Cos", [5]),
  one("Gelu", [5], {}, {}, 20),
  one("Gelu", [5], { approximate: "tanh" }, {}, 20),
  one("Swish", [5], { alpha: float(1.7) }, {}, 24),
  one("Selu", [5], { alpha: float(1.5), gamma: float(0.75) }),
  one("Elu", [5], { alpha: float(0.3) }),
  one("HardSigmoid", [5], { alpha: float(0.3), beta: float(-0.2) }),
  one("HardSigmoid", [5]),
  one("HardSwish", [5]),
  one("Softplus", [5]),
  one("Softsign", [5]),
  one("LeakyRelu", [5]),
  one("LeakyRelu", [5], { alpha: float(-0.5) }),
  one("PRelu", [3, 2, 2], {}, { s: tensor([0.25, -0.5, 1.5], [3, 1, 1]) }),
  one("PRelu", [4], {}, { s: tensor([0.25, -0.5, 1.5, 3]) }),
  one("PRelu", [4], {}, { s: tensor([-1.5], []) }),
  one("Clip", [5], {}, { least: tensor([-0.5], []) }),
  one("Clip", [5], { max: float(0.5) }, {}, 10),
  {
    ...one("Clip", [5]),
    name: "Clip from above",
    nodes: [{ op: "Clip", in: ["x", "", "c"] }],
    tensors: { c: tensor([1], []) },
  },
  one("Max", [5], {}, { c: tensor([0.5]) }),
  one("Min", [3, 2], {}, { c: drawn([3, 1]), d: drawn([2], 3) }),
  one("Max", [5], {}, { c: tensor([0], []) }),
  {
    ...one("Max", [5]),
    name: "Max of three tensors and a constant",
    nodes: [
      { op: "Neg", in: ["x"], out: ["n"] },
      { op: "Sin", in: ["x"], out: ["s"] },
      { op: "Max", in: ["s", "c", "x", "n"] },
    ],
    tensors: { c: drawn([5]) },
  },
  {
    ...one("Min", [5]),
    name: "Min of three tensors",
    nodes: [
      { op: "Neg", in: ["x"], out: ["n"] },
      { op: "Sin", in: ["x"], out: ["s"] },
      { op: "Min", in: ["s", "x", "n"] },
    ],
  },
  {
    ...one("Mul", [5]),
    name: "Mish of its parts",
    nodes: [
      { op: "Softplus", in: ["x"], out: ["s"] },
      { op: "Tanh", in: ["s"], out: ["t"] },
      { op: "Mul", in: ["x", "t"] },
    ],
  },
  {
    ...one("Mul", [5]),
    name: "hard swish of its parts",
    nodes: [
      { op: "HardSigmoid", in: ["x"], out: ["h"], attributes: { alpha: float(1 / 6) } },
      { op: "Mul", in: ["h", "x"] },
    ],
  },
];

const image = [4, 5, 3];
const windows: Case[] = [
  ...(
    [
      [[4, 2, 3, 2], {}],
      [[4, 2, 3, 2], { strides: [2, 3] }],
      [[4, 2, 3, 2], { strides: [2, 3], output_padding: [1, 2], pads: [1, 0, 0, 1] }],
      [[4, 2, 2, 2], { dilations: [2, 3], strides: [2, 1], pads: [1, 2, 2, 0] }],
      [[4, 1, 3, 2], { group: 2, strides: [2, 2] }],
      [[4, 3, 3, 2], { group: 4, auto_pad: "VALID", kernel_shape: [3, 2] }],
    ] as const
  ).flatMap(([of, attributes], k) => {
    const group = "group" in attributes ? attributes.group : 1;
    const tensors: Tensors = k % 2 === 0 ? { W: drawn(of) } : { W: drawn(of), b: drawn([of[1] * group], 2) };
    return [one("ConvTranspose", image, attributes, tensors)];
  }),
  one("ConvTranspose", [4, 5], { strides: [3], output_padding: [1], pads: [2, 1] }, { W: drawn([4, 2, 4]) }),
  ...["MaxPool", "AveragePool"].flatMap((op) => [
    one(op, [2, 5, 7], { kernel_shape: [2, 3], strides: [2, 2], ceil_mode: 1 }),
    one(op, [2, 5, 6], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1, pads: [1, 1, 0, 1] }),
    one(op, [2, 6], { kernel_shape: [2], strides: [3], ceil_mode: 1 }),
    // A last window that would begin in the zeros.
    one(op, [2, 4], { kernel_shape: [2], strides: [2], ceil_mode: 1, pads: [1, 1] }),
    one(op, [2, 7], { kernel_shape: [2], strides: [5], ceil_mode: 1, pads: [0, 1] }),
    one(op, [2, 7, 6], { kernel_shape: [2, 2], dilations: [3, 2], pads: [1, 0, 1, 1] }, {}, 19),
    one(op, [2, 5, 5], { kernel_shape: [3, 3], auto_pad: "SAME_LOWER", strides: [2, 2] }),
  ]),
  ...["MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"].map(
    (op): Case => ({
      ...one(op, [4, 3, 2]),
      name: `${op} of two images in one sample`,
      nodes: [
        { op: "Reshape", in: ["x", "to"], out: ["r"] },
        { op, in: ["r"], attributes: op.startsWith("Global") ? {} : { kernel_shape: [2, 2] } },
      ],
      tensors: { to: ints(2, 2, 3, 2) },
    }),
  ),
  one("Upsample", [2, 3, 2], { scales: { floats: [1, 1, 2, 3] } }, {}, 7),
  one("Upsample", [2, 3, 2], { mode: "nearest" }, { scales: tensor([1, 2, 1, 2]) }, 9),
  one("AveragePool", [2, 5, 5], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 }),
];

const casts: Case[] = [
  one("Cast", [3], { to: 1 }),
  {
    ...one("Cast", [3]),
    name: "a cast of constants in doubles",
    nodes: [
      { op: "Cast", in: ["W"], out: ["w"], attributes: { to: 1 } },
      { op: "MatMul", in: ["x", "w"] },
    ],
    tensors: {
      W: tensor(
        Float64Array.from({ length: 6 }, (_, k) => Math.sin(k + 1)),
        [3, 2],
        "float64",
      ),
    },
  },
  {
    ...one("Cast", [3]),
    name: "a cast of a length",
    nodes: [
      { op: "Shape", in: ["x"], out: ["s"] },
      { op: "Cast", in: ["s"], out: ["n"], attributes: { to: 1 } },
      { op: "Gather", in: ["n", "i"], out: ["d"] },
      { op: "Div", in: ["x", "d"] },
    ],
    tensors: { i: ints(1) },
  },
  {
    ...one("Reshape", [2, 3]),
    name: "a shape that is calculated in 32 bits",
    nodes: [
      { op: "Shape", in: ["x"], out: ["s"] },
      { op: "Cast", in: ["s"], out: ["n"], attributes: { to: 6 } },
      { op: "Slice", in: ["n", "from", "to"], out: ["first"] },
      { op: "Concat", in: ["first", "six"], out: ["all"], attributes: { axis: 0 } },
      { op: "Cast", in: ["all"], out: ["to64"], attributes: { to: 7 } },
      { op: "Reshape", in: ["x", "to64"] },
    ],
    tensors: { from: ints(0), to: ints(1), six: tensor(Int32Array.of(6), [1], "int32") },
  },
  {
    ...one("Expand", [3]),
    name: "constants of a calculated shape",
    nodes: [
      { op: "Shape", in: ["x"], out: ["s"] },
      { op: "ConstantOfShape", in: ["s"], out: ["c"], attributes: { value: tensor([0.5]) } },
      { op: "Add", in: ["x", "c"] },
    ],
  },
];

const learned: Case[] = (
  [
    ["Scaler", [4], { offset: { floats: [0.5, -1, 2, 0.25] }, scale: { floats: [2, 0.5, -1, 3] } }],
    ["Scaler", [4], { offset: { floats: [0.5] }, scale: { floats: [2] } }],
    ["LinearRegressor", [3], { coefficients: { floats: [1, -2, 0.5] }, intercepts: { floats: [0.25] } }],
    ["LinearRegressor", [3], { targets: 2, coefficients: { floats: [1, -2, 0.5, 3, 0.1, -0.7] } }],
  ] as const
).map(([op, shape, attributes]): Case => {
  const made = one(op, shape, attributes);
  return { ...made, nodes: [{ ...made.nodes[0], domain: "ai.onnx.ml" }] };
});
const chosen: Case = {
  ...one("ArrayFeatureExtractor", [2, 4], {}, { i: ints(3, 0, 0) }),
  nodes: [{ op: "ArrayFeatureExtractor", in: ["x", "i"], domain: "ai.onnx.ml" }],
};

describe("the checker computes what the runtime does", () => {
  it.each(windows.map((c) => [c.name, c] as const))("%s", (_, c) => agree(c.shape, c.nodes, c.tensors, c.opset));
  it.each(casts.map((c) => [c.name, c] as const))("%s", (_, c) => agree(c.shape, c.nodes, c.tensors, c.opset));
  it.each([...learned, chosen].map((c) => [c.name, c] as const))("%s", (_, c) =>
    agree(c.shape, c.nodes, c.tensors, c.opset),
  );
  it.each(linear.map((c) => [c.name, c] as const))("%s", (_, c) => agree(c.shape, c.nodes, c.tensors, c.opset));
  it.each(pointwise.map((c) => [c.name, c] as const))("%s", (_, c) => agree(c.shape, c.nodes, c.tensors, c.opset));

  it("a mask of Dropout that nothing reads", () =>
    agree([3], [{ op: "Dropout", in: ["x"], out: ["z", "mask"] }], {}, 11));

  it("parts of Split that nothing reads", () =>
    agree(
      [6],
      [
        { op: "Split", in: ["x"], out: ["p", "q", "r"], attributes: { axis: 1 } },
        { op: "Neg", in: ["q"] },
      ],
    ));
});

describe("the checker refuses", () => {
  it.each([
    [one("ThresholdedRelu", [5]), /settings are not known/],
    [one("ReduceMean", [3], { noop_with_empty_axes: 1 }, {}, 18), /name its axes, or reduce all/],
    [one("Pad", [3], { mode: "reflect" }, { pads: ints(0, 3, 0, 0) }), /not be longer than its axes/],
    [one("Pad", [3], { mode: "edge" }, { pads: ints(0, -1, 0, 0) }), /must not cut/],
    [one("Pad", [3], { mode: "other" }, { pads: ints(0, 1, 0, 0) }), /mode must be/],
    [one("Pad", [3], {}, { pads: ints(0, -4, 0, 4) }), /not cut all of an axis/],
    [one("Split", [5], { axis: 1, num_outputs: 2 }, {}, 18), /num_outputs must be/],
    [one("Einsum", [3, 3], { equation: "bii->bi" }), /a letter must be in a term once/],
    [one("Einsum", [3, 3], { equation: "...i->..." }), /its equation must be letters/],
    [one("Einsum", [3], { equation: "bi,jk->bik" }, { W: drawn([2, 2]) }), /what is summed over must vary/],
    [one("PRelu", [3], {}, { s: drawn([2, 1]) }), /must fit/],
    [one("PRelu", [3], {}, { s: tensor([9], []) }), /steeper than 8/],
    [one("Gelu", [3], { approximate: "erf" }, {}, 20), /none or tanh/],
    [one("Reshape", [6], { allowzero: 1 }, { to: ints(0, 6) }), /must have no 0/],
    [one("Reshape", [5], {}, { to: ints(3, -1) }), /must fit/],
    [one("Celu", [5], { alpha: float(-1) }), /settings are not known/],
    [one("ConvTranspose", image, { auto_pad: "SAME_UPPER" }, { W: drawn([4, 2, 3, 2]) }), /auto_pad SAME_UPPER is not/],
    [one("ConvTranspose", image, { output_shape: [9, 9] }, { W: drawn([4, 2, 3, 2]) }), /output_shape is not known/],
    [one("ConvTranspose", image, { output_padding: [1, 1] }, { W: drawn([4, 2, 3, 2]) }), /less than a stride/],
    [one("ConvTranspose", image, { group: 3 }, { W: drawn([4, 2, 3, 2]) }), /channels must fit/],
    [one("AveragePool", [2, 6], { kernel_shape: [3], ceil_mode: 1, count_include_pad: 1 }), /is not known/],
    [one("MaxPool", [2, 6], { kernel_shape: [3], ceil_mode: 1, auto_pad: "SAME_UPPER" }), /beside auto_pad/],
    [one("MaxPool", [2, 2], { kernel_shape: [2], dilations: [4], pads: [3, 3] }), /reads nothing of the image/],
    [one("AveragePool", [2, 6], { kernel_shape: [2], strides: [3], auto_pad: "SAME_LOWER" }), /leave the end unread/],
    [one("Upsample", [2, 3, 2], { mode: "linear", scales: { floats: [1, 1, 2, 3] } }, {}, 7), /it must be nearest/],
    [one("Upsample", [2, 3, 2], { scales: { floats: [1, 1, 2, 1.5] } }, {}, 7), /whole factor/],
    [one("Cast", [3], { to: 10 }), /what varies is float32/],
    [one("Cast", [3], { to: 7 }), /only whole numbers/],
    [one("Scaler", [3]), /the operator is not known/],
  ] as const)("%s", (c, why) => refused(c.shape, c.nodes, c.tensors ?? {}, c.opset ?? 17, why));

  it("a whole number beyond 2^53 where it is a number, which only counts as large", () =>
    refused(
      [1],
      [
        { op: "Cast", in: ["n"], out: ["c"], attributes: { to: 1 } },
        { op: "Add", in: ["x", "c"] },
      ],
      { n: tensor(BigInt64Array.of(-(2n ** 63n)), [1], "int64") },
      17,
      /a whole number is out of range/,
    ));

  it("what reads the mask of a Dropout", () =>
    refused(
      [3],
      [
        { op: "Dropout", in: ["x"], out: ["d", "mask"] },
        { op: "Add", in: ["d", "mask"] },
      ],
      {},
      11,
      /its input "mask" is not there/,
    ));
});
