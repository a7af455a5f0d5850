/** @file Tests of retype.ts. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { topological } from "../graph/graph.ts";
import { constant, input } from "../graph/leaf.ts";
import { isFloat, tensor } from "../tensor/tensor.ts";
import { add, cast, greater, mul } from "./arith.ts";
import { retype } from "./retype.ts";

const x = input("x", [3]);
const y = add(mul(x, 0.1), mul(cast(greater(x, 0), "float32"), constant(tensor([1, 2, 3]))));

describe("retype()", () => {
  it("changes inputs, constants and casts to floats, and nothing else", () => {
    const [z] = retype([y], "float64");
    const dtypes = topological([z]).map((n) => n.dtype);
    expect(new Set(dtypes)).toEqual(new Set(["float64", "bool"]));
    expect(topological([z]).length).toBe(topological([y]).length);
    const data = [-1, 0.5, 2];
    const want = evaluate({ y }, { x: tensor(data) }).y.data;
    const got = evaluate({ z }, { x: tensor(data, [3], "float64") }).z.data;
    want.forEach((v, i) => {
      // The factor 0.1 stays the float32 that it was.
      expect(got[i]).toBe(v);
    });
  });

  it("leaves out casts that have nothing left to do", () => {
    const [z] = retype([cast(mul(cast(x, "float64"), 2), "float32")], "float64");
    expect(topological([z]).every((n) => !isFloat(n.dtype) || n.dtype === "float64")).toBe(true);
    expect(topological([z]).some((n) => n.op.name === "Cast")).toBe(false);
  });

  it("keeps a graph that is in the dtype already", () => {
    expect(retype([y], "float32")[0]).toBe(y);
  });
});
