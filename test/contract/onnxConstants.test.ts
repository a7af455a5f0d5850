/** @file What a model computes of its constants: in the arithmetic of their types, as ONNX Runtime does it of the same bytes; an overflow is refused. */
import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../../src/engine/node.ts";
import { evaluate } from "../../src/engine/reference.ts";
import { input } from "../../src/graph/leaf.ts";
import { TensorProtoSchema } from "../../src/onnx/proto.ts";
import { parseOnnx } from "../../src/onnx/read.ts";
import { roundedTo } from "../../src/ops/rounding.ts";
import { type DType, type Tensor, tensor, toFloat64 } from "../../src/tensor/tensor.ts";
import { type ModelOf, modelOf, type NodeOf } from "../model.ts";

const engine = nodeEngine({ threads: 1 });
const longs = (...values: readonly bigint[]): Tensor => ({
  dtype: "int64",
  shape: [values.length],
  data: BigInt64Array.from(values),
});

/** x plus what a row of nodes makes of constants, read at both precisions, and as ONNX Runtime has it. */
async function both(nodes: readonly NodeOf[], tensors: ModelOf["tensors"] & object, opset = 17) {
  const bytes = modelOf({
    opset,
    inputs: { x: [1] },
    nodes: [...nodes, { op: "Cast", in: ["c"], out: ["d"], attributes: { to: 1 } }, { op: "Add", in: ["x", "d"] }],
    tensors,
  });
  const run = async () => {
    const program = await engine.load(bytes);
    const found = toFloat64((await program.run({ x: tensor([0]) })).y);
    await program.dispose();
    return [...found];
  };
  const read = (dtype: DType) => {
    const x = input("x", [1], dtype);
    const [y] = parseOnnx(bytes).build([x]);
    return [...toFloat64(evaluate({ y }, { x: tensor([0], [1], dtype) }).y)];
  };
  return { run, read: () => [read("float32"), read("float64")] };
}

async function agree(nodes: readonly NodeOf[], tensors: ModelOf["tensors"] & object): Promise<number[]> {
  const { run, read } = await both(nodes, tensors);
  const want = await run();
  for (const got of read()) expect(got).toEqual(want);
  return want;
}

const op = (name: string, ...inputs: readonly string[]): NodeOf => ({ op: name, in: inputs, out: ["c"] });

describe("whole numbers", () => {
  it("keep all their digits", async () => {
    const tensors = { a: longs(2n ** 53n + 1n), b: longs(2n ** 53n) };
    expect(await agree([op("Sub", "a", "b")], tensors)).toEqual([1]);
    expect(await agree([op("Equal", "a", "b")], tensors)).toEqual([0]);
    expect(await agree([op("Div", "a", "b")], { a: longs(2n ** 62n - 1n), b: longs(2n ** 40n) })).toEqual([
      2 ** 22 - 1,
    ]);
  });

  it.each(["Add", "Sub", "Mul", "Div", "Max", "Min"])(
    "%s as ONNX Runtime does, whatever their size, or is refused",
    async (name) => {
      const size = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
      const small = fc.bigInt({ min: -40n, max: 40n });
      const near = fc.bigInt({ min: 2n ** 53n - 4n, max: 2n ** 53n + 4n });
      const any = fc.oneof(size, small, near);
      const rules: Record<string, (a: bigint, b: bigint) => bigint> = {
        Add: (a, b) => a + b,
        Sub: (a, b) => a - b,
        Mul: (a, b) => a * b,
        Div: (a, b) => (b === 0n ? 2n ** 70n : a / b),
        Max: (a, b) => (a > b ? a : b),
        Min: (a, b) => (a < b ? a : b),
      };
      await fc.assert(
        fc.asyncProperty(any, any, async (a, b) => {
          const exact = rules[name](a, b);
          const tensors = { a: longs(a), b: longs(b) };
          if (exact >= 2n ** 63n || exact < -(2n ** 63n)) {
            const { read } = await both([op(name, "a", "b")], tensors);
            expect(read).toThrow(/left open by ONNX|divided by 0/);
          } else await agree([op(name, "a", "b")], tensors);
        }),
        { numRuns: 60, seed: 3 },
      );
    },
  );

  it("are moved whole", async () => {
    const tensors = { a: longs(2n ** 60n + 1n, -5n, 2n ** 61n + 3n), i: longs(2n), b: longs(2n ** 61n) };
    const nodes: NodeOf[] = [
      { op: "Gather", in: ["a", "i"], out: ["g"], attributes: { axis: 0 } },
      { op: "Concat", in: ["g", "b"], out: ["h"], attributes: { axis: 0 } },
      { op: "Gather", in: ["h", "zero"], out: ["k"], attributes: { axis: 0 } },
      op("Sub", "k", "b"),
    ];
    expect(await agree(nodes, { ...tensors, zero: longs(0n) })).toEqual([3]);
  });

  it("that no longer fit their type are refused", async () => {
    const narrow = (type: number, value: number) =>
      [
        { op: "Cast", in: ["a"], out: ["c"], attributes: { to: type } } satisfies NodeOf,
        { a: tensor([value], [1], "int32") },
      ] as const;
    for (const [type, value] of [
      [2, 256],
      [2, -1],
      [3, 128],
      [4, 65536],
      [5, -32769],
      [12, -1],
    ]) {
      const [node, tensors] = narrow(type, value);
      const { read } = await both([node], tensors);
      expect(read).toThrow(/is no U?INT\d+/);
    }
    for (const [type, value] of [
      [2, 255],
      [3, -128],
      [4, 65535],
    ]) {
      const [node, tensors] = narrow(type, value);
      expect(await agree([node], tensors)).toEqual([value]);
    }
    const ints = { a: tensor([2 ** 31 - 1], [1], "int32"), b: tensor([1], [1], "int32") };
    expect((await both([op("Add", "a", "b")], ints)).read).toThrow(/2147483648 is no int32/);
    const bytes = (v: number) => create(TensorProtoSchema, { dataType: 2, dims: [1n], rawData: Uint8Array.of(v) });
    expect((await both([op("Add", "a", "b")], { a: bytes(200), b: bytes(100) })).read).toThrow(/300 is no UINT8/);
    const far = { op: "Cast", in: ["a"], out: ["c"], attributes: { to: 7 } } satisfies NodeOf;
    expect((await both([far], { a: tensor([1e30]) })).read).toThrow(/left open/);
  });
});

