/** @file Tests of optimizer.ts: every rule against the same rule as a plain loop in float64. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../engine/reference.ts";
import { input } from "../graph/leaf.ts";
import { add, mul } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { UsageError } from "../tensor/errors.ts";
import { mapNamed, type Named, under, within } from "../tensor/named.ts";
import { cast, scalar, type Tensor, tensor } from "../tensor/tensor.ts";
import { adam, type Optimizer, sgd } from "./optimizer.ts";
import { weightDecay } from "./plain.ts";

const start: Named<Tensor> = {
  "0/weight": tensor([0.5, -1, 2], [3], "float64"),
  "0/bias": tensor([1, -0.25], [2], "float64"),
};
const rates = [0.1, 0.2, 0.05, 0.1, 0.3, 0.02];
const decays: Record<string, number> = { "0/weight": 0.01, "0/bias": 0 };

/** Minimise sum p^4 / 4, whose gradient is p^3. */
function byGraph(optimizer: Optimizer, decay: (name: string) => number, pace = (_: string) => 1): Named<Tensor> {
  let params = start;
  let state = mapNamed(optimizer.init(start), (t) => cast(t, "float64"));
  rates.forEach((rate, t) => {
    const nodes = mapNamed({ ...under("params", params), ...under("state", state) }, (v, name) =>
      input(name, v.shape, v.dtype),
    );
    const p = within("params", nodes);
    const fourths = Object.values(p).map((v) => mul(sum(mul(mul(v, v), mul(v, v))), 0.25));
    const loss = fourths.reduce((a, b) => add(a, b));
    const next = optimizer.update({
      params: p,
      gradients: mapNamed(p, (v) => mul(v, mul(v, v))),
      state: within("state", nodes),
      loss,
      outputs: loss,
      rate: input("rate", [], "float64"),
      step: input("step", [], "float64"),
      decay,
      pace,
    });
    const results = evaluate(
      { ...under("params", next.params), ...under("state", next.state) },
      {
        ...under("params", params),
        ...under("state", state),
        rate: scalar(rate, "float64"),
        ...(optimizer.name === "adam" ? { step: scalar(t + 1, "float64") } : {}),
      },
    );
    params = within("params", results);
    state = within("state", results);
  });
  return params;
}

type Rule = (p: number, g: number, rate: number, decay: number, memory: number[], t: number) => number;

function byHand(rule: Rule, pace: (name: string) => number): Record<string, number[]> {
  return Object.fromEntries(
    Object.entries(start).map(([name, { data }]) => [
      name,
      [...data].map((first) => {
        let p = Number(first);
        const memory = [0, 0];
        rates.forEach((rate, i) => {
          p = rule(p, p ** 3, rate * pace(name), decays[name], memory, i + 1);
        });
        return p;
      }),
    ]),
  );
}

const rules: readonly [string, Optimizer, Rule][] = [
  ["sgd", sgd(), (p, g, rate, decay) => p - rate * (g + decay * p)],
  [
    "sgd with momentum",
    sgd({ momentum: 0.8 }),
    (p, g, rate, decay, m) => {
      m[0] = 0.8 * m[0] + g + decay * p;
      return p - rate * m[0];
    },
  ],
  [
    "nesterov",
    sgd({ momentum: 0.8, nesterov: true }),
    (p, g, rate, decay, m) => {
      m[0] = 0.8 * m[0] + g + decay * p;
      return p - rate * (g + decay * p + 0.8 * m[0]);
    },
  ],
  [
    "adam with decoupled decay",
    adam({ beta1: 0.7, beta2: 0.95, epsilon: 1e-3 }),
    (p, g, rate, decay, m, t) => {
      m[0] = 0.7 * m[0] + 0.3 * g;
      m[1] = 0.95 * m[1] + 0.05 * g * g;
      const mean = m[0] / (1 - 0.7 ** t);
      const square = m[1] / (1 - 0.95 ** t);
      return p - rate * (mean / (Math.sqrt(square) + 1e-3) + decay * p);
    },
  ],
];

describe.each(rules)("optimiser: %s", (_, optimizer, rule) => {
  it.each([1, 3])("follows its rule for several steps, biases at %s times the rate", (times) => {
    const pace = (name: string) => (name === "0/bias" ? times : 1);
    const got = byGraph(optimizer, (name) => decays[name], pace);
    const want = byHand(rule, pace);
    for (const [name, values] of Object.entries(want)) {
      values.forEach((v, i) => {
        expect(Math.abs(Number(got[name].data[i]) - v)).toBeLessThan(1e-12);
      });
    }
  });

  it("leaves parameters without decay to the gradient", () => {
    const decayed = byGraph(optimizer, (name) => decays[name]);
    const free = byGraph(optimizer, () => 0);
    expect(decayed["0/bias"]).toEqual(free["0/bias"]);
    expect(decayed["0/weight"]).not.toEqual(free["0/weight"]);
  });
});

describe("weightDecay()", () => {
  it("is on weights only", () => {
    const { decay } = weightDecay({ decay: 0.5 });
    const names = ["weight", "0/weight", "3/inner/0/weight", "0/bias", "1/scale", "1/shift", "0/weightless"];
    expect(names.map((name) => decay?.(name))).toEqual([0.5, 0.5, 0.5, 0, 0, 0, 0]);
    expect(weightDecay().decay?.("weight")).toBe(5e-4);
    expect(() => weightDecay({ decay: -1 })).toThrow("weightDecay: decay must be >= 0, got -1");
  });
});

describe("sgd() and adam()", () => {
  it("refuse fractions outside of [0, 1)", () => {
    expect(() => sgd({ momentum: 1 })).toThrow("sgd: momentum must be in [0, 1), got 1");
    expect(() => sgd({ nesterov: true })).toThrow("sgd: nesterov needs a momentum above 0, got 0");
    expect(() => adam({ beta1: -0.1 })).toThrow(UsageError);
    expect(() => adam({ beta2: 1 })).toThrow("adam: beta2 must be in [0, 1), got 1");
    expect(() => adam({ epsilon: 0 })).toThrow("adam: epsilon must be above 0, got 0");
  });
});
