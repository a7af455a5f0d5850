import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../../test/functions.ts";
import type { Network } from "../../graph/network.ts";
import { mul } from "../../ops/arith.ts";
import { relu, silu, tanh } from "../../ops/pointwise.ts";
import { type Random, random } from "../../tensor/random.ts";
import type { Range } from "../domain.ts";
import { fusedFlow } from "../patterns/fuse.ts";
import { subjectOf } from "../subject.ts";
import { partialsOfGraph } from "./graph.ts";
import { partialsOf } from "./subjectPartials.ts";

const rows = (r: Random, m: number, n: number, draw = () => r.normal() / Math.sqrt(n)) =>
  Array.from({ length: m }, () => Array.from({ length: n }, draw));

/** Dense layers with an activation between them; every bias of the second layer is `bias`. */
function dense(r: Random, widths: readonly number[], act: typeof relu, bias = 0.1): Network {
  const layers = widths.slice(1).map((m, t) => rows(r.fork(`layer ${t}`), m, widths[t]));
  return functionOf([widths[0]], (x) =>
    layers.reduce(
      (y, W, t) =>
        affine(
          t === 0 ? y : act(y),
          W,
          W.map(() => (t === 1 ? bias : 0.1)),
        ),
      x,
    ),
  );
}

const boxIn = (r: Random, n: number, width: number): Range => {
  const low = Float64Array.from({ length: n }, () => r.normal() / 2);
  return { low, high: low.map((v) => v + width * r.uniform()) };
};

/** Are the slopes at random points of a box between the ends, up to the rounding of the guess? */
function expectInside(r: Random, box: Range, found: Range, at: (x: Float64Array) => Float64Array): void {
  for (let trial = 0; trial < 40; trial++) {
    const x = box.low.map((l, i) => l + r.uniform() * (box.high[i] - l));
    at(x).forEach((v, k) => {
      const slack = 1e-12 * (1 + Math.abs(v));
      expect(v).toBeGreaterThanOrEqual(found.low[k] - slack);
      expect(v).toBeLessThanOrEqual(found.high[k] + slack);
    });
  }
}

const widthOf = ({ low, high }: Range): number => low.reduce((sum, l, k) => sum + high[k] - l, 0);

describe("partial slopes on a box", () => {
  it.each([
    ["relu", relu],
    ["tanh", tanh],
    ["silu", silu],
  ] as const)("hold at points of it, by the chain, RecurJac and the graph: %s", (name, act) => {
    const r = random(3).fork(name);
    for (const width of [0.02, 0.5, 2]) {
      const subject = subjectOf(dense(r.fork(`network ${width}`), [2, 24, 24, 24, 3], act));
      const chain = partialsOf(subject, [0, 1]);
      const { x, y } = subject.at(1, "float64");
      const graph = partialsOfGraph(subject, fusedFlow(x, y), [0, 1]);
      const box = boxIn(r, 2, width);
      const whole = chain.on(box);
      expect(whole.turns?.length).toBe(2);
      expectInside(r, box, whole, chain.at);
      expectInside(r, box, graph.on(box), chain.at);
      if (!chain.tight) throw new Error("a chain of three hidden layers has RecurJac");
      const tight = chain.tight.on(box);
      expectInside(r, box, tight, chain.at);
      if (width > 0.1) expect(widthOf(tight)).toBeLessThan(widthOf(whole));
    }
  });

  it("are 0 where a whole layer is off", () => {
    const chain = partialsOf(subjectOf(dense(random(4), [2, 24, 24, 24, 3], relu, -100)), [0, 1]);
    const box = { low: Float64Array.of(-1, -1), high: Float64Array.of(1, 1) };
    for (const found of [chain.on(box), chain.tight?.on(box)]) {
      if (!found) throw new Error("a chain of three hidden layers has RecurJac");
      expect(found.low.every((v) => v === 0)).toBe(true);
      expect(found.high.every((v) => v === 0)).toBe(true);
    }
  });

  it("never fall below 0 where all weights are positive, however they are rounded", () => {
    const r = random(5);
    const [first, second, last] = [
      [7, 3],
      [5, 7],
      [2, 5],
    ].map(([m, n]) => rows(r, m, n, () => r.uniform()));
    const network = functionOf([3], (x) => affine(relu(affine(relu(affine(x, first)), second)), last));
    const { low } = partialsOf(subjectOf(network), [0, 1, 2]).on({
      low: new Float64Array(3).fill(-1),
      high: new Float64Array(3).fill(1),
    });
    expect(low.every((v) => v >= 0)).toBe(true);
  });

  it("count what a matrix of several weights may be off", () => {
    const plain = functionOf([2], (x) =>
      affine(
        relu(
          affine(x, [
            [0.3, 1],
            [-1, 0.7],
          ]),
        ),
        [[1, 2]],
      ),
    );
    const scaled = functionOf([2], (x) =>
      affine(
        relu(
          affine(mul(x, 0.1), [
            [3, 10],
            [-10, 7],
          ]),
        ),
        [[1, 2]],
      ),
    );
    const box = { low: Float64Array.of(1, 2), high: Float64Array.of(1.2, 2.2) };
    const [a, b] = [plain, scaled].map((network) => partialsOf(subjectOf(network), [0, 1]).on(box));
    // 0.1 is a number of float32 there; what is written out is the same but for rounding.
    a.low.forEach((v, k) => {
      expect(Math.abs(b.low[k] - v)).toBeLessThan(1e-6);
      expect(b.high[k] - b.low[k]).toBeGreaterThan(a.high[k] - a.low[k]);
      expect(b.high[k] - b.low[k]).toBeLessThan(1e-11);
    });
  });
});
