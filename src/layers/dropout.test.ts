/** @file Tests of dropout.ts. */
import { describe, expect, it } from "vitest";
import { build } from "../../test/runs.ts";
import { evaluate } from "../engine/reference.ts";
import { UsageError } from "../tensor/errors.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { full } from "../tensor/tensor.ts";
import { dropout } from "./dropout.ts";
import { noVariables } from "./layer.ts";
import { sequential } from "./sequential.ts";

const apply = (rate: number, seed: number, shape = [50, 400]) => {
  const { y, feeds } = build(dropout(rate), noVariables, full(shape, 3), "train", random(seed));
  return evaluate({ y }, feeds).y.data as Float64Array;
};

describe("dropout()", () => {
  it.each([0.1, 0.5, 0.9])(
    "sets a part %s of the numbers to 0 and scales the others, so that the mean stays",
    (rate) => {
      const y = apply(rate, 1);
      const dropped = y.filter((v) => v === 0).length / y.length;
      // 20,000 draws: five standard deviations.
      expect(Math.abs(dropped - rate)).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / y.length));
      expect(y.every((v) => v === 0 || Math.abs(v - 3 / (1 - rate)) < 1e-5)).toBe(true);
    },
  );

  it("is a function of the noise alone", () => {
    expect(apply(0.5, 1)).toEqual(apply(0.5, 1));
    expect(apply(0.5, 1)).not.toEqual(apply(0.5, 2));
  });

  it("draws anew for every use in one pass", () => {
    const twice = sequential([dropout(0.5), dropout(0.5)]);
    const { y, feeds } = build(twice, noVariables, full([1, 4000], 1), "train", random(1));
    // One mask used twice would keep a half.
    const kept = evaluate({ y }, feeds).y.data.filter((v) => v !== 0).length / 4000;
    expect(Math.abs(kept - 0.25)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / 4000));
  });

  it("is the identity in evaluation and at rate 0", () => {
    const batch = normalTensor(random(1), [3, 4]);
    const evaluated = build(dropout(0.5), noVariables, batch, "eval", random(1));
    expect(evaluated.y).toBe(evaluated.x);
    const none = build(dropout(0), noVariables, batch, "train", random(1));
    expect(none.y).toBe(none.x);
  });

  it("refuses a rate outside of [0, 1)", () => {
    for (const rate of [-0.1, 1, Number.NaN]) expect(() => dropout(rate)).toThrow(UsageError);
  });
});
