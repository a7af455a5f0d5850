/** @file Certificates of models as people have them: doubles, halves, weights in 8 bits, Gelu, a softmax at the end, a flatten that is calculated from shapes. Each is witnessed, verified, and no longer where a weight was changed. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ModelProtoSchema, type TensorProto, TensorProtoSchema, ValueInfoProtoSchema } from "../../src/onnx/proto.ts";
import { random } from "../../src/tensor/random.ts";
import { type Tensor, tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { verify } from "../../src/verify/verify.ts";
import { certificateOf, engine, points } from "../certificates.ts";
import { type ModelOf, modelOf, type NodeOf } from "../model.ts";

const data = points([1, 2, 2], 8, 3);
const source = random(4);
const drawn = (n: number, scale: number) => Array.from({ length: n }, () => scale * source.normal());

/** Numbers as halves, to the nearest above 2^-14: 5 bits of exponent, 10 of fraction. */
function halves(values: readonly number[], dims: readonly number[]): TensorProto {
  const bits = Uint16Array.from(values, (v) => {
    const exponent = Math.floor(Math.log2(Math.abs(v)));
    const fraction = Math.floor((Math.abs(v) / 2 ** exponent - 1) * 1024);
    return (v < 0 ? 0x8000 : 0) + ((exponent + 15) << 10) + fraction;
  });
  return create(TensorProtoSchema, { dataType: 10, dims: dims.map(BigInt), rawData: new Uint8Array(bits.buffer) });
}

const first = drawn(32, 0.8);
const second = drawn(24, 0.6);
const float = { W: tensor(first, [4, 8]), V: tensor(second, [8, 3]) };
const flat: NodeOf = { op: "Flatten", in: ["x"], out: ["f"] };
const rest = (activation: NodeOf = { op: "Relu", in: ["a"], out: ["h"] }): NodeOf[] => [
  { op: "MatMul", in: ["f", "W"], out: ["a"] },
  activation,
  { op: "MatMul", in: ["h", "V"] },
];
const whole = (values: readonly number[], dims: readonly number[]): Tensor =>
  tensor(BigInt64Array.from(values, BigInt), dims, "int64");

const inputs = { x: ["batch", 1, 2, 2] };
const models: Readonly<Record<string, ModelOf>> = {
  doubles: {
    type: 11,
    inputs,
    nodes: [flat, ...rest()],
    tensors: { W: tensor(first, [4, 8], "float64"), V: tensor(second, [8, 3], "float64") },
  },
  halves: {
    type: 10,
    inputs,
    nodes: [flat, ...rest()],
    tensors: { W: halves(first, [4, 8]), V: halves(second, [8, 3]) },
  },
  "weights in 8 bits": {
    inputs,
    nodes: [
      { op: "DequantizeLinear", in: ["q", "scale", "zero"], out: ["W"], attributes: { axis: 1 } },
      flat,
      ...rest(),
    ],
    tensors: {
      q: create(TensorProtoSchema, {
        dataType: 3,
        dims: [4n, 8n],
        rawData: Uint8Array.from(first, (v) => Math.round(60 * v)),
      }),
      scale: tensor(
        Array.from({ length: 8 }, (_, i) => (1 + i / 8) / 60),
        [8],
      ),
      zero: create(TensorProtoSchema, { dataType: 3, dims: [8n], rawData: new Uint8Array(8) }),
      V: float.V,
    },
  },
  "Gelu and a softmax": {
    opset: 20,
    inputs,
    nodes: [
      flat,
      ...rest({ op: "Gelu", in: ["a"], out: ["h"] }).slice(0, 2),
      { op: "MatMul", in: ["h", "V"], out: ["z"] },
      { op: "Softmax", in: ["z"], attributes: { axis: 1 } },
    ],
    tensors: float,
  },
  "a flatten of shapes": {
    inputs,
    nodes: [
      { op: "Shape", in: ["x"], out: ["shape"] },
      { op: "Gather", in: ["shape", "zero"], out: ["count"] },
      { op: "Unsqueeze", in: ["count", "axes"], out: ["one"] },
      { op: "Mul", in: ["two", "two"], out: ["four"] },
      { op: "Concat", in: ["one", "four"], out: ["to"], attributes: { axis: 0 } },
      { op: "Reshape", in: ["x", "to"], out: ["f"] },
      ...rest(),
    ],
    tensors: { ...float, zero: whole([0], []), axes: whole([0], [1]), two: whole([2], [1]) },
  },
};

