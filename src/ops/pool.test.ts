/** @file Unit tests of pooling: numbers by hand, what PyTorch and ONNX say of rounded-up sizes and counted pads, norms. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { writeModel } from "../onnx/write.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, tensor, toFloat64 } from "../tensor/tensor.ts";
import { averagePool, globalAveragePool, globalMaxPool, maxPool } from "./pool.ts";

const values = (y: Node): number[] => [...toFloat64(evaluate({ y }).y)];
const row = (...numbers: number[]) => constant(tensor(numbers, [1, 1, numbers.length], "float64"));
const pulled = (y: Node, x: Node, dy: Node) => values(vjp([y], [dy], [x])[0] as Node);

describe("maxPool()", () => {
  it("takes the largest of each window, never the padding", () => {
    expect(values(maxPool(row(1, 3, 2, 5), { kernel: [2], strides: [2] }))).toEqual([3, 5]);
    expect(values(maxPool(row(-1, -3, -2), { kernel: [2], pads: [1, 1] }))).toEqual([-1, -1, -2, -2]);
    expect(values(maxPool(row(1, 3, 2, 5), { kernel: [2], dilations: [2] }))).toEqual([2, 5]);
  });

  it("keeps a short last window with ceil, unless it starts in the pads at the end", () => {
    expect(values(maxPool(row(1, 3, 2), { kernel: [2], strides: [2] }))).toEqual([3]);
    expect(values(maxPool(row(1, 3, 2), { kernel: [2], strides: [2], ceil: true }))).toEqual([3, 2]);
    const padded = maxPool(row(1, 3, 2, 4, 5, 6), { kernel: [2], strides: [3], pads: [1, 1], ceil: true });
    expect(values(padded)).toEqual([1, 4, 6]);
    expect(maxPool(row(1, 3, 2, 4, 5), { kernel: [2], strides: [3], pads: [1, 1], ceil: true }).shape).toEqual([
      1, 1, 2,
    ]);
  });

  it("splits the cotangent of a tie evenly, side by side and overlapping", () => {
    const x = row(7, 7, 1, 2);
    expect(pulled(maxPool(x, { kernel: [2], strides: [2] }), x, row(10, 20))).toEqual([5, 5, 0, 20]);
    expect(pulled(maxPool(x, { kernel: [2] }), x, row(10, 20, 30))).toEqual([5, 25, 0, 30]);
  });

  it("lets no cotangent into the padding", () => {
    const x = row(0, -1);
    // The padding is laid out as zeros too; a tie with it is none.
    expect(pulled(maxPool(x, { kernel: [2], pads: [1, 0] }), x, row(1, 1))).toEqual([2, 0]);
  });

  it("knows how often it can copy an element", () => {
    const x = input("x", [1, 1, 6, 6]);
    const tiled = maxPool(x, { kernel: [2, 2], strides: [2, 2] });
    expect(tiled.op.behaviour(tiled, [true])).toMatchObject({ kind: "smooth", lipschitz: { 1: 1, 2: 1, inf: 1 } });
    const dense = maxPool(x, { kernel: [3, 2], strides: [1, 1] });
    const behaviour = dense.op.behaviour(dense, [true]);
    expect(behaviour).toMatchObject({ lipschitz: { 1: 6, inf: 1 } });
    if (behaviour.kind !== "smooth") expect.fail("max pooling must be smooth");
    expect(behaviour.lipschitz[2]).toBeGreaterThanOrEqual(Math.sqrt(6));
    expect(behaviour.lipschitz[2]).toBeCloseTo(Math.sqrt(6), 12);
  });

  it("refuses a window of padding alone, and dilations before opset 10", () => {
    const x = input("x", [1, 1, 4]);
    expect(() => maxPool(x, { kernel: [2], pads: [2, 0] })).toThrow("maxPool: every window must reach the input");
    expect(() => maxPool(x, { kernel: [2, 2] })).toThrow("an axis per spatial axis");
    const y = maxPool(x, { kernel: [2], dilations: [2] });
    expect(() => writeModel({ y }, { opset: 9 })).toThrow("MaxPool has dilations from opset 10");
  });
});

describe("averagePool()", () => {
  it("divides by what a window has of the input, or of the input and its pads", () => {
    const options = { kernel: [2], strides: [2], pads: [1, 0] };
    expect(values(averagePool(row(2, 4, 6), options))).toEqual([2, 5]);
    expect(values(averagePool(row(2, 4, 6), { ...options, countPads: true }))).toEqual([1, 5]);
  });

  it("does not count what ceil adds beyond the pads", () => {
    const options = { kernel: [3], strides: [2], pads: [1, 1], ceil: true };
    expect(values(averagePool(row(2, 4, 6, 8), options))).toEqual([3, 6, 8]);
    // The last window has 8, one pad, and one place beyond.
    expect(values(averagePool(row(2, 4, 6, 8), { ...options, countPads: true }))).toEqual([2, 6, 4]);
  });

  it("has norms 1/k and 1 where k x k windows do not overlap", () => {
    const y = averagePool(input("x", [1, 1, 6, 6]), { kernel: [3, 3], strides: [3, 3] });
    const behaviour = y.op.behaviour(y, [true]);
    if (behaviour.kind !== "linear" || behaviour.of.form !== "bounded") expect.fail("norms must be known");
    const { norm } = behaviour.of;
    expect(norm.inf).toBe(1);
    expect(norm[2]).toBeCloseTo(1 / 3, 12);
    expect(norm[2]).toBeGreaterThanOrEqual(1 / 3);
    expect(norm[1]).toBeCloseTo(1 / 9, 12);
  });
});

describe("global pooling", () => {
  it("leaves one number a channel", () => {
    const x = constant(tensor([1, 2, 3, 6, -1, -2, -3, -6], [1, 2, 2, 2], "float64"));
    expect(values(globalAveragePool(x))).toEqual([3, -3]);
    expect(values(globalMaxPool(x))).toEqual([6, -1]);
    expect(globalMaxPool(x).shape).toEqual([1, 2, 1, 1]);
  });
});

describe("pooling on the engine", () => {
  const options = { kernel: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1], ceil: true };
  const cases = [
    { name: "maxPool, ceil", build: (x: Node) => maxPool(x, options) },
    { name: "maxPool, dilated", build: (x: Node) => maxPool(x, { kernel: [2, 2], dilations: [2, 3] }) },
    { name: "averagePool, ceil", build: (x: Node) => averagePool(x, options) },
    { name: "averagePool, ceil, counted pads", build: (x: Node) => averagePool(x, { ...options, countPads: true }) },
    {
      name: "averagePool, counted pads",
      build: (x: Node) => averagePool(x, { ...options, ceil: false, countPads: true }),
    },
    { name: "averagePool, a rest", build: (x: Node) => averagePool(x, { kernel: [2, 2], strides: [2, 2] }) },
    { name: "globalMaxPool", build: globalMaxPool },
    { name: "globalAveragePool", build: globalAveragePool },
  ].flatMap((c) => (["float32", "float64"] as const).map((dtype) => ({ ...c, dtype })));

  it.each(cases)("$name, $dtype: output and gradient are the reference's", async ({ build, dtype }) => {
    const x = input("x", [2, 3, 7, 8], dtype);
    const y = build(x);
    const dy = input("dy", y.shape, dtype);
    const outputs = { y, dx: vjp([y], [dy], [x])[0] as Node };
    const r = random(3);
    const feeds = { x: cast(normalTensor(r, x.shape), dtype), dy: cast(normalTensor(r, y.shape), dtype) };
    const engine = nodeEngine();
    const program = await engine.compile(outputs);
    const got = await program.run(
      Object.fromEntries(Object.keys(program.inputs).map((k) => [k, feeds[k as "x" | "dy"]])),
    );
    await program.dispose();
    const want = evaluate(outputs, feeds);
    for (const name of ["y", "dx"] as const) {
      const judge = toFloat64(want[name]);
      const worst = judge.reduce((most, v, i) => Math.max(most, Math.abs(v - Number(got[name].data[i]))), 0);
      expect(worst, name).toBeLessThan(dtype === "float32" ? 1e-5 : 1e-12);
    }
  });
});
