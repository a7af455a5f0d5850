/**
 * @file The op contract, engines: what ONNX Runtime computes of every row and of its gradient is what the reference says, in both
 * precisions and in every opset. All rows share one session a precision and opset; a failure names its row by the output.
 */
import { describe, expect, it } from "vitest";
import { evaluate } from "../../src/engine/reference.ts";
import { vjp } from "../../src/graph/gradient.ts";
import { type Node, topological } from "../../src/graph/graph.ts";
import { input, inputsOf } from "../../src/graph/leaf.ts";
import { newestOpset, oldestOpset } from "../../src/onnx/opsets.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { UsageError } from "../../src/tensor/errors.ts";
import type { Named } from "../../src/tensor/named.ts";
import { random } from "../../src/tensor/random.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { cast, type DType, isFloat, type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { testEngine } from "../testEngine.ts";
import { type OpCase, opCases } from "./opCases.ts";
import { draw, feedsOf, instance, normals } from "./probe.ts";
import { asked, expectClose } from "./questions.ts";

const engine = testEngine({ threads: 1 });

interface Batch {
  readonly outputs: Named<Node>;
  readonly feeds: Named<Tensor>;
}

/** Rows side by side in one graph: the output of each under its name, and with `gradients` what flows back to each of its inputs. */
function together(rows: readonly OpCase[], dtype: DType, gradients: boolean): Batch {
  const outputs: Record<string, Node> = {};
  const feeds: Record<string, Tensor> = {};
  for (const row of rows) {
    const r = random(3).fork(row.name);
    const { inputs, y } = instance(row, dtype, `${row.name}: x`);
    const values = draw(row, r).map((t) => (isFloat(t.dtype) ? cast(t, dtype) : t));
    outputs[row.name] = y;
    Object.assign(feeds, feedsOf(inputs, values));
    if (!gradients || !isFloat(y.dtype)) continue;
    const dy = input(`${row.name}: dy`, y.shape, dtype);
    const moving = inputs.filter((i) => isFloat(i.dtype));
    vjp([y], [dy], moving).forEach((dx, i) => {
      if (dx) outputs[`${row.name}: gradient ${i}`] = dx;
    });
    feeds[`${row.name}: dy`] = tensor(normals(sizeOf(y.shape), r).map(Math.fround), y.shape, dtype);
  }
  const needed = new Set(inputsOf(topological(Object.values(outputs))).keys());
  return { outputs, feeds: Object.fromEntries(Object.entries(feeds).filter(([name]) => needed.has(name))) };
}

/** Every output within `tolerance` of the reference, relative to its largest value (or 1). */
function expectReference({ outputs, feeds }: Batch, got: Named<Tensor>, tolerance: number): void {
  const want = evaluate(outputs, feeds);
  const wrong = Object.keys(outputs).flatMap((name) => {
    const [is, should] = [got[name].data, want[name].data].map((data) => Float64Array.from(data, Number));
    const scale = should.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
    try {
      expect(got[name].shape).toEqual(want[name].shape);
      expect(got[name].dtype).toBe(outputs[name].dtype);
      expectClose(is, should, tolerance * scale);
      return [];
    } catch (error) {
      return [`${name}: ${error instanceof Error ? error.message : error}`];
    }
  });
  expect(wrong).toEqual([]);
}

describe("float32", () => {
  it("is the reference, values and gradients", async () => {
    const batch = together(asked("float32", opCases), "float32", true);
    const program = await engine.compile(batch.outputs);
    expectReference(batch, await program.run(batch.feeds), 1e-5);
    await program.dispose();
  });
});

describe("float64", () => {
  it("is the reference, values and gradients", async () => {
    const batch = together(asked("float64", opCases), "float64", true);
    const program = await engine.compile(batch.outputs);
    expectReference(batch, await program.run(batch.feeds), 1e-12);
    await program.dispose();
  });
});

describe("opsets", () => {
  const rows = asked("opsets", opCases);
  const opsets = Array.from({ length: newestOpset - oldestOpset + 1 }, (_, i) => oldestOpset + i);

  it.each(opsets)("opset %i writes what exists in it and refuses the rest", (opset) => {
    for (const row of rows) {
      const { y } = instance(row, "float32");
      const write = () => writeModel({ y }, { opset });
      if (opset < (row.opset ?? oldestOpset)) expect(write, row.name).toThrow(UsageError);
      else expect(write, row.name).not.toThrow();
    }
  });

  // ONNX Runtime reads models from opset 7 on.
  it.each(opsets.filter((o) => o >= 7))("opset %i means the same to ONNX Runtime", async (opset) => {
    const batch = together(
      rows.filter((row) => (row.opset ?? oldestOpset) <= opset),
      "float32",
      false,
    );
    const program = await engine.load(writeModel(batch.outputs, { opset }));
    expectReference(batch, await program.run(batch.feeds), 1e-5);
    await program.dispose();
  });
});
