import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork, weight } from "../../test/functions.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import type { Network } from "../graph/network.ts";
import { mul, neg } from "../ops/arith.ts";
import { sum } from "../ops/broadcast.ts";
import { concat } from "../ops/movement.ts";
import { relu, softplus, tanh } from "../ops/pointwise.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { logitsOf } from "./evaluate.ts";
import { type Explained, type ExplainOptions, explain } from "./explain.ts";
import { keptOf, turningOf } from "./turning.ts";

const engine = nodeEngine({ threads: 1 });

const dataOf = (x: Float32Array, size: number, classes = 2): Dataset => ({
  ...{ name: "points", task: "classification", targets: new Float32Array(0), x, shape: [size], classes },
  count: x.length / size,
  labels: new Int32Array(x.length / size),
});

const normals = (seed: number, n: number) => normalTensor(random(seed), [n]).data as Float32Array;

/** (z, -z): the margin of the decided class is 2 |z|. */
const both = (size: number, z: (x: Parameters<Network["build"]>[0][number]) => ReturnType<typeof neg>) =>
  functionOf([size], (x) => {
    const y = z(x);
    return concat([y, neg(y)], 1);
  });

const of = (found: Explained, index: number, method: string) =>
  found.samples[index].explanations.find(
    (e) => e.method === method,
  ) as Explained["samples"][number]["explanations"][number];

describe("explain()", () => {
  it("of a linear network: weights, their products with the inputs, and no turning at all", async () => {
    const [size, classes] = [4, 3];
    const rows = [1, 2, 3].map((k) => [...normals(k, size)]);
    const network = functionOf([size], (x) => affine(x, rows));
    const data = dataOf(normals(9, 5 * size), size, classes);
    const found = await explain(network, { engine, data, radii: [0.5] });
    for (const { index, predicted, rival } of found.samples) {
      const x = data.x.subarray(index * size, (index + 1) * size);
      const w = rows[predicted].map((v, i) => v - rows[rival as number][i]);
      w.forEach((v, i) => {
        expect(of(found, index, "saliency").values[i]).toBeCloseTo(v, 9);
        expect(of(found, index, "smoothgrad").values[i]).toBeCloseTo(v, 9);
        // With the baseline 0 both are what each input adds to the margin.
        for (const method of ["gradient-input", "integrated"])
          expect(of(found, index, method).values[i]).toBeCloseTo(v * x[i], 9);
      });
      const [saliency] = of(found, index, "saliency").stability;
      expect([saliency.change, saliency.kept]).toEqual([0, 1]);
      expect(saliency.degrees).toBeLessThan(1e-6);
      // x g changes with x itself, by no more than r |g|_inf.
      const [product] = of(found, index, "gradient-input").stability;
      expect(product.change).toBeCloseTo(0.5 * Math.max(...w.map(Math.abs)), 6);
      expect(product.seen.change).toBeLessThanOrEqual(product.change as number);
    }
    expect(found.curvature).toBe(0);
  });

  it("integrates: of a sum of functions of single inputs, what each function gained since the baseline", async () => {
    const a = [1, -2, 0.5];
    const network = both(3, (x) => sum(mul(tanh(x), weight(x, a, [1, 3])), [1], true));
    const x = Float32Array.of(0.7, -0.3, 1.5);
    const found = await explain(network, { engine, data: dataOf(x, 3), baseline: 0.25, steps: 400 });
    expect(found.samples[0].predicted).toBe(0);
    a.forEach((factor, i) => {
      const gained = 2 * factor * (Math.tanh(x[i]) - Math.tanh(0.25));
      expect(of(found, 0, "integrated").values[i]).toBeCloseTo(gained, 5);
    });
    // Completeness: all together they are the change of the margin.
    const total = of(found, 0, "integrated").values.reduce((s, v) => s + v, 0);
    const margin = (at: ArrayLike<number>) => 2 * a.reduce((s, v, i) => s + v * Math.tanh(at[i]), 0);
    expect(total).toBeCloseTo(margin(x) - margin([0.25, 0.25, 0.25]), 5);
  });

  it("proves what is seen and little more, where a neuron bends most", async () => {
    // s = 2 softplus(v x) has at 0 the curvature |v|^2 / 2, along v.
    const v = [3, 4];
    const network = both(2, (x) => softplus(affine(x, [v])));
    const data = dataOf(Float32Array.of(0, 0), 2);
    const radius = 1e-2;
    const found = await explain(network, { engine, data, radii: [radius], methods: ["saliency"] });
    expect((found.curvature as number) / 12.5).toBeCloseTo(1, 9);
    const { stability, values, length } = of(found, 0, "saliency");
    const [{ change, degrees, seen }] = stability;
    expect(change).toBeCloseTo(12.5 * radius, 9);
    expect(seen.change / (change as number)).toBeGreaterThan(0.99);
    expect(degrees).toBeCloseTo((Math.asin((12.5 * radius) / length) * 180) / Math.PI, 6);
    // A curvature that is a twentieth too small is noticed.
    const own = { values, gradient: values, longest: length, x: [0, 0], baseline: 0, terms: 1, error: 0 };
    expect(seen.change).toBeGreaterThan(turningOf("saliency", { ...own, curvature: 12.5 * 0.95 }, radius).change);
  });

  it("is refuted by nothing that is tried on random networks", async () => {
    let bounded = 0;
    for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
      const network = randomNetwork(random(seed), "chain");
      const size = network.inputs[0].shape[1] as number;
      const data = dataOf(normals(seed, 6 * size), size, 3);
      const options: ExplainOptions = { engine, data, radii: [0.01, 0.3], top: 0.5, draws: 4, steps: 8 };
      for (const which of ["margin", "logit"] as const) {
        // It throws where more is seen than is proved.
        const found = await explain(network, { ...options, of: which });
        if (found.curvature === null) continue;
        bounded++;
        for (const { explanations } of found.samples) {
          for (const { stability } of explanations) {
            for (const { degrees, kept, seen } of stability) {
              expect(seen.degrees).toBeLessThanOrEqual(degrees + 1e-4);
              expect(seen.kept).toBeGreaterThanOrEqual(kept);
            }
          }
        }
      }
    }
    expect(bounded).toBeGreaterThan(3);
  });

  it("says that a network with kinks has no bound, and shows what was seen", async () => {
    const network = functionOf([3], (x) => affine(relu(affine(x, [[1, 2, 3], [3, -1, 1], [0, 1, -2]])), [[1, 0, 1], [0, 1, -1]])); // biome-ignore format: one line
    const found = await explain(network, { engine, data: dataOf(normals(3, 6), 3), radii: [2] });
    expect(found.curvature).toBeNull();
    expect(found.missing?.why).toContain("jumps");
    const all = found.samples.flatMap((s) => s.explanations.flatMap((e) => e.stability));
    expect(all.every((s) => s.change === null && s.degrees === 180 && s.kept === 0)).toBe(true);
    expect(all.some((s) => s.seen.change > 0)).toBe(true);
  });

  it("explains the network's own decision, the same for the same seed", async () => {
    const network = functionOf([2], (x) => tanh(affine(x, [[1, 2], [2, -1], [0, 1]]))); // biome-ignore format: one line
    const data = dataOf(normals(5, 20), 2, 3);
    const options = { engine, data, radii: [0.1] };
    const found = await explain(network, options);
    const { data: logits } = await logitsOf(network, engine, data, { dtype: "float64" });
    for (const { index, predicted, rival } of found.samples) {
      const row = [...logits.subarray(3 * index, 3 * index + 3)];
      const order = [0, 1, 2].sort((a, b) => row[b] - row[a]);
      expect([predicted, rival]).toEqual(order.slice(0, 2));
    }
    expect(await explain(network, options)).toEqual(found);
  });

  it.each([
    [{ radii: [0] }, "radii must be above 0"],
    [{ methods: ["lime" as "saliency"] }, "methods must be of saliency"],
    [{ steps: 0 }, "steps must be a whole number"],
    [{ top: 2 }, "top must be above 0 and at most 1"],
    [{ of: "loss" as "logit" }, "of must be margin or logit"],
  ])("refuses %j", async (options, message) => {
    const network = functionOf([2], (x) => affine(x, [[1, 2], [2, -1]])); // biome-ignore format: one line
    await expect(explain(network, { engine, data: dataOf(normals(1, 2), 2), ...options })).rejects.toThrow(message);
  });
});

