import { describe, expect, it } from "vitest";
import { affine, functionOf, type NetworkKind, randomNetwork, withSlopes } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Node } from "../../graph/graph.ts";
import type { Network } from "../../graph/network.ts";
import { div, maximum, mul, sub } from "../../ops/arith.ts";
import { sliceAxis } from "../../ops/movement.ts";
import { abs, relu, sin, tanh } from "../../ops/pointwise.ts";
import { softmax } from "../../ops/softmax.ts";
import { random } from "../../tensor/random.ts";
import { asFunction } from "../fixed.ts";
import { subjectOf } from "../subject.ts";
import { type GainOptions, type Gains, gains } from "./gains.ts";

const engine = nodeEngine({ threads: 1 });
const box = (...pairs: readonly (readonly [number, number])[]) =>
  ({ kind: "box", low: pairs.map(([l]) => l), high: pairs.map(([, h]) => h) }) as const;
const ask = (network: Network, domain: GainOptions["domain"], more: Partial<GainOptions> = {}) =>
  gains(network, { engine, domain, pieces: 300, ...more });
const one = (f: (x: Node) => Node) => functionOf([1], f);
const slopeOf = ({ slopes }: Gains, output: string, input: string) => {
  const found = slopes.find((s) => s.output === output && s.input === input);
  if (!found) throw new Error(`no slope of ${output} by ${input}`);
  return found;
};

