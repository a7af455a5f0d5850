/** @file Tests of matmul.ts, inverse.ts and normalize.ts. */
import { describe, expect, it } from "vitest";
import { nodeEngine } from "../engine/node.ts";
import { evaluate } from "../engine/reference.ts";
import { topological } from "../graph/graph.ts";
import { constant, input, inputsOf } from "../graph/leaf.ts";
import { ShapeError } from "../tensor/errors.ts";
import { mapNamed } from "../tensor/named.ts";
import { random, uniformTensor } from "../tensor/random.ts";
import { scalar, tensor } from "../tensor/tensor.ts";
import { add, mul } from "./arith.ts";
import { broadcastTo } from "./broadcast.ts";
import { inverse } from "./inverse.ts";
import { addScaled, gemm, matmul } from "./matmul.ts";
import { concat, reshape, transpose } from "./movement.ts";
import { batchNorm } from "./normalize.ts";

describe("addScaled()", () => {
  const r = random(7);
  const [x, d, u, v] = [input("x", [3, 6]), input("d", [3, 5]), input("u", [2, 6]), input("v", [2, 5])];
  const [p, rate] = [input("p", [6, 5]), input("rate", [])];
  const fed = {
    ...mapNamed({ x, d, u, v, p }, ({ shape }, name) => uniformTensor(r.fork(name), shape)),
    rate: scalar(-0.5),
  };
  const [first, second] = [matmul(transpose(x), d), matmul(transpose(u), v)];
  const other = mul(p, 0.25);

  it.each([
    ["a product over samples", first],
    ["two of them", add(first, second)],
    ["products and something else", add(add(other, first), second)],
    ["a product of more samples than that spares", matmul(transpose(concat([x, x, x], 0)), concat([d, d, d], 0))],
    ["something else", add(other, other)],
  ])("is p + factor g where g is %s", async (_, g) => {
    const plain = { y: add(p, mul(g, rate)) };
    const named = inputsOf(topological([plain.y]));
    const own = Object.fromEntries(Object.entries(fed).filter(([name]) => named.has(name)));
    const want = evaluate(plain, own).y.data;
    const program = await nodeEngine({ threads: 1 }).compile({ y: addScaled(p, g, rate) });
    const { y } = await program.run(own);
    await program.dispose();
    y.data.forEach((value: number | bigint, i: number) => {
      expect(Number(value)).toBeCloseTo(Number(want[i]), 5);
    });
  });

  it("makes nothing of the parameter's size but the sums themselves", () => {
    const made = topological([addScaled(p, add(first, second), rate)]).filter((n) => n.shape.join() === "6,5");
    expect(made.map((n) => n.op.name)).toEqual(["Input", "MatMul", "Add", "MatMul", "Add"]);
  });
});

