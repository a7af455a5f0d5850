import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../test/functions.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import { mul } from "../ops/arith.ts";
import { tanh } from "../ops/pointwise.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { curvature } from "./measure.ts";
import { gradientStability } from "./stability.ts";

const engine = nodeEngine({ threads: 1 });

function points(size: number, count: number, classes: number): Dataset {
  const x = normalTensor(random(1), [count, size]).data as Float32Array;
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  const common = { name: "points", task: "classification", targets: new Float32Array(0) } as const;
  return { ...common, x, shape: [size], count, labels, classes };
}

describe("gradientStability()", () => {
  it("is the norm of the Hessian times the step, over the gradient, for a quadratic function", async () => {
    // sum of a_i x_i^2: the gradient is 2 a x and changes by 2 a e, at worst by 2 max a |e|.
    const a = [3, 1, 0.5];
    const f = functionOf([3], (x) => affine(mul(x, x), [a]));
    const data = points(3, 10, 1);
    const found = await gradientStability(f, { engine, data, of: "logit", radii: [0.1, 1], draws: 64, steps: 60 });
    const { samples } = await curvature(f, { engine, data, of: "logit" });
    const mean = samples.reduce((sum, s) => sum + s.curvature, 0) / samples.length;
    for (const { radius, adversarial, random: drawn } of found) {
      expect(adversarial.mean / (radius * mean)).toBeCloseTo(1, 3);
      // E |a e|^2 / |e|^2 is the mean of the squares.
      const expected = Math.sqrt(a.reduce((sum, v) => sum + v * v, 0) / 3) / 3;
      expect(drawn.mean / adversarial.mean).toBeGreaterThan(0.8 * expected);
      expect(drawn.mean / adversarial.mean).toBeLessThan(expected * 1.05);
    }
  });

  it("finds no less by search than by chance, and the same every time", async () => {
    const rows = (n: number, m: number, seed: number) =>
      Array.from({ length: n }, (_, k) =>
        Array.from(normalTensor(random(seed).fork(k), [m], 0.5).data as Float32Array),
      );
    const f = functionOf([6], (x) =>
      affine(tanh(affine(tanh(affine(x, rows(8, 6, 1))), rows(8, 8, 2))), rows(3, 8, 3)),
    );
    const data = points(6, 70, 3);
    const options = { engine, data, radii: [0.05, 0.5] };
    const found = await gradientStability(f, options);
    for (const { adversarial, random: drawn } of found) {
      expect(adversarial.min).toBeGreaterThanOrEqual(drawn.min);
      expect(adversarial.mean).toBeGreaterThan(1.2 * drawn.mean);
    }
    expect(found[1].random.mean).toBeGreaterThan(found[0].random.mean);
    expect(await gradientStability(f, options)).toEqual(found);
    // To first order the worst is ||e|| C.
    const { curvature: C } = await curvature(f, { engine, data });
    const small = await gradientStability(f, { ...options, radii: [1e-4], steps: 40 });
    expect(small[0].adversarial.mean / (1e-4 * C.mean)).toBeGreaterThan(0.9);
    expect(small[0].adversarial.mean / (1e-4 * C.mean)).toBeLessThan(1.01);
  });

  it("is zero where the gradient is constant, and refuses a radius of nothing", async () => {
    const f = functionOf([2], (x) => affine(x, [[1, 2]]));
    const data = points(2, 4, 1);
    const [{ random: drawn, adversarial }] = await gradientStability(f, { engine, data, of: "logit", radii: [1] });
    expect([drawn.max, adversarial.max]).toEqual([0, 0]);
    await expect(gradientStability(f, { engine, data, radii: [0] })).rejects.toThrow("radii must be above 0");
  });
});
