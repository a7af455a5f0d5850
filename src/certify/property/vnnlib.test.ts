import { describe, expect, it } from "vitest";
import { parseVnnlib } from "./vnnlib.ts";

const declared =
  "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n(declare-const Y_1 Real)\n";
const box = "(assert (>= X_0 -1))(assert (<= X_0 0.5))\n(assert (and (>= X_1 0) (<= X_1 2)))\n";

describe("parseVnnlib()", () => {
  it("reads a box and conditions, which all must hold", () => {
    const { inputs, outputs, cases } = parseVnnlib(`; comment (
      ${declared}${box}(assert (<= Y_0 Y_1)) (assert (>= (+ (* 2 Y_0) (- Y_1)) 1.5))`);
    expect([inputs, outputs, cases.length]).toEqual([2, 2, 1]);
    const [{ low, high, conditions }] = cases;
    for (const [i, [l, h]] of [
      [-1, 0.5],
      [0, 2],
    ].entries()) {
      expect(low[i]).toBeLessThan(l);
      expect(low[i]).toBeCloseTo(l, 12);
      expect(high[i]).toBeGreaterThan(h);
      expect(high[i]).toBeCloseTo(h, 12);
    }
    expect(conditions.map((c) => [...c.row, c.offset])).toEqual([
      [1, -1, 0],
      [-2, 1, 1.5],
    ]);
  });

  it("makes a case of every alternative, of inputs too, and drops empty boxes", () => {
    const { cases } = parseVnnlib(
      `${declared}${box}(assert (or (and (<= X_0 0) (>= Y_0 1)) (and (>= X_0 0) (or (>= Y_1 2) (>= Y_1 Y_0))) (and (>= X_0 3) (>= Y_0 0))))`,
    );
    const rounded = (v: number) => Math.round(v * 8) / 8 + 0;
    expect(cases.map((c) => [rounded(c.low[0]), rounded(c.high[0]), c.conditions.length])).toEqual([
      [-1, 0, 1],
      [0, 0.5, 1],
      [0, 0.5, 1],
    ]);
  });

  it.each([
    ["(assert (< Y_0 1))", 'line 7: unknown "<" in a formula; known: and, or, <=, >='],
    ["(assert (<= (* Y_0 Y_1) 1))", "line 7: a product of two variables is not linear"],
    ["(assert (<= X_0 Y_1))", "line 7: a condition on an input must be a bound of that input alone"],
    ["(assert (<= Y_5 1))", "line 7: Y_5 is not declared"],
    ["(assert (<= Y_0 foo))", 'line 7: neither a variable nor a number: "foo"'],
    ["(assert (<= Y_00 1))", 'line 7: neither a variable nor a number: "Y_00"'],
    ["(assert (<= Y_0 0x1F))", 'line 7: neither a variable nor a number: "0x1F"'],
    ["(assert (<= Y_0 1e-400))", 'line 7: a number out of the range of doubles: "1e-400"'],
    ["(assert (<= X_0 (- (+ 1e16 1) 1e16)))", "line 7: 10000000000000000 + 1 * 1 is no double"],
    ["(assert (<= (- (+ (* 1e16 Y_0) Y_0) (* 1e16 Y_0)) 1))", "line 7: 10000000000000000 + 1 * 1 is no double"],
    ["(assert (<= (* 1e308 (* 10 Y_0)) 1))", "line 7: 0 + 1e+308 * 10 is no double"],
    ["(declare-const X_2 Int)", 'line 7: variables are Real, got "Int"'],
    ["(check-sat)", 'line 7: unknown command "check-sat"'],
    ["(assert (<= Y_0 1)", 'a "(" is never closed'],
    ["(assert (<= Y_0 1)))", 'line 7: there is a ")" too many'],
    ["(assert (=> (<= Y_0 1) (<= Y_1 1)))", 'unknown "=>"'],
  ])("refuses %s", (line, message) => {
    expect(() => parseVnnlib(`${declared}${box}${line}`, "p.vnnlib")).toThrow(message);
  });

  it("refuses an input without bounds, and a property without variables", () => {
    expect(() => parseVnnlib(`${declared}(assert (<= X_0 1))`)).toThrow("X_0 must be bounded below and above");
    expect(() => parseVnnlib("(assert (<= 0 1))")).toThrow("declares no inputs");
  });

  it("knows the box from around and from within where its bound is a quotient", () => {
    const of = (bound: string) =>
      parseVnnlib(
        `(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0))(assert ${bound})(assert (<= Y_0 0))`,
      ).cases[0];
    // 3 * 0.3333333333333333 is below 1, and 3 times the next double above it.
    const third = of("(<= (* 3 X_0) 1)");
    expect(third.within.high[0]).toBeLessThanOrEqual(1 / 3);
    expect(third.high[0]).toBeGreaterThan(1 / 3);
    // 1 / 49 is rounded upwards.
    expect(49 * (1 / 49)).toBeLessThan(1);
    const other = of("(<= (* 49 X_0) 1)");
    expect(other.within.high[0]).toBeLessThan(other.high[0]);
    const exact = of("(<= (* 4 X_0) 1)");
    expect(exact.within.high[0]).toBe(0.25);
  });
});
