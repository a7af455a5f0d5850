/** @file Broken models: whatever is done to one, parseOnnx() reads it or refuses it with its own errors, on one line, at once. */
import { clone, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ModelProto, ModelProtoSchema } from "../../src/onnx/proto.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { ReadError, UnsupportedOperatorError } from "../../src/tensor/errors.ts";
import { tensor } from "../../src/tensor/tensor.ts";
import { type ModelOf, modelOf } from "../model.ts";

const ints = (...values: readonly number[]) => tensor(values, [values.length], "int64");

/** Small, but with everything in it that can be given a wrong number: shapes, windows, indices, steps, scales. */
const models: readonly ModelOf[] = [
  {
    inputs: { x: ["batch", 1, 6, 6] },
    nodes: [
      { op: "Conv", in: ["x", "w", "b"], out: ["c"], attributes: { strides: [1, 2], pads: [1, 1, 1, 1], group: 1 } },
      { op: "BatchNormalization", in: ["c", "b", "b", "b", "v"], out: ["n"] },
      { op: "Relu", in: ["n"], out: ["r"] },
      { op: "MaxPool", in: ["r"], out: ["p"], attributes: { kernel_shape: [2, 2], strides: [2, 1], ceil_mode: 1 } },
      { op: "AveragePool", in: ["p"], out: ["a"], attributes: { kernel_shape: [2, 1], auto_pad: "SAME_UPPER" } },
      { op: "Flatten", in: ["a"], out: ["f"], attributes: { axis: 1 } },
      { op: "Gemm", in: ["f", "g"], out: ["z"], attributes: { transB: 1, alpha: { float: 0.5 } } },
      { op: "Softmax", in: ["z"], attributes: { axis: -1 } },
    ],
    tensors: {
      w: tensor(Array(18).fill(0.1), [2, 1, 3, 3]),
      b: tensor([1, 2]),
      v: tensor([1, 2]),
      g: tensor(Array(36).fill(0.1), [3, 12]),
    },
  },
  {
    inputs: { x: ["batch", 2, 4] },
    nodes: [
      { op: "Shape", in: ["x"], out: ["s"] },
      { op: "Gather", in: ["s", "zero"], out: ["n"], attributes: { axis: 0 } },
      { op: "Concat", in: ["n", "rest"], out: ["t"], attributes: { axis: 0 } },
      { op: "Reshape", in: ["x", "t"], out: ["r"] },
      { op: "Slice", in: ["r", "zero", "four", "one", "two"], out: ["c"] },
      { op: "Pad", in: ["c", "pads"], out: ["p"], attributes: { mode: "reflect" } },
      { op: "Tile", in: ["p", "times"], out: ["m"] },
      { op: "Split", in: ["m"], out: ["y", "z"], attributes: { axis: 1 } },
    ],
    outputs: ["y", "z"],
    tensors: {
      zero: ints(0),
      one: ints(1),
      two: ints(2),
      four: ints(4),
      rest: ints(-1),
      pads: ints(0, 1, 0, 1),
      times: ints(1, 2),
    },
  },
  {
    inputs: { x: [1, 2, 3, 3] },
    nodes: [
      { op: "Resize", in: ["x", "", "scales"], out: ["u"] },
      { op: "ConvTranspose", in: ["u", "w"], out: ["c"], attributes: { strides: [2, 2], output_shape: [12, 12] } },
      { op: "DepthToSpace", in: ["c"], out: ["d"], attributes: { blocksize: 2 } },
      { op: "LRN", in: ["d"], out: ["l"], attributes: { size: 3 } },
      { op: "ReduceMean", in: ["l"], out: ["m"], attributes: { axes: [2, 3], keepdims: 0 } },
      { op: "ConstantOfShape", in: ["shape"], out: ["k"], attributes: { value: tensor([2], [1]) } },
      { op: "Range", in: ["from", "to", "step"], out: ["i"] },
      { op: "Mul", in: ["m", "k"], out: ["q"] },
      { op: "Add", in: ["q", "i"] },
    ],
    tensors: {
      scales: tensor([1, 1, 2, 2]),
      w: tensor(Array(32).fill(0.1), [2, 4, 2, 2]),
      shape: ints(1, 1),
      from: tensor([0], []),
      to: tensor([1], []),
      step: tensor([1], []),
    },
  },
];

