/** @file Tests of graph.ts, leaf.ts and print.ts. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { add, mul } from "../ops/arith.ts";
import { ShapeError } from "../tensor/errors.ts";
import { tensor } from "../tensor/tensor.ts";
import { accumulate } from "./accumulate.ts";
import { grad } from "./gradient.ts";
import { apply, dependents, type Node, topological } from "./graph.ts";
import { constant, filledLike, input, inputsOf, isFilledWith } from "./leaf.ts";
import { printGraph } from "./print.ts";
import { substitute } from "./rewrite.ts";
import { jvp } from "./tangent.ts";

/** x + x + ... + x, deeper than any call stack. */
function deep(x: Node, depth: number): Node {
  let y = x;
  for (let i = 0; i < depth; i++) y = accumulate(y, x);
  return y;
}

describe("topological()", () => {
  it("puts every node after its inputs, once, however it is reached", () => {
    const x = input("x", [2]);
    const a = mul(x, x);
    const b = add(a, x);
    const order = topological([add(b, a), a]);
    expect(new Set(order).size).toBe(order.length);
    order.forEach((node, k) => {
      for (const i of node.inputs) expect(order.indexOf(i)).toBeLessThan(k);
    });
  });

  it("walks graphs deeper than the call stack", () => {
    const depth = 100_000;
    const x = input("x", []);
    const y = deep(x, depth);
    expect(topological([y])).toHaveLength(depth + 1);
    expect(evaluate({ y }, { x: tensor([1], []) }).y.data[0]).toBe(depth + 1);
    expect(substitute([y], new Map([[x, constant(2)]]))[0].shape).toEqual([]);
    expect(printGraph([y]).split("\n")).toHaveLength(depth + 1);
    const [g] = grad(y, [x]);
    expect(evaluate({ g }).g.data[0]).toBe(depth + 1);
    const [t] = jvp([y], [x], [filledLike(x, 1)]);
    expect(evaluate({ t: t as Node }).t.data[0]).toBe(depth + 1);
  });
});

describe("dependents()", () => {
  it("finds what a source reaches and nothing else", () => {
    const [x, z] = [input("x", []), input("z", [])];
    const [a, b] = [mul(x, 2), mul(z, 2)];
    const c = add(a, b);
    expect(dependents(topological([c]), [x])).toEqual(new Set([x, a, c]));
  });
});

describe("apply()", () => {
  it("refuses a dimension that is no whole number", () => {
    const x = input("x", [1]);
    const bad = { ...x.op, infer: () => ({ dtype: "float32" as const, shape: [1.5] }) };
    expect(() => apply(bad, [x], null)).toThrow(ShapeError);
    expect(() => input("x", [-1])).toThrow(ShapeError);
  });
});

describe("inputsOf()", () => {
  it("refuses two inputs of one name, and is calm about one that is read twice", () => {
    const x = input("x", []);
    expect([...inputsOf(topological([mul(x, x)])).keys()]).toEqual(["x"]);
    expect(() => inputsOf(topological([add(x, input("x", []))]))).toThrow(/duplicate input name "x"/);
  });
});

describe("isFilledWith()", () => {
  it("knows constants only", () => {
    expect(isFilledWith(constant(tensor([2, 2])), 2)).toBe(true);
    expect(isFilledWith(constant(tensor([2, 1])), 2)).toBe(false);
    expect(isFilledWith(constant(3, "int64"), 3)).toBe(true);
    expect(isFilledWith(input("x", []), 2)).toBe(false);
  });
});

describe("printGraph()", () => {
  it("has a line for every node that is no input", () => {
    const x = input("x", [2]);
    expect(printGraph([mul(x, x)])).toBe("%0 = Mul(x, x) : float32[2]\nreturn %0");
  });
});
