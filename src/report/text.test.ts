import { describe, expect, it } from "vitest";
import type { Bracket } from "../bounds/bound.ts";
import { renderBracket } from "./text.ts";

describe("renderBracket()", () => {
  const none: Bracket = { norm: "2", domain: "global", lower: null, upper: null, bounds: [], layers: [] };
  const why = { node: "MatMul 3", why: "product of two varying branches" };

  it("advises a box exactly where one may help", () => {
    const first = (bracket: Bracket) => renderBracket(bracket).split("\n")[0];
    expect(first({ ...none, noConstant: { ...why, local: true } })).toBe(
      "No global constant: product of two varying branches at node MatMul 3; try --box, or --center and --radius.",
    );
    expect(first({ ...none, noConstant: { ...why, local: false } })).toBe(
      "No global constant: product of two varying branches at node MatMul 3.",
    );
    expect(first({ ...none, domain: "box", noConstant: { ...why, local: true } })).toBe(
      "No constant proved on the box: product of two varying branches at node MatMul 3; try a smaller one.",
    );
  });
});