describe("gains()", () => {
  it("is the matrix of an affine network, and its norm", async () => {
    const found = await ask(
      functionOf([3], (x) =>
        affine(
          x,
          [
            [3, 0, -1],
            [0.5, 4, 0],
          ],
          [1, 2],
        ),
      ),
      box([-1, 1], [0, 2], [-3, 3]),
    );
    expect(found.slopes.map(({ upper }) => upper)).toEqual([3, 0, 1, 0.5, 4, 0]);
    expect(found.slopes.map(({ trend }) => trend)).toEqual(["rises", "still", "falls", "rises", "rises", "still"]);
    for (const { lower, upper } of found.slopes) expect(lower).toBeCloseTo(upper, 12);
    expect(found.gains[0].upper).toBeCloseTo(Math.sqrt(10), 12);
    expect(found.whole.lower).toBeCloseTo(found.whole.upper, 6);
    expect(found.status).toBe("done");
  });

  it("has the closed forms of functions of one number", async () => {
    for (const [f, low, high, slope, trend] of [
      [abs, -1, 2, 1, "turns"],
      [abs, 0.25, 2, 1, "rises"],
      [abs, -2, -0.5, 1, "falls"],
      [relu, -1, 1, 1, "rises"],
      [relu, -2, -1, 0, "still"],
      [tanh, -1, 2, 1, "rises"],
      [tanh, 1, 2, 1 - Math.tanh(1) ** 2, "rises"],
      [sin, 0.2, 1.2, Math.cos(0.2), "rises"],
      [sin, 0, 3, 1, "turns"],
    ] as const) {
      const found = await ask(one(f), box([low, high]));
      const [{ lower, upper, trend: found1 }] = found.slopes;
      expect([found.status, found1], `${f.name} ${low}`).toEqual(["done", trend]);
      expect(upper).toBeGreaterThanOrEqual(slope * (1 - 1e-15));
      expect(upper).toBeLessThanOrEqual(slope * 1.01 + 1e-300);
      expect(lower).toBeLessThanOrEqual(slope * (1 + 1e-12));
      expect(lower).toBeGreaterThanOrEqual(slope * 0.98);
    }
  });

  it("holds for products, quotients, maxima and softmax, node by node", async () => {
    const part = (x: Node, k: number) => sliceAxis(x, 1, k, k + 1);
    // x y on [0,2] x [-3,1]: slopes y and x.
    const product = await ask(
      functionOf([2], (x) => mul(part(x, 0), part(x, 1))),
      box([0, 2], [-3, 1]),
    );
    expect(slopeOf(product, "y0", "x0").upper).toBeCloseTo(3, 1);
    expect(slopeOf(product, "y0", "x0").trend).toBe("turns");
    expect(slopeOf(product, "y0", "x1").upper).toBeCloseTo(2, 1);
    // x / y on [1,2] x [1,4]: 1/y and -x/y^2.
    const quotient = await ask(
      functionOf([2], (x) => div(part(x, 0), part(x, 1))),
      box([1, 2], [1, 4]),
    );
    expect(quotient.slopes.map(({ trend }) => trend)).toEqual(["rises", "falls"]);
    expect(quotient.slopes[0].upper).toBeLessThan(1.02);
    expect(quotient.slopes[1].upper).toBeLessThan(2.05);
    const larger = await ask(
      functionOf([2], (x) => maximum(part(x, 0), mul(part(x, 1), -3))),
      box([-1, 1], [-1, 1]),
    );
    expect(larger.slopes.map(({ upper }) => Number(upper.toFixed(9)))).toEqual([1, 3]);
    const soft = await ask(
      functionOf([2], (x) =>
        softmax(
          affine(x, [
            [1, 0],
            [0, 1],
          ]),
          1,
        ),
      ),
      box([-1, 1], [-1, 1]),
    );
    expect(soft.slopes.map(({ trend }) => trend)).toEqual(["rises", "falls", "falls", "rises"]);
    expect(soft.slopes[0].upper).toBeLessThan(0.27);
    expect(soft.slopes[0].lower).toBeGreaterThan(0.24);
  });

  it("leaves out inputs that are fixed, and speaks in units", async () => {
    const network = functionOf([3], (x) => affine(x, [[2, 5, 1]]));
    const found = await ask(network, box([0, 180], [7, 7], [-1, 1]), {
      inputs: [{ name: "angle", unit: "deg", mean: 90, std: 45, scale: 10 }, { name: "mode" }, { name: "rate" }],
      outputs: [{ name: "force", std: 9, mean: 4, scale: 2 }],
    });
    expect(found.inputs.map(({ fixed }) => fixed)).toEqual([false, true, false]);
    expect(found.slopes.map(({ input }) => input)).toEqual(["angle", "rate"]);
    // 2 per 45 degrees, 9 newtons each.
    expect(found.slopes[0].upper).toBeCloseTo((2 * 9) / 45, 12);
    expect(found.slopes[1].upper).toBeCloseTo(9, 12);
    // In scaled units: 0.4 * 10 / 2 and 9 / 2.
    expect(found.whole.upper).toBeCloseTo(Math.hypot(2, 4.5), 9);
    const state = found.whole.steepest?.state ?? [];
    expect(state[0]).toBeGreaterThanOrEqual(0);
    expect(state[0]).toBeLessThanOrEqual(180);
    expect(state[1]).toBe(7);
    const still = await ask(network, box([1, 1], [2, 2], [3, 3]));
    expect([still.slopes, still.whole.upper]).toEqual([[], 0]);
  });

  it("meets dense differences of a small network", async () => {
    const network = functionOf([2], (x) =>
      affine(
        tanh(
          affine(
            x,
            [
              [1, 2],
              [-1.5, 0.5],
              [0.3, -1],
            ],
            [0.1, -0.2, 0.4],
          ),
        ),
        [
          [1, -1, 2],
          [0.5, 2, 1],
        ],
      ),
    );
    const found = await ask(network, box([-1, 1], [-1, 1]), { pieces: 3000 });
    expect(found.status).toBe("done");
    const { x, y } = subjectOf(network).at(1, "float64");
    const f = asFunction(y, x);
    const steepest = [0, 0, 0, 0];
    const h = 1e-5;
    for (let a = 0; a <= 60; a++) {
      for (let b = 0; b <= 60; b++) {
        const at = [-1 + a / 30, -1 + b / 30].map((v) => Math.min(1 - h, Math.max(h - 1, v)));
        const here = f(Float64Array.from(at));
        for (const i of [0, 1]) {
          const there = f(Float64Array.from(at, (v, k) => (k === i ? v + h : v)));
          for (const o of [0, 1]) steepest[2 * o + i] = Math.max(steepest[2 * o + i], Math.abs(there[o] - here[o]) / h);
        }
      }
    }
    found.slopes.forEach(({ lower, upper }, k) => {
      expect(upper).toBeGreaterThanOrEqual(steepest[k] * (1 - 1e-6));
      expect(upper).toBeLessThanOrEqual(steepest[k] * 1.02);
      expect(lower).toBeLessThanOrEqual(upper);
      expect(lower).toBeGreaterThanOrEqual(steepest[k] * 0.98);
    });
  });

  it.each(["chain", "dense", "steep"] as const)(
    "is never refuted by pairs of points: %s",
    async (kind: NetworkKind) => {
      const source = random(5).fork(kind);
      for (let trial = 0; trial < (kind === "steep" ? 2 : 4); trial++) {
        const network = randomNetwork(source.fork(`network ${trial}`), kind);
        const subject = subjectOf(network);
        const low = Float64Array.from({ length: subject.size }, () => source.normal() / 2);
        const high = low.map((l) => l + source.uniform());
        const found = await ask(network, { kind: "box", low, high }, { pieces: 6 });
        const { x, y } = subject.at(1, "float64");
        const f = asFunction(y, x);
        for (let pair = 0; pair < 40; pair++) {
          const a = low.map((l, i) => l + source.uniform() * (high[i] - l));
          const i = source.integer(subject.size);
          const b = a.slice();
          b[i] = low[i] + source.uniform() * (high[i] - low[i]);
          const [at, there] = [f(a), f(b)];
          at.forEach((v, o) => {
            const { range, trend, lower, upper } = slopeOf(found, `y${o}`, `x${i}`);
            expect(lower).toBeLessThanOrEqual(upper);
            const rise = there[o] - v;
            const run = b[i] - a[i];
            const slack = 1e-9 * (Math.abs(v) + Math.abs(there[o]) + 1);
            const least = Math.min(range[0] * run, range[1] * run);
            const most = Math.max(range[0] * run, range[1] * run);
            expect(rise, `${kind} ${trial}`).toBeGreaterThanOrEqual(least - slack);
            expect(rise, `${kind} ${trial}`).toBeLessThanOrEqual(most + slack);
            if (trend === "rises") expect(rise * Math.sign(run)).toBeGreaterThanOrEqual(-slack);
            if (trend === "falls") expect(rise * Math.sign(run)).toBeLessThanOrEqual(slack);
          });
        }
      }
    },
  );

  it("notices a slope that is said wrongly", async () => {
    const planted = functionOf([2], (x) =>
      sub(
        withSlopes(
          tanh(
            affine(x, [
              [1, 2],
              [2, -1],
            ]),
          ),
          [0, 0.5],
        ),
        1,
      ),
    );
    await expect(ask(planted, box([-1, 1], [-1, 1]))).rejects.toThrow(/exceeds the upper bound/);
  });

  it("says in one line what is wrong", async () => {
    const network = functionOf([2], (x) => affine(x, [[1, 2]]));
    const domain = box([0, 1], [0, 1]);
    for (const [more, words] of [
      [{ inputs: [{ name: "a" }] }, /2 inputs, got 1/],
      [{ inputs: [{ name: "a" }, { name: "a" }] }, /must differ, got "a" twice/],
      [{ outputs: [{ std: 0 }] }, /std of y0 must be a number above 0, got 0/],
      [{ gap: 0 }, /gap must be above 0/],
      [{ domain: box([0, 1]) }, /must have 2 numbers/],
      [{ domain: box([1, 0], [0, 1]) }, /low must not exceed high/],
    ] as const) {
      await expect(ask(network, domain, more)).rejects.toThrow(words);
    }
  });
});