const seeds = models.map((m) => modelOf(m));
const parsed = seeds.map((bytes) => fromBinary(ModelProtoSchema, bytes));
/** Time that one input may take. A machine under load is slow: what is asked is that nothing hangs. */
const limit = 20_000;

function survive(bytes: Uint8Array): void {
  const start = performance.now();
  try {
    parseOnnx(bytes, { name: "net" });
  } catch (cause) {
    if (!(cause instanceof UnsupportedOperatorError)) {
      expect(cause).toBeInstanceOf(ReadError);
      expect((cause as ReadError).message).toMatch(/^readOnnx: net: [^\n]+$/);
    }
  }
  expect(performance.now() - start).toBeLessThan(limit);
}

describe("readOnnx() on broken models", () => {
  it("starts from models that it reads", () => {
    for (const bytes of seeds) expect(() => parseOnnx(bytes)).not.toThrow();
  });

  it("survives every truncation", () => {
    for (const bytes of seeds) for (let n = 0; n < bytes.length; n++) survive(bytes.subarray(0, n));
  });

  it("survives changed, inserted and removed bytes", () => {
    const edit = fc.record({
      kind: fc.constantFrom("change", "insert", "remove"),
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 10 }),
    });
    fc.assert(
      fc.property(fc.nat(seeds.length - 1), fc.array(edit, { minLength: 1, maxLength: 4 }), (which, edits) => {
        let all = [...seeds[which]];
        for (const { kind, at, bytes } of edits) {
          const place = Math.floor(at * all.length);
          const gone = kind === "insert" ? 0 : bytes.length;
          all = [...all.slice(0, place), ...(kind === "remove" ? [] : bytes), ...all.slice(place + gone)];
        }
        survive(Uint8Array.from(all));
      }),
      { numRuns: 1500, seed: 1 },
    );
  });

  it("survives any number in any place", () => {
    const number = fc.oneof(
      fc.constantFrom(0n, -1n, 1n, 2n, 3n, 7n, 64n, 65536n, 100000n, 1n << 31n, 1n << 40n, 1n << 53n, (1n << 63n) - 1n),
      fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
    );
    const edit = fc.record({ which: fc.nat(1000), place: fc.nat(1000), value: number });
    fc.assert(
      fc.property(fc.nat(models.length - 1), fc.array(edit, { minLength: 1, maxLength: 3 }), (which, edits) => {
        const model = clone(ModelProtoSchema, parsed[which]);
        for (const { which, place, value } of edits) {
          const places = numbersOf(model);
          places[which % places.length](place, value);
        }
        survive(toBinary(ModelProtoSchema, model));
      }),
      { numRuns: 2500, seed: 2 },
    );
  });
});

// --- internal ---

/** Setters of everything in a model that is a number, and of which operator a node is. */
function numbersOf(model: ModelProto): ((place: number, value: bigint) => void)[] {
  const graph = model.graph as NonNullable<ModelProto["graph"]>;
  const operators = graph.node.map((n) => n.opType);
  const nodes = graph.node.flatMap((node) => [
    (place: number) => {
      node.opType = operators[place % operators.length];
    },
    ...node.attribute.map((a) => (place: number, value: bigint) => {
      if (a.ints.length > 0) a.ints[place % a.ints.length] = value;
      else a.i = value;
    }),
  ]);
  const tensors = graph.initializer.flatMap((t) => [
    (place: number, value: bigint) => {
      t.dims[place % Math.max(1, t.dims.length)] = value;
    },
    (place: number, value: bigint) => {
      const data = t.rawData.slice();
      if (data.length >= 8) new DataView(data.buffer).setBigInt64(8 * (place % (data.length >> 3)), value, true);
      t.rawData = data;
    },
  ]);
  const inputs = graph.input.map((info) => (place: number, value: bigint) => {
    const dims = info.type?.value.case === "tensorType" ? (info.type.value.value.shape?.dim ?? []) : [];
    const dim = dims[place % dims.length];
    if (dim) dim.value = { case: "dimValue", value };
  });
  const opset = (_: number, value: bigint) => {
    model.opsetImport[0].version = 6n + (((value % 17n) + 17n) % 17n);
  };
  return [...nodes, ...tensors, ...inputs, opset];
}