/** The checker wants to be told what an output is. */
function declared(bytes: Uint8Array, elemType: number): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const dim = ["batch", 3].map((d) =>
    typeof d === "string"
      ? { value: { case: "dimParam" as const, value: d } }
      : { value: { case: "dimValue" as const, value: BigInt(d) } },
  );
  const type = { value: { case: "tensorType" as const, value: { elemType, shape: { dim } } } };
  if (model.graph) model.graph.output = [create(ValueInfoProtoSchema, { name: "y", type })];
  return toBinary(ModelProtoSchema, model);
}

describe.each(Object.entries(models))("a certificate of %s", (name, model) => {
  const bytes = declared(modelOf(model), model.type ?? 1);

  it("is witnessed, verified, and has radii", async () => {
    const { text, certificate } = await certificateOf(bytes, data, { seconds: 5 });
    const verdict = await verify(text, bytes, { data });
    expect(verdict.checks.filter((c) => !c.holds)).toEqual([]);
    expect(verdict.outcome).toBe("holds");
    expect(Math.max(...certificate.samples.map((s) => s.radius))).toBeGreaterThan(0.005);
  });

  it("says of runs what the runtime does at random points within the radii", async () => {
    const { certificate } = await certificateOf(bytes, data, { seconds: 5 });
    const program = await engine.load(bytes);
    const around = random(9);
    for (const [i, { predicted, radius }] of certificate.samples.entries()) {
      for (let k = 0; k < 10 && radius > 0; k++) {
        const step = Array.from({ length: 4 }, () => around.normal());
        const length = Math.hypot(...step);
        const x = Float32Array.from(step, (v, j) => data.x[4 * i + j] + (0.999 * radius * v) / length);
        const type = model.type === 11 ? "float64" : "float32";
        const { y } = await program.run({ x: tensor(Float64Array.from(x), [1, 1, 2, 2], type) });
        const row = toFloat64(y);
        expect(row.indexOf(Math.max(...row))).toBe(predicted);
      }
    }
    await program.dispose();
  });

  it("does not hold of a model with another weight", async () => {
    const { text } = await certificateOf(bytes, data, { seconds: 5 });
    const other = fromBinary(ModelProtoSchema, bytes);
    const weights = other.graph?.initializer.find((t) => t.name === "V" || (name === "halves" && t.name === "W"));
    if (!weights) throw new Error("no weights");
    weights.rawData = weights.rawData.slice();
    weights.rawData[weights.rawData.length - 1] ^= 1;
    const verdict = await verify(text, toBinary(ModelProtoSchema, other), { data });
    expect(verdict.outcome).not.toBe("holds");
  });
});

describe("types that the checker does not know", () => {
  it("are named, not numbered", async () => {
    const model: ModelOf = {
      inputs,
      nodes: [flat, { op: "Cast", in: ["W16"], out: ["W"], attributes: { to: 1 } }, ...rest()],
      tensors: {
        W16: create(TensorProtoSchema, { dataType: 16, dims: [4n, 8n], rawData: new Uint8Array(64) }),
        V: float.V,
      },
    };
    await expect(certificateOf(declared(modelOf(model), 1), data)).rejects.toThrow(
      /tensor "W16": only float16, float32, float64, int32, int64 .* are known, got bfloat16/,
    );
  });
});
