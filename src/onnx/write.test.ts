import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import type { Node } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import { add, mul } from "../ops/arith.ts";
import { matmul } from "../ops/matmul.ts";
import { transpose } from "../ops/movement.ts";
import type { Named } from "../tensor/named.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { toFloat64 } from "../tensor/tensor.ts";
import { ModelProtoSchema } from "./proto.ts";
import { parseOnnx } from "./read.ts";
import { writeModel } from "./write.ts";

const r = random(3);
const feeds = {
  a: normalTensor(r.fork("a"), [4, 3]),
  b: normalTensor(r.fork("b"), [4, 2]),
  c: normalTensor(r, [3, 2]),
};
const [a, b, c] = [input("a", [4, 3]), input("b", [4, 2]), input("c", [3, 2])];
const product = matmul(transpose(a), b);

function operators(outputs: Named<Node>, opset: number): string[] {
  const { graph } = fromBinary(ModelProtoSchema, writeModel(outputs, { opset }));
  return (graph?.node ?? []).map(({ opType, input }) => `${opType}/${input.length}`).sort();
}

describe("writeModel()", () => {
  it("lets a product over samples start from what it is added to", () => {
    expect(operators({ y: add(product, c) }, 17)).toEqual(["Gemm/3"]);
    expect(operators({ y: add(c, product) }, 17)).toEqual(["Gemm/3"]);
    expect(operators({ y: add(product, mul(c, c)) }, 17)).toEqual(["Gemm/3", "Mul/2"]);
  });

  it("joins two products into one another", () => {
    const other = matmul(transpose(mul(a, a)), b);
    expect(operators({ y: add(product, other) }, 17)).toEqual(["Gemm/2", "Gemm/3", "Mul/2"]);
  });

  it.each<[string, Named<Node>]>([
    ["that something else reads", { y: add(product, c), z: mul(product, c) }],
    ["that is an output", { y: add(product, c), product }],
    ["that is added to itself", { y: add(product, product) }],
  ])("writes a product %s by itself", (_, outputs) => {
    expect(operators(outputs, 17).filter((o) => o.startsWith("Gemm"))).toEqual(["Gemm/2"]);
  });

  it.each([9, 11, 22, 26])("means the same read back at opset %s", (opset) => {
    const outputs = { y: add(mul(c, 2), add(product, c)), z: add(matmul(transpose(b), a), transpose(product)) };
    expect(operators(outputs, opset)).toContain(opset < 11 ? "MatMul/2" : "Gemm/3");
    const back = parseOnnx(writeModel(outputs, { opset }));
    const [y, z] = back.build(back.inputs.map((port) => ({ a, b, c })[port.name] as Node));
    const [ours, want] = [evaluate({ y, z }, feeds), evaluate(outputs, feeds)];
    for (const name of ["y", "z"]) {
      const values = toFloat64(want[name]);
      toFloat64(ours[name]).forEach((v, i) => {
        expect(v).toBeCloseTo(values[i], 5);
      });
    }
  });
});
