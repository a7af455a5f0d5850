/** @file What every engine is asked: the reference's answers, safe parallel runs, a dispose that may be repeated, clear refusals. */
import { describe, expect, it } from "vitest";
import type { Engine } from "../../src/engine/engine.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { grad } from "../../src/graph/gradient.ts";
import type { Node } from "../../src/graph/graph.ts";
import { constant, input } from "../../src/graph/leaf.ts";
import { writeModel } from "../../src/onnx/write.ts";
import { add, div, mul, sub } from "../../src/ops/arith.ts";
import { sum } from "../../src/ops/broadcast.ts";
import { matmul } from "../../src/ops/matmul.ts";
import { transpose } from "../../src/ops/movement.ts";
import { clip, relu, tanh } from "../../src/ops/pointwise.ts";
import { EngineError } from "../../src/tensor/errors.ts";
import { normalTensor, random } from "../../src/tensor/random.ts";
import { cast, type DType, scalar, type Tensor, tensor } from "../../src/tensor/tensor.ts";
import { testEngine } from "../testEngine.ts";

const engines: readonly (readonly [string, () => Engine])[] = [
  ["as many threads as it takes", () => testEngine()],
  ["one thread", () => testEngine({ threads: 1 })],
];

/** One step of gradient descent on |tanh(x w)|^2: forward, backward and update in one graph. */
function step(dtype: DType): Record<"loss" | "next", Node> {
  const x = input("x", [4, 3], dtype);
  const w = input("w", [3, 2], dtype);
  const y = tanh(matmul(x, w));
  const loss = sum(mul(y, y));
  const [slope] = grad(loss, [w]);
  return { loss, next: sub(w, mul(slope, 0.1)) };
}

const feeds = (dtype: DType): Record<"x" | "w", Tensor> => ({
  x: cast(normalTensor(random(1), [4, 3]), dtype),
  w: cast(normalTensor(random(2), [3, 2]), dtype),
});

const numbers = (t: Tensor): number[] => Array.from(t.data as Float64Array, Number);

describe.each(engines)("%s", (_, make) => {
  it.each([
    ["float32", 1e-5],
    ["float64", 1e-13],
  ] as const)("answers as the reference does in %s", async (dtype, tolerance) => {
    const program = await make().compile(step(dtype));
    const ours = await program.run(feeds(dtype));
    const judge = evaluate(step(dtype), feeds(dtype));
    for (const name of ["loss", "next"] as const) {
      expect(ours[name].dtype).toBe(dtype);
      numbers(judge[name]).forEach((v, i) => {
        expect(Math.abs(numbers(ours[name])[i] - v)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(v)));
      });
    }
    await program.dispose();
  });

  it("takes results back as feeds, and leaves what it was fed and what it gave before alone", async () => {
    const program = await make().compile(step("float32"));
    const { x, w } = feeds("float32");
    const before = [numbers(x), numbers(w)];
    const first = await program.run({ x, w });
    const kept = numbers(first.next);
    const second = await program.run({ x, w: first.next });
    expect(numbers(first.next)).toEqual(kept);
    expect([numbers(x), numbers(w)]).toEqual(before);
    expect(Number(second.loss.data[0])).toBeLessThan(Number(first.loss.data[0]));
    await program.dispose();
  });

  it("keeps runs apart that are started together", async () => {
    const program = await make().compile({ y: add(input("a", []), input("b", [])) });
    const runs = Array.from({ length: 20 }, (_, i) => program.run({ a: scalar(i), b: scalar(100) }));
    const results = await Promise.all(runs);
    expect(results.map((r) => Number(r.y.data[0]))).toEqual(Array.from({ length: 20 }, (_, i) => 100 + i));
    await program.dispose();
  });

  it("gives equal bits for equal feeds", async () => {
    const program = await make().compile(step("float32"));
    const [a, b] = [await program.run(feeds("float32")), await program.run(feeds("float32"))];
    expect(numbers(a.next)).toEqual(numbers(b.next));
    await program.dispose();
  });

  it("disposes once, however often it is asked, and runs no more", async () => {
    const program = await make().compile({ y: mul(input("a", []), 2) });
    await program.dispose();
    await program.dispose();
    await expect(program.run({ a: scalar(1) })).rejects.toThrow(EngineError);
  });

  it("runs a clip behind a relu in float64", async () => {
    const x = input("x", [3], "float64");
    const program = await make().compile({ y: clip(relu(x), 0.5, 2) });
    const { y } = await program.run({ x: cast(tensor([-1, 1, 5]), "float64") });
    await program.dispose();
    expect(numbers(y)).toEqual([0.5, 1, 2]);
  });

  it("keeps scalars beside products in float64", async () => {
    const x = input("x", [3, 4], "float64");
    const w = constant(cast(normalTensor(random(4), [4, 4]), "float64"));
    const built = {
      before: matmul(div(x, 3), w),
      behind: mul(matmul(x, w), 0.1),
      quotient: div(matmul(x, w), 255),
      both: mul(matmul(mul(x, 0.1), w), 1 / 3),
      scores: matmul(div(x, Math.sqrt(3)), transpose(x)),
    };
    const fed = { x: cast(normalTensor(random(5), [3, 4]), "float64") };
    const judge = evaluate(built, fed);
    for (const [name, y] of Object.entries(built)) {
      const program = await make().compile({ y });
      const ours = numbers((await program.run(fed)).y);
      await program.dispose();
      const right = numbers(judge[name as keyof typeof built]);
      right.forEach((v, i) => {
        expect(Math.abs(ours[i] - v)).toBeLessThanOrEqual(1e-14 * Math.max(1, Math.abs(v)));
      });
    }
  });

  it("loads the bytes of a model unread", async () => {
    const { y } = await (await make().load(writeModel({ y: mul(input("a", [2]), 2) }))).run({
      a: normalTensor(random(3), [2]),
    });
    expect(y.shape).toEqual([2]);
  });

  it("says which input is missing, unknown or of another type", async () => {
    const program = await make().compile({ y: add(input("a", [2]), input("b", [2])) });
    const [a, b] = [normalTensor(random(1), [2]), normalTensor(random(2), [2])];
    await expect(program.run({ a })).rejects.toThrow(/input "b" is missing/);
    await expect(program.run({ a, b, c: b })).rejects.toThrow(/unknown input "c"/);
    await expect(program.run({ a, b: scalar(1) })).rejects.toThrow(/"b" must be float32\[2\], got float32\[\]/);
    await expect(program.run({ a, b: cast(b, "float64") })).rejects.toThrow(/got float64/);
    await program.dispose();
  });

  it("refuses bytes that are no model", async () => {
    await expect(make().load(new Uint8Array([1, 2, 3]))).rejects.toThrow(EngineError);
  });
});
