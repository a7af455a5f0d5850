/** @file Tests of work.ts: multiply-adds against those that the definition of each product names. */
import { describe, expect, it } from "vitest";
import { grad } from "../graph/gradient.ts";
import { type Node, topological } from "../graph/graph.ts";
import { input } from "../graph/leaf.ts";
import { add, mul } from "./arith.ts";
import { sum } from "./broadcast.ts";
import { conv } from "./conv.ts";
import { inverse } from "./inverse.ts";
import { matmul } from "./matmul.ts";
import { multiplyAddsOf, operationsOf } from "./work.ts";

const total = (...outputs: Node[]) => topological(outputs).reduce((n, node) => n + multiplyAddsOf(node), 0);

describe("multiplyAddsOf()", () => {
  it("counts products of matrices, in a batch too", () => {
    expect(total(matmul(input("a", [3, 4]), input("b", [4, 5])))).toBe(3 * 4 * 5);
    expect(total(matmul(input("a", [2, 3, 4]), input("b", [2, 4, 5])))).toBe(2 * 3 * 4 * 5);
    expect(total(add(input("a", [3]), input("b", [3])))).toBe(0);
  });

  it("counts a convolution, and as much for each of its gradients", () => {
    const [x, w] = [input("x", [2, 4, 6, 6]), input("w", [8, 2, 3, 3])];
    const y = conv(x, w, { groups: 2 });
    // Every one of 8 x 4 x 4 outputs of 2 samples is a sum over 2 channels of its group and 3 x 3 places.
    const each = 2 * 8 * 4 * 4 * (2 * 3 * 3);
    expect(total(y)).toBe(each);
    const gradients = grad(sum(mul(y, y)), [x, w]) as Node[];
    expect(total(...gradients)).toBe(3 * each);
  });
});

describe("operationsOf()", () => {
  it("counts what is moved, a call, and inverses as many products", () => {
    const small = operationsOf(add(input("a", [2]), input("b", [2])));
    const large = operationsOf(add(input("a", [1e6]), input("b", [1e6])));
    expect(small).toBeGreaterThan(0);
    expect(large - small).toBe(4 * 3 * (1e6 - 2));
    const [a, b] = [input("a", [64, 64]), input("b", [64, 64])];
    expect(operationsOf(inverse(a))).toBeGreaterThan(10 * multiplyAddsOf(matmul(a, b)));
  });
});
