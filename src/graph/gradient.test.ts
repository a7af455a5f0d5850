/** @file Tests of gradient.ts and tangent.ts. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { add, div, log, mul, stopGradient, sub } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { exp, sigmoid, sin, tanh } from "../ops/pointwise.ts";
import { ShapeError } from "../tensor/errors.ts";
import { tensor } from "../tensor/tensor.ts";
import { grad, vjp } from "./gradient.ts";
import type { Node } from "./graph.ts";
import { constant, filledLike, input } from "./leaf.ts";
import { jvp } from "./tangent.ts";

const at = (y: Node, x: number) => Number(evaluate({ y }, { x: tensor([x], [], "float64") }).y.data[0]);
const x = input("x", [], "float64");

/** Random expressions of x: every node may be read by several others. */
const expressions: fc.Arbitrary<Node> = fc
  .array(fc.tuple(fc.nat(5), fc.nat(), fc.nat()), { minLength: 1, maxLength: 12 })
  .map((steps) => {
    const nodes: Node[] = [x];
    for (const [kind, i, j] of steps) {
      const [a, b] = [nodes[i % nodes.length], nodes[j % nodes.length]];
      nodes.push([add(a, b), sub(a, b), mul(tanh(a), tanh(b)), sin(a), sigmoid(a), mul(tanh(a), 0.5)][kind]);
    }
    return nodes[nodes.length - 1];
  });

describe("grad()", () => {
  it("is the difference quotient of any expression, and forward mode says the same", () => {
    fc.assert(
      fc.property(expressions, fc.double({ min: -2, max: 2, noNaN: true }), (y, value) => {
        const [g] = grad(y, [x]);
        const h = 1e-5;
        const slope = (at(y, value + h) - at(y, value - h)) / (2 * h);
        const backward = atAny(g, value);
        const scale = Math.max(1, Math.abs(backward), Math.abs(atAny(y, value)));
        expect(Math.abs(backward - slope)).toBeLessThan(1e-5 * scale ** 2);
        const [t] = jvp([y], [x], [filledLike(x, 1)]);
        expect(Math.abs(backward - (t ? atAny(t, value) : 0))).toBeLessThan(1e-9 * scale);
      }),
    );
  });

  it("differentiates again and again", () => {
    let y = exp(mul(x, 2));
    for (let order = 1; order <= 4; order++) {
      [y] = grad(y, [x]);
      expect(at(y, 0.5)).toBeCloseTo(2 ** order * Math.E, 9);
    }
  });

  it("is zero for what the output does not depend on, and wants a scalar", () => {
    const z = input("z", [2]);
    expect([...evaluate({ g: grad(x, [z])[0] }).g.data]).toEqual([0, 0]);
    expect(() => grad(z, [z])).toThrow(ShapeError);
  });

  it("counts a node that is read twice", () => {
    expect(at(grad(mul(x, add(x, mul(x, x))), [x])[0], 3)).toBe(2 * 3 + 3 * 9);
  });

  it("stops at the targets: a gradient for an inner node holds what is below it fixed", () => {
    const inner = mul(x, x);
    const y = mul(inner, x);
    const [di, dx] = grad(y, [inner, x]);
    expect(at(di, 3)).toBe(3);
    expect(at(dx, 3)).toBe(27);
  });
});

describe("vjp()", () => {
  it("adds several outputs, and says null where nothing flows", () => {
    const z = input("z", [], "float64");
    const [dx, dz] = vjp([mul(x, 2), mul(x, 3)], [constant(1, "float64"), constant(10, "float64")], [x, z]);
    expect(evaluate({ dx: dx as Node }).dx.data[0]).toBe(32);
    expect(dz).toBeNull();
    expect(vjp([stopGradient(x)], [x], [x])).toEqual([null]);
  });

  it("refuses a cotangent of another shape", () => {
    expect(() => vjp([x], [constant(tensor([1, 2]))], [x])).toThrow(ShapeError);
  });
});

describe("jvp()", () => {
  it("pushes through products, quotients and sums of vectors", () => {
    const v = input("v", [2], "float64");
    const y = sum(div(mul(v, v), log(v)));
    const [t] = jvp([y], [v], [constant(tensor([1, 0], [2], "float64"))]);
    const found = evaluate({ t: t as Node }, { v: tensor([2, 3], [2], "float64") }).t.data[0];
    expect(found).toBeCloseTo((4 * Math.LN2 - 2) / Math.LN2 ** 2, 12);
  });

  it("takes a tangent of an inner node, and is null where a y depends on no x", () => {
    const inner = mul(x, x);
    const [t, none] = jvp([mul(inner, 5), constant(1)], [inner], [filledLike(inner, 2)]);
    expect(evaluate({ t: t as Node }).t.data[0]).toBe(10);
    expect(none).toBeNull();
  });
});

// --- internal ---

/** The value of a node that may not need x at all. */
const atAny = (y: Node, value: number): number => at(add(y, mul(x, 0)), value);
