/** @file What parseOnnx() takes, and what it refuses with one clear word instead of reading it in part. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { evaluate } from "../../src/engine/reference.ts";
import { topological } from "../../src/graph/graph.ts";
import { constant, input, isConstant, isInput } from "../../src/graph/leaf.ts";
import { originOf } from "../../src/graph/origin.ts";
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  FunctionProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
} from "../../src/onnx/proto.ts";
import { modelHash, parseOnnx } from "../../src/onnx/read.ts";
import { ReadError, ShapeError, UnsupportedOperatorError } from "../../src/tensor/errors.ts";
import { tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { type ModelOf, modelOf, tensorProto } from "../model.ts";

const x23 = { x: [2, 3] };
const relu: ModelOf = { inputs: x23, nodes: [{ op: "Relu", in: ["x"] }] };

/** The outputs of a model for the numbers 1, 2, 3... */
function run(model: ModelOf, ...sizes: readonly (readonly number[])[]): number[][] {
  const network = parseOnnx(modelOf(model));
  const nodes = network.inputs.map((p, i) => input(p.name, sizes[i] ?? p.shape.map(Number), p.dtype));
  const built = network.build(nodes);
  const feeds = nodes.map(({ shape, dtype }, i) => {
    const size = shape.reduce((a, b) => a * b, 1);
    return [
      network.inputs[i].name,
      tensor(
        Array.from({ length: size }, (_, k) => k + 1),
        shape,
        dtype,
      ),
    ] as const;
  });
  const values = evaluate(
    Object.fromEntries(network.outputs.map((name, i) => [name, built[i]])),
    Object.fromEntries(feeds),
  );
  return network.outputs.map((name) => [...toFloat64(values[name])]);
}

function refusal(model: ModelOf): UnsupportedOperatorError {
  try {
    parseOnnx(modelOf(model), { name: "net" });
  } catch (cause) {
    if (cause instanceof UnsupportedOperatorError) return cause;
    throw cause;
  }
  throw new Error("it was read");
}

const reading = (model: ModelOf, external?: (location: string) => Uint8Array) => () =>
  parseOnnx(modelOf(model), { name: "net", ...(external ? { external } : {}) });

/** The bytes of a model with graphs put into a node. */
function withGraphs(bytes: Uint8Array, name: string, graphs: Readonly<Record<string, GraphProto>>): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const node = (model.graph as GraphProto).node.find((n) => n.name === name);
  for (const [key, g] of Object.entries(graphs)) {
    node?.attribute.push(create(AttributeProtoSchema, { name: key, type: AttributeProto_AttributeType.GRAPH, g }));
  }
  return toBinary(ModelProtoSchema, model);
}