describe("floating-point constants", () => {
  it.each([
    ["Add", 2],
    ["Sub", 2],
    ["Mul", 2],
    ["Div", 2],
    ["Sqrt", 1],
  ] as const)("%s in float32, step by step", async (name, arity) => {
    const number = fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e6), max: Math.fround(1e6) });
    await fc.assert(
      fc.asyncProperty(number, number, number, async (a, b, c) => {
        fc.pre(name !== "Div" || Math.abs(b) > 1e-6);
        const tensors = { a: tensor([name === "Sqrt" ? Math.abs(a) : a]), b: tensor([b]), m: tensor([c]) };
        const inputs = arity === 2 ? ["a", "b"] : ["a"];
        await agree([{ op: name, in: inputs, out: ["s"] }, op("Sub", "s", "m")], tensors);
        // What cancels leaves what rounding left.
        await agree(
          [{ op: name, in: inputs, out: ["s"] }, { op: "Add", in: ["s", "m"], out: ["t"] }, op("Sub", "t", "m")],
          tensors,
        );
      }),
      { numRuns: 40, seed: 5 },
    );
  });

  it.each([
    ["float16", 10],
    ["bfloat16", 16],
  ] as const)("are rounded to %s, ties to even", async (half, code) => {
    const special = [
      0,
      1,
      2049,
      2050,
      2051,
      2 ** -24,
      2 ** -25,
      3 * 2 ** -25,
      6.1e-5,
      5.96e-8,
      65504,
      1.00048828125,
      1e-40,
      3.3,
    ];
    const values = [...special, ...special.map((v) => -v)].map(Math.fround);
    for (const v of values) {
      const nodes: NodeOf[] = [{ op: "Cast", in: ["a"], out: ["c"], attributes: { to: code } }];
      const [got] = await agree(nodes, { a: tensor([v]) });
      expect(got).toBe(roundedTo(half, v) + 0);
    }
    await fc.assert(
      fc.asyncProperty(fc.float({ noNaN: true, min: Math.fround(-60000), max: Math.fround(60000) }), async (v) => {
        await agree([{ op: "Cast", in: ["a"], out: ["c"], attributes: { to: code } }], { a: tensor([v]) });
      }),
      { numRuns: 100, seed: 6 },
    );
  });

  it("are rounded from whole numbers once", async () => {
    // 2^24 + 1 is a tie of float32; a digit far below it decides.
    for (const v of [
      2n ** 24n + 1n,
      2n ** 60n + 2n ** 36n,
      2n ** 60n + 2n ** 36n + 1n,
      -(2n ** 60n) - 2n ** 36n - 1n,
      2n ** 62n + 2n ** 38n - 1n,
    ]) {
      await agree([op("Identity", "a")], { a: longs(v) });
    }
  });
});

describe("what varies", () => {
  it.each([
    ["float16", 10],
    ["bfloat16", 16],
  ] as const)("and is rounded to %s has no constant, and runs as it does there", async (half, code) => {
    const bytes = modelOf({
      inputs: { x: [4] },
      nodes: [
        { op: "Cast", in: ["x"], out: ["h"], attributes: { to: code } },
        { op: "Cast", in: ["h"], attributes: { to: 1 } },
      ],
    });
    const x = tensor([2049, -0.1, 1 / 3, 1e-6]);
    const program = await engine.load(bytes);
    const want = [...toFloat64((await program.run({ x })).y)];
    for (const dtype of ["float32", "float64"] as const) {
      const node = input("x", [4], dtype);
      const [y] = parseOnnx(bytes).build([node]);
      const fed = { x: { ...x, dtype, data: dtype === "float32" ? x.data : toFloat64(x) } };
      expect([...toFloat64(evaluate({ y }, fed).y)]).toEqual(want);
      const compiled = await engine.compile({ y });
      expect([...toFloat64((await compiled.run(fed)).y)]).toEqual(want);
      const told = y.op.behaviour(y, [true]);
      expect(told.kind === "unbounded" && told.why).toContain(`${half} rounds: it is a step function`);
    }
  });

  it("as a small integer may not be calculated with", () => {
    const bytes = modelOf({
      type: 2,
      inputs: { x: [1] },
      nodes: [
        { op: "Add", in: ["x", "x"], out: ["s"] },
        { op: "Cast", in: ["s"], attributes: { to: 1 } },
      ],
    });
    expect(() => parseOnnx(bytes)).toThrow(/which wrap/);
  });
});
