/** @file Operators of `resizing.ts`, and activations that certificates may speak of since: the checker's values are those of ONNX Runtime running the same bytes. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { engine, points } from "../../../test/certificates.ts";
import { type ModelOf, modelOf } from "../../../test/model.ts";
import { logitsOf } from "../../certify/evaluate.ts";
import { type GraphProto, ModelProtoSchema, TypeProtoSchema } from "../../onnx/proto.ts";
import { parseOnnx } from "../../onnx/read.ts";
import { tensor } from "../../tensor/tensor.ts";
import { runOn } from "../proof/run.ts";
import { runAtOnce } from "../task.ts";
import { readProgram } from "../verify.ts";

function bytesOf(shape: readonly number[], middle: ModelOf["nodes"], tensors: ModelOf["tensors"] = {}): Uint8Array {
  const model = fromBinary(
    ModelProtoSchema,
    modelOf({
      inputs: { x: [1, ...shape] },
      nodes: [...middle.slice(0, -1), { ...middle[middle.length - 1], out: ["z"] }, { op: "Flatten", in: ["z"] }],
      tensors,
    }),
  );
  const { output } = model.graph as GraphProto;
  const dim = [
    { value: { case: "dimValue" as const, value: 1n } },
    { value: { case: "dimParam" as const, value: "n" } },
  ];
  const known = create(TypeProtoSchema, { value: { case: "tensorType", value: { elemType: 1, shape: { dim } } } });
  output[0].type = known;
  return toBinary(ModelProtoSchema, model);
}

async function agree(shape: readonly number[], middle: ModelOf["nodes"], tensors: ModelOf["tensors"] = {}) {
  const bytes = bytesOf(shape, middle, tensors);
  const data = points(shape, 3, 4);
  const ours = runAtOnce(runOn(readProgram(bytes, {}, shape), data.x)).outputs;
  const theirs = await logitsOf(parseOnnx(bytes), engine, data, { dtype: "float64" });
  expect(ours.length).toBe(theirs.data.length);
  ours.forEach((v, i) => {
    expect(Math.abs(v - theirs.data[i])).toBeLessThan(1e-12 * (1 + Math.abs(v)));
  });
}

describe("the checker reads", () => {
  it.each([
    [[1], 1],
    [[2], 0],
    [[1, 3], 0],
    [[-1, -2], 1],
  ])("sums over axes %s, keepdims %s", (axes, keep) =>
    agree([3, 4, 2], [{ op: "ReduceSum", in: ["x", "axes"], attributes: { keepdims: keep } }], {
      axes: tensor(BigInt64Array.from(axes, BigInt), [axes.length], "int64"),
    }),
  );

  it("global maxima", () => agree([3, 4, 2], [{ op: "GlobalMaxPool", in: ["x"] }]));

  it.each(["DCR", "CRD"])("depth to space, %s", (mode) =>
    agree([8, 2, 3], [{ op: "DepthToSpace", in: ["x"], attributes: { blocksize: 2, mode: mode } }]),
  );

  it("space to depth", () => agree([2, 4, 6], [{ op: "SpaceToDepth", in: ["x"], attributes: { blocksize: 2 } }]));

  it.each([
    ["asymmetric", "floor"],
    ["half_pixel", "round_prefer_floor"],
  ])("enlargement by whole factors, %s", (where, round) =>
    agree(
      [2, 3, 2],
      [
        {
          op: "Resize",
          in: ["x", "", "scales"],
          attributes: { mode: "nearest", coordinate_transformation_mode: where, nearest_mode: round },
        },
      ],
      { scales: tensor([1, 1, 2, 3]) },
    ),
  );

  it("SELU, and PReLU with one slope", () =>
    agree(
      [5],
      [
        { op: "Selu", in: ["x"], out: ["s"] },
        { op: "PRelu", in: ["s", "a"] },
      ],
      { a: tensor([0.3]) },
    ));
});

describe("the checker refuses", () => {
  it.each([
    [{ scales: tensor([1, 1, 1.5, 2]) }, "asymmetric", /whole factor/],
    [{ scales: tensor([1, 1, 2, 2]) }, "align_corners", /not known/],
  ])("other enlargements", (tensors, where, words) => {
    const attributes = {
      mode: "nearest",
      coordinate_transformation_mode: where,
      nearest_mode: "floor",
    };
    const bytes = bytesOf([2, 4, 4], [{ op: "Resize", in: ["x", "", "scales"], attributes }], tensors);
    expect(() => readProgram(bytes, {}, [2, 4, 4])).toThrow(words);
  });
});
