import { describe, expect, it } from "vitest";
import { affine } from "../../test/functions.ts";
import { evaluate } from "../engine/reference.ts";
import { vjp } from "../graph/gradient.ts";
import type { Node } from "../graph/graph.ts";
import { constant, filledLike, input } from "../graph/leaf.ts";
import { mul } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { tanh } from "../ops/pointwise.ts";
import { mean } from "../ops/reduce.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { cast, type Tensor, tensor, zeros } from "../tensor/tensor.ts";
import { distance, pointInBall, unitDirection } from "./ball.ts";
import { adversarial, pgdStep } from "./step.ts";

const norms = [2, "inf"] as const;
const sample = (seed: number, shape: readonly number[]): Tensor => normalTensor(random(seed), shape);

const rowsOf = (t: Tensor): ArrayLike<number>[] => {
  const width = t.data.length / t.shape[0];
  return Array.from({ length: t.shape[0] }, (_, i) => (t.data as Float64Array).subarray(i * width, (i + 1) * width));
};

describe("pgdStep()", () => {
  it.each(norms)("lands in the ball, on its border when pushed out: l%s", (norm) => {
    const [x, center, gradient] = ["x", "center", "gradient"].map((name) => input(name, [5, 2, 3]));
    const far = pgdStep(x, center, gradient, { norm, radius: 0.5, step: 3 });
    const near = pgdStep(x, center, gradient, { norm, radius: 0.5, step: 0.01 });
    const at = sample(1, [5, 2, 3]);
    const feeds = { x: at, center: at, gradient: sample(2, [5, 2, 3]) };
    const result = evaluate({ far, near }, feeds);
    rowsOf(at).forEach((row, i) => {
      expect(distance(rowsOf(result.far)[i], row, norm)).toBeCloseTo(0.5, 9);
      expect(distance(rowsOf(result.near)[i], row, norm)).toBeCloseTo(0.01, 9);
    });
  });

  it.each(norms)("takes the steepest direction of its length: l%s", (norm) => {
    const [x, gradient] = ["x", "gradient"].map((name) => input(name, [1, 6]));
    const at = sample(3, [1, 6]);
    const slope = sample(4, [1, 6]);
    const moved = pgdStep(x, x, gradient, { norm, radius: 1, step: 0.1 });
    const result = evaluate({ moved }, { x: at, gradient: slope }).moved.data;
    const gain = (v: ArrayLike<number>) =>
      Array.from(v, (c, i) => (c - Number(at.data[i])) * Number(slope.data[i])).reduce((a, b) => a + b, 0);
    const own = gain(result as Float64Array);
    for (let k = 0; k < 200; k++) {
      const direction = pointInBall(random(k), { norm, radius: 0.1 }, 6);
      expect(gain(direction.map((v, i) => v + Number(at.data[i])))).toBeLessThanOrEqual(own);
    }
  });

  it.each(norms)("without a gradient stays, or goes the way it is given, and never to NaN: l%s", (norm) => {
    const [x, stuck] = ["x", "stuck"].map((name) => input(name, [2, 3]));
    const nothing = constant(zeros([2, 3]));
    const options = { norm, radius: 1, step: 0.5 } as const;
    const at = sample(5, [2, 3]);
    const way = tensor(Float32Array.of(0, 0.6, -0.8, 1, 0, 0), [2, 3]);
    const result = evaluate(
      { still: pgdStep(x, x, nothing, options), moved: pgdStep(x, x, nothing, { ...options, stuck }) },
      { x: at, stuck: way },
    );
    rowsOf(at).forEach((row, i) => {
      expect(distance(rowsOf(result.still)[i], row, 2)).toBeLessThan(1e-12);
      const step = Array.from(rowsOf(result.moved)[i], (v, k) => v - row[k]);
      const expected = Array.from(rowsOf(way)[i], (v) => 0.5 * (norm === 2 ? v : Math.sign(v)));
      step.forEach((v, k) => {
        expect(v).toBeCloseTo(expected[k], 6);
      });
    });
  });
});

