import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../test/functions.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeEngine } from "../engine/node.ts";
import { normalTensor, random } from "../tensor/random.ts";
import { logitsOf } from "./evaluate.ts";
import { provedRanks, rankByDistance } from "./rank.ts";

const engine = nodeEngine({ threads: 1 });

const dataOf = (x: Float32Array, size: number, classes: number): Dataset => ({
  ...{ name: "pool", task: "classification", targets: new Float32Array(0), x, shape: [size], classes },
  count: x.length / size,
  labels: new Int32Array(x.length / size),
});

describe("provedRanks()", () => {
  it("is what every order of distances in the brackets says", () => {
    const source = random(4);
    for (let round = 0; round < 20; round++) {
      const n = 6;
      const lowers = Array.from({ length: n }, () => Math.round(8 * source.uniform()));
      const uppers = lowers.map((v) => (source.uniform() < 0.2 ? Infinity : v + Math.round(4 * source.uniform())));
      const { ranks, proved } = provedRanks(lowers, uppers);
      let pairs = 0;
      for (let i = 0; i < n; i++) {
        const nearer = uppers.filter((u, j) => j !== i && u < lowers[i]).length;
        const further = lowers.filter((l, j) => j !== i && l > uppers[i]).length;
        expect(ranks[i]).toEqual([1 + nearer, n - further]);
        pairs += nearer + further;
        // Ends that are reached: i as near, and as far, as it can be, the others the other way round.
        for (const [own, others, rank] of [
          [lowers[i], uppers, ranks[i][0]],
          [uppers[i], lowers, ranks[i][1]],
        ] as const) {
          const before = others.filter((v, j) => j !== i && v < own).length;
          const notAfter = others.filter((v, j) => j !== i && v <= own).length;
          expect(rank).toBeGreaterThanOrEqual(1 + before);
          expect(rank).toBeLessThanOrEqual(1 + notAfter);
        }
      }
      expect(proved).toBe(pairs / (n * (n - 1)));
    }
  });
});

describe("rankByDistance()", () => {
  it.each([2, "inf"] as const)("knows the distances of a linear classifier, and so every rank: l%s", async (norm) => {
    const [size, count] = [5, 24];
    const rows = Array.from({ length: 3 }, (_, k) => [...(normalTensor(random(k), [size]).data as Float32Array)]);
    const network = functionOf([size], (x) => affine(x, rows));
    const data = dataOf(normalTensor(random(9), [count * size]).data as Float32Array, size, 3);
    const { samples, proved, points } = await rankByDistance(network, { engine, data, norm });
    expect(proved).toBeGreaterThan(0.98);
    expect(samples.map((s) => s.place)).toEqual(samples.map((_, k) => k + 1));
    const exact = (index: number) => {
      const x = data.x.subarray(index * size, (index + 1) * size);
      const z = rows.map((row) => row.reduce((sum, w, j) => sum + w * x[j], 0));
      const own = z.indexOf(Math.max(...z));
      const others = rows.flatMap((row, k) => {
        const d = row.map((w, j) => w - rows[own][j]);
        const length = norm === 2 ? Math.hypot(...d) : d.reduce((sum, v) => sum + Math.abs(v), 0);
        return k === own ? [] : [(z[own] - z[k]) / length];
      });
      return Math.min(...others);
    };
    for (const { index, lower, upper, rank, place } of samples) {
      const distance = exact(index);
      expect(lower).toBeLessThanOrEqual(distance);
      expect(lower).toBeGreaterThan(0.999 * distance);
      expect(upper).toBeGreaterThanOrEqual(distance);
      expect(upper).toBeLessThan(1.005 * distance);
      expect(rank[0]).toBeLessThanOrEqual(place);
      expect(rank[1]).toBeGreaterThanOrEqual(place);
    }
    expect(points.length).toBe(data.x.length);
  });

  it("brackets on random networks, and its points are decided otherwise", async () => {
    for (const seed of [1, 2]) {
      const network = randomNetwork(random(seed), "dense");
      const size = network.inputs[0].shape[1] as number;
      const data = dataOf(normalTensor(random(seed), [20 * size]).data as Float32Array, size, 3);
      const { samples, points } = await rankByDistance(network, { engine, data, local: "off" });
      const there = await logitsOf(network, engine, { ...data, x: points }, { dtype: "float64" });
      for (const { index, predicted, becomes, lower, upper } of samples) {
        if (upper === null) continue;
        expect(lower).toBeLessThanOrEqual(upper);
        const row = there.data.subarray(index * 3, (index + 1) * 3);
        expect(becomes).not.toBe(predicted);
        expect(Math.max(...row)).toBeGreaterThan(row[predicted]);
      }
    }
  });

  it("refuses another norm", async () => {
    const network = functionOf([2], (x) => affine(x, [[1, 0], [0, 1]])); // biome-ignore format: one line
    const options = { engine, data: dataOf(new Float32Array(4), 2, 2), norm: "1" as unknown as 2 };
    await expect(rankByDistance(network, options)).rejects.toThrow("norm must be 2 or inf");
  });
});
