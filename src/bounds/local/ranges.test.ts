import { describe, expect, it } from "vitest";
import { activationNames, randomChain } from "../../../test/chains.ts";
import { type Random, random } from "../../tensor/random.ts";
import type { Chain } from "../chain.ts";
import { boxAround, type Domain } from "../domain.ts";
import { ranges } from "./ranges.ts";

/** Pre-activations of all hidden layers at a point. */
function traced(chain: Chain, x: Float64Array): Float64Array[] {
  let a = x;
  return chain.activations.map((layer, i) => {
    const { weight, bias } = chain.affine[i];
    const z = bias.map((b, j) => {
      for (let k = 0; k < weight.cols; k++) b += weight.data[j * weight.cols + k] * a[k];
      return b;
    });
    a = layer.apply(z);
    return z;
  });
}

/** A point of the domain, often on its edge. */
function pointOf(domain: Domain, n: number, r: Random): Float64Array {
  const { low, high } = boxAround(domain, n);
  if (domain.kind === "ball" && domain.norm === 2) {
    const d = Float64Array.from({ length: n }, () => r.normal());
    const length = Math.hypot(...d);
    return d.map((v, k) => domain.center[k] + (v / length) * domain.radius * (1 - 1e-12) * Math.sqrt(r.uniform()));
  }
  return low.map((l, k) => (r.uniform() < 0.5 ? l + (high[k] - l) * r.uniform() : r.uniform() < 0.5 ? l : high[k]));
}

const domains = (n: number, r: Random): Domain[] => {
  const center = Array.from({ length: n }, () => r.normal());
  const radius = 10 ** (1 - 3 * r.uniform());
  return [
    { kind: "ball", center, radius, norm: 2 },
    { kind: "ball", center, radius, norm: "inf" },
    { kind: "box", low: center, high: center.map((c, k) => c + (k % 2 === 0 ? radius : 0)) },
  ];
};

describe("ranges()", () => {
  it("hold the pre-activations of every network that rounding may have made of a chain", () => {
    const r = random(8);
    for (let k = 0; k < 12; k++) {
      const n = 1 + r.integer(4);
      const chain = randomChain(r, [n, 5, 4, 3, 2], ["relu", "silu", "abs", "tanh"]);
      const most = { matrix: 0.05, shift: 0.02 };
      for (const domain of domains(n, r)) {
        const bare = ranges(chain, domain) ?? [];
        const found = ranges(chain, domain, { rounding: () => most }) ?? [];
        let moved = 0;
        for (let i = 0; i < 25; i++) {
          // As far as rounding may go: a whole row of E in one entry.
          const affine = chain.affine.map(({ weight, bias }) => {
            const data = weight.data.slice();
            for (let j = 0; j < weight.rows; j++) {
              data[j * weight.cols + r.integer(weight.cols)] += r.uniform() < 0.5 ? most.matrix : -most.matrix;
            }
            return {
              weight: { ...weight, data },
              bias: bias.map((b) => b + (r.uniform() < 0.5 ? 1 : -1) * most.shift),
            };
          });
          traced({ ...chain, affine }, pointOf(domain, n, r)).forEach((z, layer) => {
            z.forEach((v, j) => {
              const slack = 1e-13 * (1 + Math.abs(v));
              expect(v).toBeGreaterThanOrEqual(found[layer].low[j] - slack);
              expect(v).toBeLessThanOrEqual(found[layer].high[j] + slack);
              if (v < bare[layer].low[j] || v > bare[layer].high[j]) moved++;
            });
          });
        }
        if (domain.kind === "box" && n === 1) expect(moved).toBeGreaterThan(0);
      }
    }
  });

  it.each([...activationNames.map((a) => [a]), ["relu", "silu", "abs", "tanh", "gelu"] as const])(
    "hold the pre-activations of every point: %s",
    (...names) => {
      const r = random(5).fork(names.join());
      for (let k = 0; k < 6; k++) {
        const n = 1 + r.integer(4);
        const chain = randomChain(r, [n, 5, 4, 3, 2], names);
        for (const domain of domains(n, r)) {
          const plain = ranges(chain, domain, { relax: false }) ?? [];
          const relaxed = ranges(chain, domain) ?? [];
          for (let i = 0; i < 25; i++) {
            traced(chain, pointOf(domain, n, r)).forEach((z, layer) => {
              z.forEach((v, j) => {
                const slack = 1e-13 * (1 + Math.abs(v));
                expect(v).toBeGreaterThanOrEqual(relaxed[layer].low[j] - slack);
                expect(v).toBeLessThanOrEqual(relaxed[layer].high[j] + slack);
                expect(relaxed[layer].low[j]).toBeGreaterThanOrEqual(plain[layer].low[j]);
                expect(relaxed[layer].high[j]).toBeLessThanOrEqual(plain[layer].high[j]);
              });
            });
          }
        }
      }
    },
  );

  it("are exact in the first layer", () => {
    const chain = randomChain(random(6), [3, 4, 1], ["relu"]);
    const { weight, bias } = chain.affine[0];
    const [range] = ranges(chain, { kind: "ball", center: [1, 2, 3], radius: 0.5, norm: 2 }) ?? [];
    for (let j = 0; j < 4; j++) {
      const w = weight.data.subarray(3 * j, 3 * j + 3);
      const middle = bias[j] + w[0] + 2 * w[1] + 3 * w[2];
      expect(range.high[j]).toBeCloseTo(middle + 0.5 * Math.hypot(...w), 12);
      expect(range.low[j]).toBeCloseTo(middle - 0.5 * Math.hypot(...w), 12);
    }
  });

  it("are much narrower by relaxation than by intervals, in deep chains", () => {
    const r = random(7);
    let [narrow, wide] = [0, 0];
    for (let k = 0; k < 10; k++) {
      const chain = randomChain(r, [4, 16, 16, 16, 1], ["relu"]);
      const domain: Domain = { kind: "ball", center: [0, 0, 0, 0], radius: 0.1, norm: 2 };
      const width = (found: ReturnType<typeof ranges>) =>
        found ? found[2].high.reduce((s, h, j) => s + h - found[2].low[j], 0) : Number.NaN;
      narrow += width(ranges(chain, domain));
      wide += width(ranges(chain, domain, { relax: false }));
    }
    expect(narrow).toBeLessThan(0.6 * wide);
  });

  it("know nothing of the whole space but what activations say", () => {
    const chain = randomChain(random(8), [2, 3, 3, 1], ["tanh"]);
    const found = ranges(chain, { kind: "global" }) ?? [];
    expect(found[0].high.every((v) => v === Number.POSITIVE_INFINITY)).toBe(true);
    const { weight, bias } = chain.affine[1];
    const sum = Math.abs(weight.data[0]) + Math.abs(weight.data[1]) + Math.abs(weight.data[2]);
    expect(found[1].high[0]).toBeCloseTo(bias[0] + sum, 10);
  });
});
