import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hasShared } from "../../../test/shared.ts";
import {
  chainOf,
  exactNet,
  lipsdpNet,
  matrixOf,
  normalMatrix,
  patternNorm,
  randomChain,
} from "../../../test/slopeChains.ts";
import { nodeEngine } from "../../engine/node.ts";
import { multiply, transpose } from "../../linalg/matrix.ts";
import { spectralNorm } from "../../linalg/norm.ts";
import { singularValues } from "../../linalg/svd.ts";
import { random } from "../../tensor/random.ts";
import { budget, workClock } from "../budget.ts";
import { sectorsOf } from "./form.ts";
import { normProduct } from "./frobenius.ts";
import { greedySeqLip } from "./greedySeqLip.ts";
import { patternBound } from "./patterns.ts";
import { seqLip } from "./seqLip.ts";
import { leadingTriplets } from "./triplets.ts";

const engine = nodeEngine({ threads: 1 });
const absolute = chainOf([matrixOf([[1], [-1]]), matrixOf([[1, 1]])]);

describe("seqLip()", () => {
  it("is 1 for |x|, where the product of norms is 2", async () => {
    const { value, status } = await seqLip(absolute, { engine });
    expect(status).toBe("done");
    expect(value).toBeGreaterThanOrEqual(1);
    expect(value).toBeLessThan(1 + 1e-14);
  });

  it("lies between the activation patterns and the product of norms, and above what greedy flips find", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 2 ** 31 }), async (seed) => {
        const chain = randomChain(seed);
        const { value, proved } = await seqLip(chain, { engine });
        expect(proved).toBe(true);
        expect(patternNorm(chain, random(seed), 30) * (1 - 1e-12)).toBeLessThanOrEqual(value);
        expect(value).toBeLessThanOrEqual(normProduct(chain).value);
        expect((await greedySeqLip(chain)).value).toBeLessThanOrEqual(value * (1 + 1e-6));
      }),
      { numRuns: 100, seed: 2 },
    );
  });

  it("closes the maxima of small layers: greedy flips reach it", async () => {
    const chain = lipsdpNet();
    const { value } = await seqLip(chain, { engine, branch: 30 });
    const estimate = await greedySeqLip(chain);
    expect(estimate).toMatchObject({ side: "estimate", proved: false });
    expect(value).toBeLessThan(normProduct(chain).value * 0.9);
    expect(estimate.value / value).toBeGreaterThan(0.97);
    expect(estimate.value).toBeLessThanOrEqual(value);
  });

  it("bounds quickly where there is no time, and says so", async () => {
    const chain = lipsdpNet();
    const { value, status } = await seqLip(chain, { engine, seconds: 0 });
    expect(status).toBe("stopped");
    expect(value).toBeLessThanOrEqual(normProduct(chain).value);
    await expect(seqLip(chain, { engine, signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
  });

  it("counts the slopes of every second layer where weights are too large for their singular vectors", async () => {
    const r = random(3);
    const weights = [normalMatrix(r, 385, 3), normalMatrix(r, 385, 385), normalMatrix(r, 2, 385)];
    const { value } = await seqLip(chainOf(weights), { engine, seconds: 1, clock: workClock() });
    const first = spectralNorm(weights[0]).upper;
    expect(value).toBeLessThan(normProduct(chainOf(weights)).value);
    expect(value).toBeGreaterThan(first);
  });

  it.skipIf(!hasShared("exact"))("lies above the constants that are known", async () => {
    for (const name of ["exlipbab_iris_relu_4-6-6-3", "exlipbab_wine_relu_11-12-12-1", "lipbab_iris_4-5-5-3"]) {
      const { chain, exact } = exactNet(name);
      expect((await seqLip(chain, { engine })).value).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
    }
  });
});

describe("patternBound()", () => {
  it("is the maximum over all patterns", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const r = random(seed);
      const [A, B] = [normalMatrix(r, 7, 4), normalMatrix(r, 3, 7)];
      const [low, high] = seed % 2 === 0 ? [0, 1] : [-0.3, 0.9];
      let top = 0;
      for (let pattern = 0; pattern < 128; pattern++) {
        const D = { ...A, data: A.data.map((x, k) => x * ((pattern >> Math.floor(k / 4)) & 1 ? high : low)) };
        top = Math.max(top, singularValues(multiply(B, D))[0]);
      }
      const sector = sectorsOf(new Float64Array(7).fill(low), new Float64Array(7).fill(high));
      const { value, ended } = await patternBound(B, A, sector, budget());
      expect(ended).toBe(true);
      expect(value).toBeGreaterThanOrEqual(top * (1 - 1e-12));
      expect(value).toBeLessThan(top * (1 + 1e-8));
      const cut = await patternBound(B, A, sector, budget(), 2);
      expect(cut.value).toBeGreaterThanOrEqual(value * (1 - 1e-9));
    }
  });
});

describe("greedySeqLip()", () => {
  it("is the norm for one layer, and 1 for |x|, from where no single slope is seen", async () => {
    const W = normalMatrix(random(1), 5, 8);
    expect((await greedySeqLip(chainOf([W]))).value).toBeCloseTo(spectralNorm(W).upper, 7);
    expect((await greedySeqLip(absolute)).value).toBeCloseTo(1, 12);
  });

  it("drops singular values beyond k", async () => {
    const r = random(6);
    const chain = chainOf([normalMatrix(r, 20, 20), normalMatrix(r, 20, 20), normalMatrix(r, 20, 20)]);
    const [few, all] = [await greedySeqLip(chain, { k: 2 }), await greedySeqLip(chain)];
    expect(few.value).toBeLessThan(all.value);
    expect((await greedySeqLip(chain)).value).toBe(all.value);
  });
});

describe("leadingTriplets()", () => {
  it("takes a matrix apart, tall or wide", () => {
    for (const [rows, cols] of [
      [7, 4],
      [4, 7],
    ]) {
      const W = normalMatrix(random(rows), rows, cols);
      const { values, left, right } = leadingTriplets(W, 9);
      expect(values).toHaveLength(4);
      const scaled = { ...right, data: right.data.map((x, k) => x * values[Math.floor(k / cols)]) };
      multiply(transpose(left), scaled).data.forEach((x, k) => {
        expect(x).toBeCloseTo(W.data[k], 10);
      });
    }
  });

  it("finds leading directions of a large matrix that has some", () => {
    const r = random(9);
    const W = multiply(normalMatrix(r, 500, 3), normalMatrix(r, 3, 400));
    expect(leadingTriplets(W, 2).values[0] / spectralNorm(W).upper).toBeCloseTo(1, 8);
  });
});
