/** @file Tests of rprop.ts: its rule against the same rule as a plain loop in float64, and a fit. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import { mul } from "../ops/arith.ts";
import { mapNamed, type Named, under, within } from "../tensor/named.ts";
import { cast, scalar, type Tensor, tensor } from "../tensor/tensor.ts";
import { type RpropOptions, rprop } from "./rprop.ts";

const start: Named<Tensor> = { w: tensor([0.5, -1, 2, 0], [4], "float64") };
const steps = 12;
const rate = 0.3;

/** Minimise sum p^4 / 4, whose gradient is p^3, in `steps` steps of a rate. */
function byGraph(options: RpropOptions): number[] {
  const optimizer = rprop(options);
  let params = start;
  let state = mapNamed(optimizer.init(start), (t) => cast(t, "float64"));
  for (let k = 0; k < steps; k++) {
    const nodes = mapNamed({ ...under("params", params), ...under("state", state) }, (v, name) =>
      input(name, v.shape, v.dtype),
    );
    const p = within("params", nodes);
    const gradients = mapNamed(p, (v) => mul(v, mul(v, v)));
    const next = optimizer.update({
      params: p,
      gradients,
      state: within("state", nodes),
      loss: gradients.w,
      outputs: gradients.w,
      rate: input("rate", [], "float64"),
      step: input("step", [], "float64"),
      decay: () => 0,
      pace: () => 1,
    });
    const results = evaluate(
      { ...under("params", next.params), ...under("state", next.state) },
      { ...under("params", params), ...under("state", state), rate: scalar(rate, "float64") },
    );
    params = within("params", results);
    state = within("state", results);
  }
  return [...params.w.data].map(Number);
}

/** The rule of Riedmiller and Braun 1993 for one number, with the move taken back or not. */
function byHand(first: number, backtrack: boolean): number {
  let [p, length, before, move] = [first, 1, 0, 0];
  for (let k = 0; k < steps; k++) {
    let g = p ** 3;
    const agreement = Math.sign(g) * Math.sign(before);
    length = Math.min(Math.max(length * (agreement > 0 ? 1.2 : agreement < 0 ? 0.5 : 1), 1e-5), 500);
    if (agreement < 0 && backtrack) {
      p -= move;
      [g, move] = [0, 0];
    } else {
      move = -Math.sign(g) * length * rate;
      p += move;
    }
    before = g;
  }
  return p;
}

describe("rprop()", () => {
  it.each([true, false])("is its rule, with moves taken back: %s", (backtrack) => {
    const found = byGraph({ backtrack });
    [...start.w.data].forEach((first, i) => {
      expect(found[i]).toBeCloseTo(byHand(Number(first), backtrack), 6);
    });
  });

  it("keeps to its shortest step length", () => {
    const [, , , still] = byGraph({});
    expect(still).toBe(0);
    const short = byGraph({ least: 1, most: 1, backtrack: false });
    // Every step is 0.3 long: 0.5 goes to and fro.
    for (const value of short.slice(0, 3)) expect(Math.abs(value)).toBeLessThanOrEqual(0.5 + 1e-6);
  });

  it("refuses settings that make no sense", () => {
    expect(() => rprop({ faster: 1 })).toThrow("rprop: faster must be above 1, got 1");
    expect(() => rprop({ slower: 1 })).toThrow("rprop: slower must be between 0 and 1, got 1");
    expect(() => rprop({ least: 0 })).toThrow("rprop: least must be above 0, got 0");
    expect(() => rprop({ most: 0.5 })).toThrow("rprop: most must be >= 1 and >= least, got 0.5");
  });
});
