/** @file Tests of renumber.ts: other numbers in the types of the file, and nothing else changed. */
import { create, fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { modelOf } from "../../test/model.ts";
import { retrofitModel, tensors } from "../../test/retrofitModel.ts";
import { UsageError } from "../tensor/errors.ts";
import { tensor } from "../tensor/tensor.ts";
import { ModelProtoSchema, TensorProto_DataType, TensorProtoSchema } from "./proto.ts";
import { readingOf } from "./read.ts";
import { renumbered } from "./renumber.ts";

const decoded = (bytes: Uint8Array) => fromBinary(ModelProtoSchema, bytes);

describe("renumbered()", () => {
  it("changes the numbers that it is given and nothing else", () => {
    const before = retrofitModel();
    const b = tensor([1, 2, 3]);
    const after = renumbered(before, new Map([["fc2.bias", b]]), { metadata: { from: "there" } });
    const [old, made] = [decoded(before), decoded(after)];
    expect(made.graph?.node).toEqual(old.graph?.node);
    expect(made.graph?.input).toEqual(old.graph?.input);
    expect(made.graph?.output).toEqual(old.graph?.output);
    for (const [i, proto] of (old.graph?.initializer ?? []).entries()) {
      const other = made.graph?.initializer[i];
      if (proto.name === "fc2.bias") expect(other).toMatchObject({ name: proto.name, dims: proto.dims, dataType: 1 });
      else expect(other).toEqual(proto);
    }
    expect(readingOf(after).tensors.get("fc2.bias")?.data).toEqual(b.data);
    expect(readingOf(after).network.metadata).toEqual({ from: "there" });
    expect(renumbered(after, new Map([["fc2.bias", tensors()["fc2.bias"]]]), { metadata: { from: null } })).toEqual(
      before,
    );
  });

  it("rounds to the type that the file has: doubles, halves, brain floats", () => {
    const values = [1 / 3, -0, 6e-8, 65504, -1e-5, 2];
    const { DOUBLE, FLOAT16, BFLOAT16 } = TensorProto_DataType;
    const stored = (dataType: number, width: number) =>
      create(TensorProtoSchema, { dataType, dims: [6n], rawData: new Uint8Array(6 * width) });
    const bytes = modelOf({
      inputs: { x: [6] },
      tensors: { d: stored(DOUBLE, 8), h: stored(FLOAT16, 2), b: stored(BFLOAT16, 2) },
      nodes: [
        { op: "Identity", in: ["d"], out: ["y"] },
        { op: "Identity", in: ["h"], out: ["z"] },
        { op: "Identity", in: ["b"], out: ["w"] },
      ],
      outputs: ["y", "z", "w"],
    });
    const value = tensor(values, [6], "float64");
    const made = readingOf(renumbered(bytes, new Map(["d", "h", "b"].map((name) => [name, value])))).tensors;
    expect([...(made.get("d")?.data ?? [])]).toEqual(values);
    // 6e-8 is nearest to the least half, 2^-24; -1e-5 is one with fewer digits.
    expect([...(made.get("h")?.data ?? [])]).toEqual([0.333251953125, -0, 2 ** -24, 65504, -168 * 2 ** -24, 2]);
    expect([...(made.get("b")?.data ?? [])].map((v) => Number(Number(v).toPrecision(4)) + 0)).toEqual([
      0.334, 0, 6.007e-8, 65540, -0.00001001, 2,
    ]);
  });

  it("refuses names, shapes and numbers that do not fit", () => {
    const bytes = retrofitModel();
    const put = (name: string, values: readonly number[]) => () => renumbered(bytes, new Map([[name, tensor(values)]]));
    expect(put("fc3.bias", [1, 2, 3])).toThrow(new UsageError('renumbered: there is no initialiser "fc3.bias"'));
    expect(put("fc2.bias", [1, 2])).toThrow('initialiser "fc2.bias" must keep its shape [3], got [2]');
    expect(put("fc2.bias", [1, 2, Number.NaN])).toThrow("must hold finite numbers of its type FLOAT, got NaN at 2");
    const whole = modelOf({
      inputs: { x: [1] },
      tensors: { k: tensor([1], [1], "int64") },
      nodes: [{ op: "Cast", in: ["k"], attributes: { to: 1 } }],
    });
    expect(() => renumbered(whole, new Map([["k", tensor([1])]]))).toThrow(
      'initialiser "k" must be floating-point, got INT64',
    );
  });
});
