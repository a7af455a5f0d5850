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

  it("calls nothing witnessed where no two points show anything", () => {
    const upper = { value: 9, method: "autolip", proved: true } as const;
    const first = (value: number) =>
      renderBracket({ ...none, upper, lower: { value, method: "jacobian", witness: null } }).split("\n")[0];
    expect(first(0)).toContain("between 0 (no pair of points shows more) and 9");
    expect(first(4)).toContain("between 4.000 (witnessed, jacobian) and 9");
    const stopped = { method: "jacobian", side: "lower", proved: false, value: 0, seconds: 0, witness: null } as const;
    const hurried = { ...none, upper, bounds: [{ ...stopped, status: "stopped" as const }] };
    const text = renderBracket({ ...hurried, lower: { value: 0, method: "jacobian", witness: null } });
    expect(text).toContain("between 0 (the time ran out before two points showed more) and 9");
  });

  it("says once why methods for chains do not fit, and shows no value of theirs", () => {
    const unfit = {
      side: "upper",
      proved: false,
      value: Number.POSITIVE_INFINITY,
      seconds: 0,
      status: "not a chain",
    } as const;
    const bounds = ["lipsdp", "recurjac"].map((method) => ({
      ...unfit,
      method,
      why: "Div is neither affine nor element by element",
    }));
    const text = renderBracket({ ...none, bounds });
    expect(text.split("\n").filter((line) => line.startsWith("Not a chain"))).toEqual([
      "Not a chain: Div is neither affine nor element by element.",
    ]);
    expect(text).not.toContain("unbounded");
  });
});
