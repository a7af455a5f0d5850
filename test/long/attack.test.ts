/** @file What is asked of attacks and certificates together: no attack succeeds inside a certified radius, and where a radius is too large the alarm sounds. */
import { describe, expect, it } from "vitest";
import { attack } from "../../src/attack/attack.ts";
import { consistency } from "../../src/certify/consistency.ts";
import { type Certification, certify } from "../../src/certify/evaluate.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import type { Network } from "../../src/graph/network.ts";
import { normalTensor, random } from "../../src/tensor/random.ts";
import { sizeOf } from "../../src/tensor/shape.ts";
import { affine, functionOf, randomNetwork } from "../functions.ts";
import { testEngine } from "../testEngine.ts";

const engine = testEngine({ threads: 1 });
const norms = [2, "inf"] as const;

function points(network: Network, seed: number, count: number, classes: number): Dataset {
  const [, ...shape] = network.inputs[0].shape.map(Number);
  return {
    ...{ name: "points", task: "classification", targets: new Float32Array(0), shape, count, classes },
    x: normalTensor(random(seed), [count * sizeOf(shape)]).data as Float32Array,
    labels: new Int32Array(count),
  };
}

/** A certificate whose radii are multiplied by a factor. */
const stretched = ({ norm, samples }: Certification, factor: number) => ({
  norm,
  samples: samples.map((s) => ({ ...s, radius: factor * s.radius })),
});

describe("attacks and certificates", () => {
  it.each(norms)("agree on random networks: l%s", async (norm) => {
    let tightest = Number.POSITIVE_INFINITY;
    for (let seed = 0; seed < 8; seed++) {
      const network = randomNetwork(random(seed), seed % 3 === 2 ? "image" : "dense");
      const data = points(network, 500 + seed, 8, 3);
      const certification = await certify(network, { engine, data, norm });
      const median = [...certification.samples].sort((a, b) => a.radius - b.radius)[4].radius;
      const found = await attack(network, { engine, data, norm, radii: [median, 3 * median], seed });
      expect(consistency(certification, found), `seed ${seed}`).toEqual([]);
      found.samples.forEach(({ confirmed }, i) => {
        if (confirmed !== null) tightest = Math.min(tightest, confirmed / certification.samples[i].radius);
      });
    }
    // Attacks that find nothing would agree with anything; the rest of the gap is that of the bounds.
    expect(tightest).toBeGreaterThanOrEqual(1);
    expect(tightest).toBeLessThan(3);
  });

  it.each(norms)(
    "meet at a linear classifier, so that one part in a thousand too much is noticed: l%s",
    async (norm) => {
      const rows = [
        [3, 0, 1],
        [0, 4, -1],
        [1, -1, 2],
      ];
      const network = functionOf([3], (x) => affine(x, rows, [1, 0, 0.5]));
      const data = points(network, 1, 50, 3);
      const certification = await certify(network, { engine, data, norm });
      const found = await attack(network, { engine, data, norm, attacks: ["deepfool", "shrink"] });
      expect(consistency(certification, found)).toEqual([]);
      const alarm = consistency(stretched(certification, 1.001), found);
      expect(alarm.length).toBe(50);
      expect(alarm.every((v) => v.kind === "proof" && v.radius > v.distance)).toBe(true);
    },
  );

  it("know rounding from a refutation, and an infinite radius from none", () => {
    const sample = { index: 3, label: 0, predicted: 0, becomes: 1, attack: "pgd" } as const;
    const certified = (radius: number | null, predicted = 0) => ({
      norm: "2" as const,
      samples: [{ index: 3, predicted, radius }],
    });
    const attacked = (distance: number | null, confirmed: number | null) => ({
      norm: "2" as const,
      samples: [{ ...sample, distance, confirmed }],
    });
    const kinds = (c: ReturnType<typeof certified>, a: ReturnType<typeof attacked>) =>
      consistency(c, a).map((v) => [v.kind, v.distance]);
    expect(kinds(certified(1), attacked(1, 1))).toEqual([]);
    expect(kinds(certified(1), attacked(null, null))).toEqual([]);
    expect(kinds(certified(1), attacked(0.9, 0.95))).toEqual([["proof", 0.95]]);
    expect(kinds(certified(1), attacked(0.9, 1.1))).toEqual([["rounding", 0.9]]);
    expect(kinds(certified(1), attacked(0.9, null))).toEqual([["rounding", 0.9]]);
    expect(kinds(certified(null), attacked(7, 7))).toEqual([["proof", 7]]);
    expect(kinds(certified(1, 1), attacked(null, null))).toEqual([["rounding", 0]]);
    expect(kinds(certified(0, 1), attacked(null, null))).toEqual([]);
    expect(() => consistency({ ...certified(1), norm: "inf" }, attacked(1, 1))).toThrow("norms must match");
    expect(() => consistency({ norm: "2", samples: [] }, attacked(1, 1))).toThrow("sample 3");
  });
});