describe("readOnnx()", () => {
  it("says what goes in and comes out", () => {
    const network = parseOnnx(modelOf({ ...relu, inputs: { x: ["batch", 3] }, metadata: { author: "nobody" } }), {
      name: "net",
    });
    expect(network.name).toBe("net");
    expect(network.inputs).toEqual([{ name: "x", shape: ["batch", 3], dtype: "float32" }]);
    expect(network.outputs).toEqual(["y"]);
    expect(network.metadata).toEqual({ author: "nobody" });
  });

  it("builds on any batch, in float64 too", () => {
    const network = parseOnnx(
      modelOf({
        inputs: { x: ["batch", 2] },
        nodes: [{ op: "Gemm", in: ["x", "w", "b"], attributes: { transB: 1 } }],
        tensors: { w: tensor([1, 2, 3, 4], [2, 2]), b: tensor([0.1, 0.2]) },
      }),
    );
    const [y] = network.build([input("x", [5, 2], "float64")]);
    expect([y.dtype, y.shape]).toEqual(["float64", [5, 2]]);
    expect(topological([y]).every((n) => n.dtype === "float64")).toBe(true);
  });

  it("keeps the name of a node whose weight is computed while it is read", () => {
    const network = parseOnnx(
      modelOf({
        inputs: { x: ["batch", 2] },
        nodes: [{ op: "Gemm", name: "/1/Gemm", in: ["x", "w", "b"], attributes: { transB: 1 } }],
        tensors: { w: tensor([1, 2, 3, 4], [2, 2]), b: tensor([0.1, 0.2]) },
      }),
    );
    const computed = topological(network.build([input("x", [1, 2])])).filter((n) => !isConstant(n) && !isInput(n));
    expect(computed.map((n) => n.op.name)).toContain("MatMul");
    for (const node of computed) expect(originOf(node)).toEqual({ name: "/1/Gemm", operator: "Gemm" });
  });

  it("leaves weights as constants, whatever they went through", () => {
    const network = parseOnnx(
      modelOf({
        inputs: x23,
        nodes: [
          { op: "Transpose", in: ["w"], out: ["t"], attributes: { perm: [1, 0] } },
          { op: "Mul", in: ["t", "scale"], out: ["s"] },
          { op: "Unsqueeze", in: ["s", "axis"], out: ["u"] },
          { op: "Squeeze", in: ["u"], out: ["q"] },
          { op: "MatMul", in: ["x", "q"] },
        ],
        tensors: {
          w: tensor([1, 2, 3, 4, 5, 6], [2, 3]),
          scale: tensor([2], []),
          axis: tensor([0], [1], "int64"),
        },
      }),
    );
    const nodes = topological(network.build([input("x", [2, 3])]));
    expect(nodes.filter((n) => !isConstant(n) && !isInput(n)).map((n) => n.op.name)).toEqual(["MatMul"]);
  });

  it("makes batch normalisation one factor and one offset", () => {
    const network = parseOnnx(
      modelOf({
        inputs: { x: ["batch", 2] },
        nodes: [{ op: "BatchNormalization", in: ["x", "s", "b", "m", "v"] }],
        tensors: { s: tensor([1, 2]), b: tensor([3, 4]), m: tensor([5, 6]), v: tensor([7, 8]) },
      }),
    );
    const names = topological(network.build([input("x", [4, 2])])).map((n) => n.op.name);
    expect(names.filter((name) => name === "Div" || name === "Sqrt")).toEqual([]);
  });

  it("takes initialisers that are listed as inputs for what they are", () => {
    const network = parseOnnx(
      modelOf({
        inputs: { x: [2, 3], w: [3, 1], unused: [4] },
        nodes: [{ op: "MatMul", in: ["x", "w"] }],
        tensors: { w: tensor([1, 2, 3], [3, 1]), unused: tensor([1, 2, 3, 4]) },
      }),
    );
    expect(network.inputs.map((p) => p.name)).toEqual(["x"]);
  });

  it("leaves out an input that nothing reads, and keeps an output that is an input or a constant", () => {
    const tensors = { c: tensor([7]) };
    const network = parseOnnx(modelOf({ inputs: { x: [1], z: [2] }, nodes: [], outputs: ["z", "c"], tensors }));
    expect(network.inputs.map((p) => p.name)).toEqual(["z"]);
    const z = input("z", [2]);
    expect(network.build([z])[0]).toBe(z);
    const still = parseOnnx(modelOf({ inputs: { x: [1] }, nodes: [], outputs: ["c"], tensors }));
    expect(still.inputs.map((p) => p.name)).toEqual(["x"]);
  });

  it("takes the branch of an If whose condition is known, and no node of the other", () => {
    const branch = (op: string, from: string) =>
      create(GraphProtoSchema, {
        name: "branch",
        node: [{ opType: op, input: [from, "two"], output: ["own"] }],
        initializer: [{ ...tensorProto("two", tensor([2])) }],
        output: [{ name: "own" }],
      });
    const model = (sizes: readonly number[]) =>
      withGraphs(
        modelOf({
          inputs: { x: ["batch", 2] },
          nodes: [
            { op: "Shape", in: ["x"], out: ["s"] },
            { op: "Gather", in: ["s", "zero"], out: ["n"] },
            { op: "Equal", in: ["n", "one"], out: ["c"] },
            { op: "If", in: ["c"], name: "choice" },
          ],
          tensors: { zero: tensor([0], [], "int64"), one: tensor(sizes, [], "int64") },
        }),
        "choice",
        { then_branch: branch("Mul", "x"), else_branch: branch("NoSuchOperator", "x") },
      );
    const taken = parseOnnx(model([1]));
    const x = input("x", [1, 2]);
    const [y] = taken.build([x]);
    expect([...toFloat64(evaluate({ y }, { x: tensor([1, 3], [1, 2]) }).y)]).toEqual([2, 6]);
    // At a batch of 2 the other one is taken.
    expect(() => taken.build([input("x", [2, 2])])).toThrow(/NoSuchOperator/);
    expect(() => parseOnnx(model([7]))).toThrow(/NoSuchOperator/);
  });

  it("says of an If on the input that it is control flow", () => {
    const branch = create(GraphProtoSchema, { name: "branch", output: [{ name: "x" }] });
    const bytes = withGraphs(
      modelOf({
        inputs: { x: [1] },
        nodes: [
          { op: "Greater", in: ["x", "t"], out: ["c"] },
          { op: "If", in: ["c"], name: "choice" },
        ],
        tensors: { t: tensor([0]) },
      }),
      "choice",
      { then_branch: branch, else_branch: branch },
    );
    expect(() => parseOnnx(bytes)).toThrow(/its condition depends on the network's input/);
  });

  it("puts a model's own functions in the place of their calls", () => {
    const model = fromBinary(
      ModelProtoSchema,
      modelOf({
        domains: { mine: 1 },
        inputs: { x: [2] },
        nodes: [
          { op: "Twice", domain: "mine", in: ["x"], out: ["a"], attributes: { slope: { float: 0.5 } } },
          { op: "Twice", domain: "mine", in: ["a"], out: ["y"] },
        ],
      }),
    );
    const body = (name: string, op: string, domain: string, attribute: AttributeProto[]) =>
      create(FunctionProtoSchema, {
        name,
        domain: "mine",
        input: ["in"],
        output: ["out"],
        attribute: ["slope"],
        node: [
          { opType: op, domain, input: ["in"], output: ["t"], attribute },
          { opType: "Add", input: ["t", "t"], output: ["out"] },
        ],
        opsetImport: [{ domain: "", version: 17n }],
      });
    const slope = create(AttributeProtoSchema, {
      name: "alpha",
      refAttrName: "slope",
      type: AttributeProto_AttributeType.FLOAT,
    });
    model.functions.push(body("Twice", "LeakyRelu", "", [slope]));
    const network = parseOnnx(toBinary(ModelProtoSchema, model));
    const x = input("x", [2]);
    const [y] = network.build([x]);
    // 2 leaky(2 leaky(x)): slopes 0.5 and, where it is not said, 0.01.
    const [low, high] = toFloat64(evaluate({ y }, { x: tensor([-1, 1]) }).y);
    expect(high).toBe(4);
    expect(low).toBeCloseTo(-0.02, 9);
    model.functions.push(body("Round", "Round", "mine", []));
    (model.graph as GraphProto).node[0].opType = "Round";
    expect(() => parseOnnx(toBinary(ModelProtoSchema, model))).toThrow(/"Round" calls itself/);
  });

  it("widens weights that are stored in few bits, and nothing that varies", () => {
    const quantised = (from: string): ModelOf => ({
      inputs: { x: [1, 2] },
      nodes: [
        { op: "DequantizeLinear", in: [from, "s", "z"], out: ["w"], attributes: { axis: 1 } },
        { op: "MatMul", in: ["x", "w"] },
      ],
      tensors: {
        q: create(TensorProtoSchema, { dataType: 3, dims: [2n, 2n], rawData: Uint8Array.of(4, 256 - 3, 7, 1) }),
        s: tensor([0.5, 0.25], [2]),
        z: create(TensorProtoSchema, { dataType: 3, dims: [2n], rawData: Uint8Array.of(2, 1) }),
      },
    });
    expect(run(quantised("q"))).toEqual([[1 * 1 + 2 * 2.5, 1 * -1 + 2 * 0]]);
    expect(refusal(quantised("x")).message).toMatch(/quantised weights are read, not quantised activations/);
  });

  it("refuses an attribute that is there twice", () => {
    const model = fromBinary(
      ModelProtoSchema,
      modelOf({ ...relu, nodes: [{ op: "Elu", in: ["x"], attributes: { alpha: { float: 1 } } }] }),
    );
    const [node] = (model.graph as GraphProto).node;
    node.attribute.push({ ...node.attribute[0], f: 100 });
    expect(() => parseOnnx(toBinary(ModelProtoSchema, model))).toThrow(/has the attribute "alpha" twice/);
  });

  it("refuses a variance of one number, of which ONNX Runtime makes NaN", () => {
    const of = (axes: readonly number[]) =>
      reading({ inputs: { x: [1, 3] }, nodes: [{ op: "MeanVarianceNormalization", in: ["x"], attributes: { axes } }] });
    expect(of([0])).toThrow(/the variance of one number is 0/);
    expect(of([-2])).toThrow(/the variance of one number is 0/);
    expect(of([0, 1])).not.toThrow();
  });

  it("passes over nodes that no output needs", () => {
    const nodes = [...relu.nodes, { op: "NoSuchOperator", in: ["x"], out: ["dead"] }];
    expect(reading({ ...relu, nodes })).not.toThrow();
  });

  it("tries a free dimension of 2 where 1 does not fit", () => {
    const model: ModelOf = {
      inputs: { x: ["batch", 1, 3] },
      nodes: [
        { op: "Squeeze", in: ["x"], out: ["s"] },
        { op: "Gemm", in: ["s", "w"] },
      ],
      tensors: { w: tensor([1, 2, 3], [3, 1]) },
    };
    expect(run(model, [2, 1, 3])).toEqual([[14, 32]]);
  });

  it("places the second input by its axis before opset 7", () => {
    const add = (attributes: Readonly<Record<string, number>>, b: readonly number[]): ModelOf => ({
      opset: 6,
      inputs: x23,
      nodes: [{ op: "Add", in: ["x", "b"], attributes }],
      tensors: { b: tensor(b) },
    });
    expect(run(add({ broadcast: 1, axis: 0 }, [10, 20]))).toEqual([[11, 12, 13, 24, 25, 26]]);
    expect(run(add({ broadcast: 1 }, [10, 20, 30]))).toEqual([[11, 22, 33, 14, 25, 36]]);
    const prelu: ModelOf = { opset: 6, inputs: { x: [1, 2, 2] }, nodes: [{ op: "PRelu", in: ["n", "s"] }] };
    expect(
      run({
        ...prelu,
        nodes: [{ op: "Neg", in: ["x"], out: ["n"] }, ...prelu.nodes],
        tensors: { s: tensor([10, 100]) },
      }),
    ).toEqual([[-10, -20, -300, -400]]);
  });

  it("takes statistics of each element where batch normalisation is not spatial", () => {
    const statistics = { s: tensor([1, 2], [2]), b: tensor([0, 0]), m: tensor([1, 1]), v: tensor([1, 1]) };
    const attributes = { spatial: 0, epsilon: { float: 0 } };
    const nodes = [{ op: "BatchNormalization", in: ["x", "s", "b", "m", "v"], attributes }];
    expect(run({ opset: 8, inputs: { x: [1, 2] }, nodes, tensors: statistics })).toEqual([[0, 2]]);
  });

  it("computes what a model asks of constants, by ONNX's rules for whole numbers", () => {
    const model: ModelOf = {
      inputs: { x: [1] },
      nodes: [
        { op: "Div", in: ["a", "b"], out: ["q"] },
        { op: "Cast", in: ["q"], out: ["f"], attributes: { to: 1 } },
        { op: "Mul", in: ["x", "f"] },
      ],
      tensors: { a: tensor([-7], [1], "int64"), b: tensor([2], [1], "int64") },
    };
    expect(run(model)).toEqual([[-3]]);
  });
});

describe("readOnnx() on tensors", () => {
  const stored = (proto: Parameters<typeof create<typeof TensorProtoSchema>>[1]): ModelOf => ({
    inputs: { x: [2] },
    nodes: [
      { op: "Cast", in: ["w"], out: ["f"], attributes: { to: 1 } },
      { op: "Mul", in: ["x", "f"] },
    ],
    tensors: { w: create(TensorProtoSchema, proto) as TensorProto },
  });
  const dims = [2n];

  it.each([
    ["raw float", { dataType: 1, rawData: new Uint8Array(new Float32Array([1.5, -2]).buffer) }, [1.5, -4]],
    ["listed float", { dataType: 1, floatData: [1.5, -2] }, [1.5, -4]],
    ["raw double", { dataType: 11, rawData: new Uint8Array(new Float64Array([1.5, -2]).buffer) }, [1.5, -4]],
    ["listed double", { dataType: 11, doubleData: [1.5, -2] }, [1.5, -4]],
    ["raw half", { dataType: 10, rawData: new Uint8Array([0x00, 0x3e, 0x01, 0x00]) }, [1.5, 2 ** -23]],
    ["listed half", { dataType: 10, int32Data: [0x3e00, 0xc000] }, [1.5, -4]],
    ["raw bfloat16", { dataType: 16, rawData: new Uint8Array([0xc0, 0x3f, 0x00, 0xc0]) }, [1.5, -4]],
    ["raw int8", { dataType: 3, rawData: new Uint8Array([0xff, 3]) }, [-1, 6]],
    ["listed uint8", { dataType: 2, int32Data: [255, 3] }, [255, 6]],
    ["raw int16", { dataType: 5, rawData: new Uint8Array([0xfe, 0xff, 3, 0]) }, [-2, 6]],
    ["raw uint16", { dataType: 4, rawData: new Uint8Array([0xff, 0xff, 3, 0]) }, [65535, 6]],
    ["listed int32", { dataType: 6, int32Data: [-5, 3] }, [-5, 6]],
    ["listed int64", { dataType: 7, int64Data: [-5n, 3n] }, [-5, 6]],
    ["raw uint32", { dataType: 12, rawData: new Uint8Array([0, 0, 0, 0x80, 3, 0, 0, 0]) }, [2147483648, 6]],
    ["listed uint64", { dataType: 13, uint64Data: [5n, 3n] }, [5, 6]],
    ["raw bool", { dataType: 9, rawData: new Uint8Array([7, 0]) }, [1, 0]],
  ])("reads %s", (_, proto, want) => {
    const got = run(stored({ dims, ...proto }))[0];
    got.forEach((v, i) => {
      expect(v).toBeCloseTo(want[i], 6);
    });
  });

  it.each([
    [
      "too few bytes",
      { dims: [3n], dataType: 1, rawData: new Uint8Array(8) },
      /\[3\] needs 12 bytes, got 8.*truncated/,
    ],
    ["too few numbers", { dims: [3n], dataType: 1, floatData: [1] }, /\[3\] needs 3 values, got 1/],
    ["a giant shape", { dims: [1n << 40n, 1n << 40n], dataType: 1 }, /dimensions must be whole numbers/],
    ["a negative dimension", { dims: [-2n], dataType: 1 }, /dimensions must be whole numbers, got \[-2\]/],
    ["text", { dims: [1n], dataType: 8 }, /tensors of STRING are not read/],
    ["four-bit integers", { dims: [1n], dataType: 22 }, /tensors of INT4 are not read/],
    ["an unknown type", { dims: [1n], dataType: 99 }, /data type 99 are not read/],
    ["a uint64 past int64", { dims: [1n], dataType: 13, uint64Data: [1n << 63n] }, /uint64 must be below 2\^63/],
  ])("refuses %s", (_, proto, message) => {
    expect(reading(stored(proto))).toThrow(ReadError);
    expect(reading(stored(proto))).toThrow(message);
    expect(reading(stored(proto))).toThrow(/^readOnnx: net: initialiser "w": /);
  });

  it("names the weight that is not finite", () => {
    const model = (value: number): ModelOf => ({
      inputs: x23,
      nodes: [{ op: "MatMul", in: ["x", "w"] }],
      tensors: { w: tensor([1, value, 3], [3, 1]) },
    });
    expect(reading(model(Number.NaN))).toThrow(/initialiser "w" must be finite, got NaN at position 1/);
    expect(reading(model(Number.NEGATIVE_INFINITY))).toThrow(/initialiser "w" must be finite, got -Infinity/);
    const made: ModelOf = {
      inputs: x23,
      nodes: [
        { op: "Sqrt", in: ["w"], out: ["r"], name: "root" },
        { op: "Mul", in: ["x", "r"] },
      ],
      tensors: { w: tensor([-1]) },
    };
    expect(reading(made)).toThrow(/node "root" \(Sqrt\): its value is constant and is not finite/);
  });

  const outside = (offset: string, length: string): ModelOf => ({
    inputs: x23,
    nodes: [{ op: "MatMul", in: ["x", "w"] }],
    tensors: {
      w: create(TensorProtoSchema, {
        dims: [3n, 1n],
        dataType: 1,
        dataLocation: TensorProto_DataLocation.EXTERNAL,
        externalData: [
          { key: "location", value: "weights.bin" },
          { key: "offset", value: offset },
          { key: "length", value: length },
        ],
      }) as TensorProto,
    },
  });
  const file = new Uint8Array(new Float32Array([9, 1, 2, 3]).buffer);

  it("reads weights from a file beside the model", () => {
    const network = parseOnnx(modelOf(outside("4", "12")), {
      external: (location) => (location === "weights.bin" ? file : new Uint8Array()),
    });
    const [y] = network.build([constant(tensor([1, 1, 1, 2, 2, 2], [2, 3]))]);
    expect([...toFloat64(evaluate({ y }).y)]).toEqual([6, 12]);
  });

  it("says what to do where that file is not given, or too short", () => {
    expect(reading(outside("4", "12"))).toThrow(
      /initialiser "w": its data is in the file "weights.bin".*pass \{ external \}/,
    );
    expect(reading(outside("8", "12"), () => file)).toThrow(/"weights.bin" has 16 bytes, got offset 8 and length 12/);
    expect(reading(outside("-1", "12"), () => file)).toThrow(ReadError);
    expect(reading(outside("x", "12"), () => file)).toThrow(ReadError);
  });
});

describe("readOnnx() refuses", () => {
  it("every node that it cannot read, at once", () => {
    const error = refusal({
      opset: 17,
      domains: { mine: 3 },
      inputs: { x: [1, 1, 2, 2] },
      nodes: [
        { op: "NonZero", in: ["x"], out: ["a"], name: "first" },
        { op: "Scan", in: ["a"], out: ["b"] },
        { op: "If", in: ["b"], out: ["c"], attributes: { then_branch: { graph: true } } },
        { op: "Special", domain: "mine", in: ["c"], out: ["d"] },
        {
          op: "Resize",
          in: ["d"],
          out: ["e"],
          attributes: { coordinate_transformation_mode: "tf_crop_and_resize" },
          name: "large",
        },
        { op: "QuantizeLinear", in: ["e"], out: ["f"] },
        { op: "Frobnicate", in: ["f"] },
      ],
    });
    expect(error.nodes.map((n) => [n.node, n.operator, n.opset])).toEqual([
      ["first", "NonZero", 17],
      ["Scan that makes b", "Scan", 17],
      ["If that makes c", "If", 17],
      ["Special that makes d", "mine.Special", 3],
      ["large", "Resize", 17],
      ["QuantizeLinear that makes f", "QuantizeLinear", 17],
      ["Frobnicate that makes y", "Frobnicate", 17],
    ]);
    for (const reason of [
      /depends on values/,
      /control flow/,
      /inline it/,
      /tf_crop_and_resize/,
      /quantised/,
      /no such/,
    ]) {
      expect(error.message).toMatch(reason);
    }
  });

  it("every node that turns out unreadable when it is built", () => {
    const error = refusal({
      inputs: { x: [4], s: [1] },
      nodes: [
        { op: "Reshape", in: ["x", "s"], out: ["a"], name: "target" },
        { op: "Relu", in: ["a"], out: ["y"] },
        { op: "Expand", in: ["x", "s"], out: ["z"], name: "other" },
      ],
      outputs: ["y", "z"],
    });
    expect(error.nodes.map((n) => n.node)).toEqual(["target", "other"]);
    expect(error.message).toMatch(/input 1 must be known when the model is read/);
  });

  it("attributes that it does not know", () => {
    const nodes = [{ op: "Relu", in: ["x"], attributes: { leak: 1 } }];
    expect(refusal({ ...relu, nodes }).message).toMatch(/attribute "leak" is not known/);
  });

  it("products and places that it cannot tell", () => {
    const inputs = { x: [2, 3] };
    const einsum = (equation: string, count = 1): ModelOf => ({
      inputs,
      nodes: [{ op: "Einsum", in: new Array<string>(count).fill("x"), out: ["y"], attributes: { equation } }],
    });
    expect(refusal(einsum("...i->...")).message).toMatch(/the ellipsis .* is not read/);
    expect(refusal(einsum("ij,ij,ij->ij", 3)).message).toMatch(/more than two tensors/);
    expect(reading(einsum("ijk->i"))).toThrow(/has 3 labels for input 0, which has 2 axes/);
    expect(reading(einsum("ij->k"))).toThrow(/labels that no input has/);
    const scatter = (indices: readonly number[], depth: number): ModelOf => ({
      inputs,
      nodes: [{ op: "ScatterND", in: ["x", "i", "u"], out: ["y"] }],
      tensors: {
        i: tensor(indices, [indices.length / depth, depth], "int64"),
        u: tensor(new Array<number>(indices.length / depth).fill(0), [indices.length / depth]),
      },
    });
    expect(refusal(scatter([0, 1, 0, 1], 2)).message).toMatch(/two updates of one place/);
    expect(reading(scatter([0, 3], 2))).toThrow(/an index must be from -3 to 2, got 3/);
  });

  it("what would be random", () => {
    const tensors = { r: tensor([0.5], []), t: tensor([1], [], "bool") };
    expect(refusal({ ...relu, nodes: [{ op: "Dropout", in: ["x", "r", "t"] }], tensors }).message).toMatch(/random/);
    const none = { ...tensors, r: tensor([0], []) };
    expect(run({ ...relu, nodes: [{ op: "Dropout", in: ["x", "r", "t"] }], tensors: none })).toEqual([
      [1, 2, 3, 4, 5, 6],
    ]);
    expect(refusal({ ...relu, nodes: [{ op: "RandomNormalLike", in: ["x"] }] }).message).toMatch(/random/);
    expect(refusal({ ...relu, opset: 6, nodes: [{ op: "Dropout", in: ["x"] }] }).message).toMatch(/training mode/);
  });

  it("outputs that an operator does not give, only if someone reads them", () => {
    const pool = (outputs: readonly string[]): ModelOf => ({
      inputs: { x: [1, 1, 4] },
      nodes: [{ op: "MaxPool", in: ["x"], out: ["y", "where"], attributes: { kernel_shape: [2] } }],
      outputs,
    });
    expect(reading(pool(["y"]))).not.toThrow();
    expect(refusal(pool(["y", "where"])).message).toMatch(/its output 1 is not given/);
  });

  it.each([5, 27])("opset %i, and says how to convert", (opset) => {
    expect(reading({ ...relu, opset })).toThrow(/opset must be 6 to 26, got \d+; convert the model/);
  });

  const wrong: Readonly<Record<string, readonly [ModelOf, RegExp]>> = {
    "a value that nothing makes": [
      { ...relu, nodes: [{ op: "Relu", in: ["q"], name: "r" }] },
      /node "r" reads "q", which nothing makes/,
    ],
    "an output that nothing makes": [{ ...relu, outputs: ["q"] }, /nothing makes the output "q"/],
    "no outputs": [{ ...relu, outputs: [] }, /no outputs/],
    "a circle": [
      {
        ...relu,
        nodes: [
          { op: "Add", in: ["x", "y"], out: ["a"] },
          { op: "Relu", in: ["a"] },
        ],
      },
      /depends on itself/,
    ],
    "an initialiser that is made too": [{ ...relu, tensors: { y: tensor([1]) } }, /"y" is given and made/],
    "a value made twice": [{ ...relu, nodes: [...relu.nodes, ...relu.nodes] }, /"y" is made twice/],
    "shapes that do not fit": [
      { ...relu, nodes: [{ op: "MatMul", in: ["x", "x"], name: "product" }] },
      /^readOnnx: net: node "product" \(MatMul\): matmul: inner axes must match, got \[2,3\] and \[2,3\]$/,
    ],
    "an input that is left out": [{ ...relu, nodes: [{ op: "Add", in: ["x"] }] }, /input 1 is missing/],
    "an attribute of another kind": [
      { ...relu, nodes: [{ op: "Flatten", in: ["x"], attributes: { axis: "one" } }] },
      /attribute "axis" must be INT, got STRING/,
    ],
    "a giant input": [{ ...relu, inputs: { x: [2 ** 40, 3] } }, /too large/],
    "text as input": [{ ...relu, type: 8 }, /its output "y" gives words, and there is no other/],
    "a kernel that is not the weight's": [
      {
        inputs: { x: [1, 1, 4] },
        nodes: [{ op: "Conv", in: ["x", "w"], attributes: { kernel_shape: [2] } }],
        tensors: { w: tensor([1, 2, 3], [1, 1, 3]) },
      },
      /kernel_shape is \[2\], its weight has \[3\]/,
    ],
    "an index out of range": [
      { ...relu, nodes: [{ op: "Gather", in: ["x", "i"] }], tensors: { i: tensor([2], [1], "int64") } },
      /an index must be from -2 to 1, got 2/,
    ],
    "a name with line breaks": [{ ...relu, outputs: ["a\nb"] }, /nothing makes the output "a\\nb"$/],
  };

  it.each(Object.entries(wrong))("%s", (_, [model, message]) => {
    expect(reading(model)).toThrow(ReadError);
    expect(reading(model)).toThrow(message);
  });

  it.each([
    ["no bytes", new Uint8Array()],
    ["text", new TextEncoder().encode("<!doctype html><html><body>404</body></html>")],
    ["half a model", modelOf(relu).subarray(0, 40)],
    ["a tensor file", tensorProtoBytes()],
  ])("%s", (_, bytes) => {
    expect(() => parseOnnx(bytes, { name: "net" })).toThrow(ReadError);
    expect(() => parseOnnx(bytes, { name: "net" })).toThrow(/^readOnnx: net: [^\n]+$/);
  });

  it("input nodes that do not fit", () => {
    const network = parseOnnx(modelOf({ ...relu, inputs: { x: ["batch", 3] } }), { name: "net" });
    const build =
      (shape: readonly number[], dtype: "float32" | "int64" = "float32") =>
      () =>
        network.build([input("x", shape, dtype)]);
    expect(build([7, 3])).not.toThrow();
    expect(build([7, 4])).toThrow(ShapeError);
    expect(build([7, 4])).toThrow('net: input "x" must be floating-point [batch,3], got float32 [7,4]');
    expect(build([7, 3, 1])).toThrow(ShapeError);
    expect(build([7, 3], "int64")).toThrow(ShapeError);
    expect(() => network.build([])).toThrow("net: it has 1 inputs (x), got 0");
  });
});

describe("modelHash()", () => {
  it("is the SHA-256 of the bytes", async () => {
    const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    expect(await modelHash(new TextEncoder().encode("abc"))).toBe(want);
  });
});

function tensorProtoBytes(): Uint8Array {
  const { rawData } = tensorProto("w", tensor([1, 2, 3]));
  return rawData;
}
