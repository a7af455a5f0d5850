/** @file auto_pad SAME of every length, stride and window: both readers, the library's and the checker's, take what ONNX Runtime takes of the same bytes, or refuse it. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { input } from "../../src/graph/leaf.ts";
import { type GraphProto, ModelProtoSchema, TypeProtoSchema } from "../../src/onnx/proto.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { runOn } from "../../src/verify/proof/run.ts";
import { runAtOnce } from "../../src/verify/task.ts";
import { readProgram } from "../../src/verify/verify.ts";
import { modelOf } from "../model.ts";

const engine = nodeEngine({ threads: 1 });

/** The checker wants to be told that its output is a matrix. */
function told(bytes: Uint8Array): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const dim = [1n, "n"].map((d) => ({
    value: typeof d === "bigint" ? { case: "dimValue" as const, value: d } : { case: "dimParam" as const, value: d },
  }));
  const type = create(TypeProtoSchema, { value: { case: "tensorType", value: { elemType: 1, shape: { dim } } } });
  (model.graph as GraphProto).output[0].type = type;
  return toBinary(ModelProtoSchema, model);
}

/** What the function gives, or null where it refuses. */
const orNull = <T>(of: () => T): T | null => {
  try {
    return of();
  } catch {
    return null;
  }
};

describe.each(["Conv", "MaxPool", "AveragePool"])("auto_pad SAME of %s", (op) => {
  it.each(["SAME_UPPER", "SAME_LOWER"])("%s", async (auto_pad) => {
    let read = 0;
    let checked = 0;
    let ran = 0;
    for (const kernel of [1, 2, 3]) {
      for (let size = kernel; size <= 16; size++) {
        for (const stride of [1, 2, 3, 4, 5, 6, 8]) {
          // All values are their places, so that what is read where is seen.
          const x = Float32Array.from({ length: size }, (_, i) => i + 1);
          const w = tensor(
            Array.from({ length: kernel }, (_, i) => 100 ** i),
            [1, 1, kernel],
          );
          const attributes = { auto_pad, strides: [stride], kernel_shape: [kernel] };
          const bytes = told(
            modelOf({
              opset: 17,
              inputs: { x: [1, 1, size] },
              nodes: [
                { op, in: op === "Conv" ? ["x", "w"] : ["x"], out: ["z"], attributes },
                { op: "Flatten", in: ["z"] },
              ],
              tensors: op === "Conv" ? { w } : {},
            }),
          );
          const fed = tensor(x, [1, 1, size]);
          const theirs = await engine
            .load(bytes)
            .then(async (program) => {
              const { y } = await program.run({ x: fed });
              await program.dispose();
              return [...toFloat64(y)];
            })
            .catch(() => null);
          if (!theirs) continue;
          ran++;
          const where = `${op} ${auto_pad} kernel ${kernel} size ${size} stride ${stride}`;
          const ours = orNull(
            () => evaluate({ y: parseOnnx(bytes).build([input("x", [1, 1, size])])[0] }, { x: fed }).y,
          );
          if (ours) expect([...toFloat64(ours)], where).toEqual(theirs);
          const checker = orNull(() => runAtOnce(runOn(readProgram(bytes, {}, [1, size]), x)).outputs);
          if (checker) {
            // A single output counts as (0, y).
            const all = theirs.length === 1 ? [0, ...theirs] : theirs;
            expect(checker.length, where).toBe(all.length);
            checker.forEach((v, i) => {
              expect(v, where).toBeCloseTo(all[i], 4);
            });
          }
          if (ours) read++;
          if (checker) checked++;
        }
      }
    }
    expect(read).toBeGreaterThan(0.6 * ran);
    expect(checked).toBeGreaterThan(0.6 * ran);
  });
});