describe("matmul()", () => {
  it("broadcasts leading axes and takes vectors as rows or columns", () => {
    const shape = (a: number[], b: number[]) => matmul(input("a", a), input("b", b)).shape;
    expect(shape([2, 3], [3, 4])).toEqual([2, 4]);
    expect(shape([5, 1, 2, 3], [6, 3, 4])).toEqual([5, 6, 2, 4]);
    expect(shape([3], [3])).toEqual([]);
    expect(shape([3], [5, 3, 4])).toEqual([5, 4]);
    expect(shape([5, 2, 3], [3])).toEqual([5, 2]);
  });

  it("refuses inner axes that do not match, scalars and mixed dtypes", () => {
    expect(() => matmul(input("a", [2, 3]), input("b", [2, 3]))).toThrow(ShapeError);
    expect(() => matmul(input("a", []), input("b", [2, 3]))).toThrow(ShapeError);
    expect(() => matmul(input("a", [2, 3]), input("b", [3, 2], "float64"))).toThrow(ShapeError);
  });

  it("states the matrix of the side that is held, through a broadcast too", () => {
    const w = input("w", [3, 4]);
    const y = matmul(input("x", [2, 3]), w);
    const behaviour = y.op.behaviour(y, [true, false]);
    expect(behaviour).toMatchObject({ kind: "linear", of: { form: "matrix", side: "right" } });
    expect(behaviour.kind === "linear" && behaviour.of.form === "matrix" && behaviour.of.weight).toBe(w);
    expect(y.op.behaviour(y, [true, true]).kind).toBe("unbounded");
  });

  it("is written with the rows that a broadcast repeats", async () => {
    const x = input("x", [3, 1]);
    const w = constant(tensor([1, 2, 3, 4, 5, 6], [3, 2]));
    const row = broadcastTo(constant(tensor([1, 2], [1, 2])), [3, 2]);
    const batch = broadcastTo(constant(tensor([1, 0, 0, 2], [2, 2])), [4, 2, 2]);
    const nodes = {
      columns: matmul(broadcastTo(x, [3, 3]), w),
      held: matmul(broadcastTo(x, [3, 3]), row),
      batch: matmul(broadcastTo(reshape(x, [1, 3, 1]), [4, 3, 2]), batch),
    };
    const fed = { x: tensor([1, -2, 3], [3, 1]) };
    const program = await nodeEngine({ threads: 1 }).compile(nodes);
    const found = await program.run(fed);
    await program.dispose();
    const exact = evaluate(nodes, fed);
    for (const name of Object.keys(nodes) as (keyof typeof nodes)[]) {
      expect(found[name].shape).toEqual(exact[name].shape);
      expect(Array.from(found[name].data as Float32Array)).toEqual(Array.from(exact[name].data as Float64Array));
    }
    const { held } = nodes;
    expect(held.op.behaviour(held, [true, false])).toMatchObject({ kind: "linear", of: { weight: row } });
  });

  it("gemm is alpha A' B' + beta C", () => {
    const c = (values: number[], shape: number[]) => constant(tensor(values, shape));
    const y = gemm(c([1, 2, 3, 4], [2, 2]), c([1, 0, 1, 1], [2, 2]), c([10, 20], [2]), {
      alpha: 2,
      beta: 0.5,
      transA: true,
      transB: true,
    });
    expect([...evaluate({ y }).y.data]).toEqual([7, 18, 9, 22]);
  });
});

describe("inverse()", () => {
  it("undoes a product, rows exchanged where the diagonal has zeros", () => {
    const x = constant(tensor([0, 2, 1, 1, 0, 3, 4, -1, 0], [3, 3], "float64"));
    const { y } = evaluate({ y: matmul(x, inverse(x)) });
    [1, 0, 0, 0, 1, 0, 0, 0, 1].forEach((v, i) => {
      expect(y.data[i]).toBeCloseTo(v, 14);
    });
  });

  it("is exact to rounding on larger matrices", () => {
    const n = 40;
    const x = input("x", [2, n, n]);
    const { y } = evaluate({ y: matmul(x, inverse(x)) }, { x: uniformTensor(random(4), [2, n, n], -1, 1) });
    y.data.forEach((v: number | bigint, i: number) => {
      expect(Math.abs(Number(v) - ((i % (n * n)) % (n + 1) === 0 ? 1 : 0))).toBeLessThan(1e-11);
    });
  });

  it("gives no finite number for a singular matrix, and refuses what is not square", () => {
    const y = inverse(constant(tensor([1, 2, 2, 4], [2, 2])));
    expect([...evaluate({ y }).y.data].some((v) => Number.isFinite(v))).toBe(false);
    expect(() => inverse(input("x", [2, 3]))).toThrow(ShapeError);
    expect(() => inverse(input("x", [2, 2], "int64"))).toThrow(ShapeError);
  });
});

describe("batchNorm()", () => {
  it("is a diagonal map and a translation", () => {
    const c = (...values: number[]) => constant(tensor(values));
    const x = input("x", [1, 2, 3]);
    const y = batchNorm(x, c(2, 3), c(1, 1), c(0, 5), c(4, 9), 0);
    expect(y.op.behaviour(y, [true, false]).kind).toBe("isometry");
    const [scaled] = y.inputs;
    expect(scaled.op.behaviour(scaled, [true, false])).toMatchObject({ of: { form: "diagonal", inverse: false } });
    const fed = { x: tensor([0, 2, 4, 5, 8, 2], [1, 2, 3]) };
    expect([...evaluate({ y }, fed).y.data]).toEqual([1, 3, 5, 1, 4, -2]);
    expect(() => batchNorm(x, c(1), c(1), c(1), c(1))).toThrow(ShapeError);
  });
});
