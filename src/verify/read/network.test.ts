import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { type ModelOf, modelOf, type NodeOf } from "../../../test/model.ts";
import { type GraphProto, ModelProtoSchema } from "../../onnx/proto.ts";
import { tensor } from "../../tensor/tensor.ts";
import { readProgram } from "../verify.ts";
import { programOf } from "./network.ts";
import { readOnnx } from "./onnx.ts";

const side = 40;
const kernel = tensor(new Float32Array(9).fill(0.1), [1, 1, 3, 3]);

/** A model whose output is declared as its input is. */
function declared(m: ModelOf): Uint8Array {
  const model = fromBinary(ModelProtoSchema, modelOf(m));
  const { input, output } = model.graph as GraphProto;
  output[0].type = input[0].type;
  return toBinary(ModelProtoSchema, model);
}

/** Convolutions in a row that share a kernel of nine numbers: a few bytes a node, and a map of 14,000 entries. */
const row = (length: number) =>
  declared({
    inputs: { x: [1, 1, side, side] },
    tensors: { k: kernel },
    nodes: Array.from(
      { length },
      (_, i): NodeOf => ({
        op: "Conv",
        name: `conv ${i}`,
        in: [i === 0 ? "x" : `h${i}`, "k"],
        out: [i === length - 1 ? "y" : `h${i + 1}`],
        attributes: { pads: [1, 1, 1, 1] },
      }),
    ),
  });

describe("programOf()", () => {
  const shape = [1, side, side];
  const steps = (length: number, numbers: number, entries: number) =>
    programOf(readOnnx(row(length)), {}, shape, { numbers, entries });

  it("adds up the maps that are written out, and refuses the node with which they are too large", () => {
    const each = (3 * side - 2) ** 2;
    expect(steps(8, 1e6, side ** 2 + 8 * each).steps.length).toBe(9);
    expect(() => steps(8, 1e6, 7.5 * each)).toThrow(
      /node "conv 7" .*the maps of the model, written out, are too large/,
    );
  });

  it("adds up the tensors", () => {
    expect(() => steps(8, 5.5 * side ** 2, 1e6)).toThrow(/conv 4.*the tensors of the model are too large/);
  });

  it("refuses what one tensor alone asks for, before anything of that size is made", () => {
    const before = process.memoryUsage().arrayBuffers;
    const wide = (pads: readonly number[], x: readonly number[]) =>
      declared({
        inputs: { x },
        tensors: { k: kernel },
        nodes: [{ op: "Conv", in: ["x", "k"], attributes: { pads } }],
      });
    expect(() => readProgram(wide([20_000, 20_000, 20_000, 20_000], [1, 1, 8, 8]), {}, [1, 8, 8])).toThrow(
      /strides, pads or/,
    );
    expect(() => readProgram(wide([1, 1, 1, 1], [1, 1, 1e5, 1e5]), {}, [1, 1e5, 1e5])).toThrow(/too large/);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1e8);
  });
});
