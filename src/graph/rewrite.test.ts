/** @file Tests of rewrite.ts. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { add, mul } from "../ops/arith.ts";
import { exp } from "../ops/pointwise.ts";
import { ShapeError } from "../tensor/errors.ts";
import { tensor } from "../tensor/tensor.ts";
import { constant, input } from "./leaf.ts";
import { substitute } from "./rewrite.ts";

const [x, z] = [input("x", [2]), input("z", [2])];

describe("substitute()", () => {
  it("puts nodes in place of nodes and keeps the rest", () => {
    const kept = exp(z);
    const y = add(mul(x, x), kept);
    const [made] = substitute([y], new Map([[x, constant(tensor([2, 3]))]]));
    expect(made.inputs[1]).toBe(kept);
    expect([...evaluate({ made }, { z: tensor([0, 0]) }).made.data]).toEqual([5, 10]);
    expect(substitute([y], new Map())[0]).toBe(y);
  });

  it("refuses another shape", () => {
    expect(() => substitute([exp(x)], new Map([[x, input("y", [3])]]))).toThrow(ShapeError);
  });

  it("replaces inner nodes, and swaps two at once", () => {
    const inner = mul(x, 3);
    const [a] = substitute([exp(inner)], new Map([[inner, z]]));
    expect(a.inputs[0]).toBe(z);
    const [b] = substitute(
      [mul(x, exp(z))],
      new Map([
        [x, z],
        [z, x],
      ]),
    );
    expect([...evaluate({ b }, { x: tensor([0, 1]), z: tensor([5, 6]) }).b.data]).toEqual([5, 6 * Math.E]);
  });
});
