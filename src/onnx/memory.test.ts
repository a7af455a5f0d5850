import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { modelOf } from "../../test/model.ts";
import { hasShared, sharedData } from "../../test/shared.ts";
import { parseOnnx } from "./read.ts";

describe("the memory of a model", () => {
  const tensor = (shape: readonly number[], values: readonly number[]) =>
    ({ dtype: "int64", shape, data: BigInt64Array.from(values, BigInt) }) as const;
  /** A column stretched to n, times itself: n^2 numbers out of a file of 300 bytes. */
  const outer = (n: number) =>
    modelOf({
      inputs: { x: [1, 1] },
      nodes: [
        { op: "Expand", in: ["x", "s"], out: ["a"], name: "stretch" },
        { op: "Transpose", in: ["a"], out: ["b"], name: "turn" },
        { op: "MatMul", in: ["a", "b"], out: ["c"], name: "product" },
        { op: "ReduceSum", in: ["c", "axes"], out: ["y"], name: "sum" },
      ],
      tensors: { s: tensor([2], [n, 1]), axes: tensor([2], [0, 1]) },
    });

  it("is added up from shapes, and what is too much is refused by the name of the node", () => {
    expect(parseOnnx(outer(100)).outputs).toEqual(["y"]);
    expect(() => parseOnnx(outer(40_000))).toThrow(
      /node "product" \(MatMul\): to here the network needs 38\.4 GB of memory, 38\.4 GB for this alone, and may use 4 GB/,
    );
    expect(() => parseOnnx(outer(100), { memory: 1e5 })).toThrow(/node "product" .*needs 245 kB.*may use 100 kB/);
    expect(() => parseOnnx(outer(100), { memory: 1e6 })).not.toThrow();
  });

  it("counts an input, and many small nodes together", () => {
    const relus = Array.from({ length: 50 }, (_, i) => ({
      op: "Relu",
      in: [i === 0 ? "x" : `h${i}`],
      out: [i === 49 ? "y" : `h${i + 1}`],
      name: `relu ${i}`,
    }));
    const wide = modelOf({ inputs: { x: [1, 1000] }, nodes: relus });
    expect(() => parseOnnx(wide, { memory: 2e4 })).toThrow(/input "x": to here the network needs 24 kB/);
    expect(() => parseOnnx(wide, { memory: 1e6 })).toThrow(/node "relu 40" \(Relu\)/);
    expect(() => parseOnnx(wide, { memory: 1.3e6 })).not.toThrow();
  });

  it.skipIf(!hasShared("reports/soundness"))("keeps files of 63 to 230 bytes from taking all there is", () => {
    for (const name of ["outer", "pad", "input_big"]) {
      const bytes = readFileSync(`${sharedData}reports/soundness/${name}.onnx`);
      const before = process.memoryUsage().rss;
      expect(() => parseOnnx(bytes)).toThrow(/needs .* GB of memory/);
      expect(process.memoryUsage().rss - before).toBeLessThan(2e8);
    }
  });
});