describe("adversarial()", () => {
  const rows = [
    [1, 2, -1],
    [0.5, -1, 3],
  ];
  const forward = (x: Node) =>
    affine(tanh(affine(x, rows)), [
      [2, 1],
      [-1, 1],
    ]);
  // A loss per sample that is easy to see: the first output less the second.
  const loss = (outputs: Node, y: Node) => mean(sum(mul(outputs, y), [1]));
  const y = tensor(Float32Array.of(1, -1, 1, -1, 1, -1, 1, -1), [4, 2]);

  it.each(norms)("raises the loss as much as the best of many points of the ball: l%s", (norm) => {
    const x = input("x", [4, 3]);
    const target = input("y", [4, 2]);
    const near = adversarial(x, target, forward, loss, { norm, radius: 0.2, steps: 10 });
    const at = sample(6, [4, 3]);
    const value = (points: Tensor) => {
      const p = input("p", [4, 3]);
      const each = evaluate({ each: sum(mul(forward(p), target), [1]) }, { p: cast(points, "float32"), y }).each.data;
      return each as Float64Array;
    };
    const found = evaluate({ near }, { x: at, y }).near;
    const reached = value(found);
    rowsOf(at).forEach((row, i) => {
      expect(distance(rowsOf(found)[i], row, norm)).toBeLessThanOrEqual(Math.fround(0.2) + 1e-9);
    });
    for (let k = 0; k < 200; k++) {
      const source = random(k);
      const moved = rowsOf(at).flatMap((row) => {
        const v =
          norm === 2 ? unitDirection(source, 3).map((c) => 0.2 * c) : pointInBall(source, { norm, radius: 0.2 }, 3);
        return Array.from(v, (c, j) => row[j] + c);
      });
      value(tensor(moved, [4, 3])).forEach((v, i) => {
        expect(v).toBeLessThan(reached[i] + 1e-3);
      });
    }
  });

  it("lets nothing flow back, and is one step of the whole radius where one is asked for", () => {
    const x = input("x", [4, 3]);
    const target = input("y", [4, 2]);
    const near = adversarial(x, target, forward, loss, { norm: 2, radius: 0.1, steps: 1, range: [-3, 3] });
    const at = sample(7, [4, 3]);
    const found = evaluate({ near }, { x: at, y }).near;
    rowsOf(at).forEach((row, i) => {
      expect(distance(rowsOf(found)[i], row, 2)).toBeCloseTo(0.1, 6);
    });
    const risk = loss(forward(near), target);
    expect(vjp([risk], [filledLike(risk, 1)], [x])).toEqual([null]);
    expect(() => adversarial(x, target, forward, loss, { norm: 2, radius: 0.1, steps: 0 })).toThrow(
      "steps must be >= 1",
    );
  });

  it("takes a radius that is fed", () => {
    const x = input("x", [4, 3]);
    const target = input("y", [4, 2]);
    const near = adversarial(x, target, forward, loss, { norm: "inf", radius: input("radius", []), steps: 3 });
    const at = sample(8, [4, 3]);
    const found = evaluate({ near }, { x: at, y, radius: tensor([0.05], []) }).near;
    rowsOf(at).forEach((row, i) => {
      expect(distance(rowsOf(found)[i], row, "inf")).toBeCloseTo(0.05, 6);
    });
  });
});

describe("pointInBall()", () => {
  it.each(norms)("fills the ball evenly: l%s", (norm) => {
    const source = random(1);
    const lengths = Array.from({ length: 4000 }, () =>
      distance(pointInBall(source, { norm, radius: 2 }, 3), [0, 0, 0], norm),
    );
    expect(Math.max(...lengths)).toBeLessThanOrEqual(2);
    // Half of the radius holds an eighth of the volume.
    expect(lengths.filter((l) => l < 1).length / 4000).toBeCloseTo(1 / 8, 1);
    expect(lengths.filter((l) => l < 1.8).length / 4000).toBeCloseTo(0.9 ** 3, 1);
  });
});