describe("keptOf()", () => {
  it("counts those that no change of that length moves out of the top", () => {
    const source = random(3);
    for (let round = 0; round < 200; round++) {
      const values = Float64Array.from({ length: 8 }, () => source.normal());
      const [k, change] = [3, 0.4 * source.uniform()];
      const order = [...values.keys()].sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]));
      const kept = keptOf(values, k, change);
      // The worst for the last one that is counted: it falls, and the first one left out rises.
      const moved = values.slice();
      const [falls, rises] = [order[Math.max(0, kept - 1)], order[k]];
      moved[falls] -= (Math.sign(moved[falls]) * change) / Math.SQRT2;
      moved[rises] += (Math.sign(moved[rises]) * change) / Math.SQRT2;
      if (kept > 0) expect(Math.abs(moved[falls])).toBeGreaterThan(Math.abs(moved[rises]));
      // And of the first one that is not, that suffices.
      if (kept < k) {
        const next = values.slice();
        next[order[kept]] -= (Math.sign(next[order[kept]]) * change * 1.0001) / Math.SQRT2;
        next[rises] += (Math.sign(next[rises]) * change * 1.0001) / Math.SQRT2;
        expect(Math.abs(next[order[kept]])).toBeLessThanOrEqual(Math.abs(next[rises]));
      }
    }
    expect(keptOf([1, 2], 2, 100)).toBe(2);
  });
});
