import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ActivationName, activationNames, chainOf, randomChain, savedChain } from "../../../test/chains.ts";
import { hasShared } from "../../../test/shared.ts";
import { matrix, multiply } from "../../linalg/matrix.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { random } from "../../tensor/random.ts";
import type { Norm } from "../bound.ts";
import { jacobianAt } from "../branch/steepness.ts";
import type { Chain } from "../chain.ts";
import type { Domain } from "../domain.ts";
import { intervalBound } from "./interval.ts";
import { ranges, slopesOn } from "./ranges.ts";
import { recurJacBound } from "./recurJac.ts";

const norms: readonly Norm[] = [1, 2, "inf"];

const slopesIn = (chain: Chain, domain: Domain, relax = true) =>
  slopesOn(chain, ranges(chain, domain, { relax }) ?? []);

/** Points of a ball around a center, or of the space around it. */
function* points(center: readonly number[], domain: Domain, seed: number) {
  const r = random(seed);
  for (let k = 0; k < 25; k++) {
    const d = center.map(() => r.normal());
    const length = domain.kind === "ball" && domain.norm === "inf" ? Math.max(...d.map(Math.abs)) : Math.hypot(...d);
    const radius = domain.kind === "ball" ? domain.radius * (1 - 1e-12) * r.uniform() : 8 * r.uniform();
    yield Float64Array.from(d, (v, i) => center[i] + (v / length) * radius);
  }
}

/** The largest Jacobian norm at sampled points, and the two bounds. */
function measured(chain: Chain, center: readonly number[], domain: Domain, norm: Norm, seed: number) {
  let steepest = 0;
  for (const x of points(center, domain, seed)) {
    const J = jacobianAt(chain, x);
    if (J) steepest = Math.max(steepest, inducedNorm(J, norm).lower);
  }
  const slopes = slopesIn(chain, domain);
  return { steepest, recur: recurJacBound(chain, slopes, norm), interval: intervalBound(chain, slopes, norm) };
}

const networks = fc.record({
  seed: fc.nat(1e6),
  widths: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 3, maxLength: 6 }),
  names: fc.uniqueArray(fc.constantFrom(...activationNames), { minLength: 1, maxLength: 4 }),
  norm: fc.constantFrom(...norms),
  radius: fc.double({ min: 0, max: 4, noNaN: true }),
  ball: fc.constantFrom<2 | "inf">(2, "inf"),
});

describe("recurJacBound() and intervalBound()", () => {
  it("hold on balls: steepest point <= RecurJac <= interval", () => {
    fc.assert(
      fc.property(networks, ({ seed, widths, names, norm, radius, ball }) => {
        const r = random(seed);
        const chain = randomChain(r, widths, names);
        const center = Array.from({ length: widths[0] }, () => r.normal());
        const found = measured(chain, center, { kind: "ball", center, radius, norm: ball }, norm, seed);
        expect(found.steepest).toBeLessThanOrEqual(found.recur * (1 + 1e-12) + 1e-300);
        expect(found.recur).toBeLessThanOrEqual(found.interval * (1 + 1e-9) + 1e-12);
      }),
      { numRuns: 300, seed: 1 },
    );
  });

  it("hold everywhere, and the whole space is a ball without end", () => {
    fc.assert(
      fc.property(networks, ({ seed, widths, names, norm }) => {
        const r = random(seed);
        const chain = randomChain(r, widths, names);
        const center = Array.from({ length: widths[0] }, () => 0);
        const found = measured(chain, center, { kind: "global" }, norm, seed);
        expect(found.steepest).toBeLessThanOrEqual(found.recur * (1 + 1e-12) + 1e-300);
        expect(found.recur).toBeLessThanOrEqual(found.interval * (1 + 1e-9) + 1e-12);
        const large = slopesIn(chain, { kind: "ball", center, radius: 1e4, norm: 2 });
        expect(intervalBound(chain, large, norm)).toBeLessThanOrEqual(found.interval * (1 + 1e-6) + 1e-9);
      }),
      { numRuns: 200, seed: 2 },
    );
  });

  it("of ReLU chains reaches the global bound as the radius grows", () => {
    for (let seed = 0; seed < 20; seed++) {
      const chain = randomChain(random(seed), [3, 4, 4, 2], ["relu"]);
      const large = slopesIn(chain, { kind: "ball", center: [0, 0, 0], radius: 1e9, norm: 2 });
      const all = intervalBound(chain, slopesIn(chain, { kind: "global" }), 2);
      expect(intervalBound(chain, large, 2)).toBeLessThanOrEqual(all * (1 + 1e-9));
      // A layer behind others may have neurons that never change side; the first has none.
      const shallow = { affine: [chain.affine[0], { ...chain.affine[1] }], activations: [chain.activations[0]] };
      const far = slopesIn(shallow, { kind: "ball", center: [0, 0, 0], radius: 1e9, norm: 2 });
      expect(recurJacBound(shallow, far, 2)).toBeCloseTo(
        recurJacBound(shallow, slopesIn(shallow, { kind: "global" }), 2),
        9,
      );
    }
  });

  it("grow with the radius", () => {
    fc.assert(
      fc.property(networks, ({ seed, widths, names, norm, radius, ball }) => {
        const r = random(seed);
        const chain = randomChain(r, widths, names);
        const center = Array.from({ length: widths[0] }, () => r.normal());
        const at = (radius: number) =>
          intervalBound(chain, slopesIn(chain, { kind: "ball", center, radius, norm: ball }, false), norm);
        expect(at(radius)).toBeLessThanOrEqual(at(radius * 1.5 + 0.01) * (1 + 1e-9) + 1e-12);
      }),
      { numRuns: 150, seed: 3 },
    );
  });

  it("at radius 0 are the norm of the Jacobian at the center", () => {
    fc.assert(
      fc.property(networks, ({ seed, widths, names, norm }) => {
        const r = random(seed);
        const chain = randomChain(r, widths, names);
        const center = Array.from({ length: widths[0] }, () => r.normal());
        const J = jacobianAt(chain, Float64Array.from(center));
        if (!J) return;
        const { upper } = inducedNorm(J, norm);
        const slopes = slopesIn(chain, { kind: "ball", center, radius: 0, norm: 2 });
        expect(recurJacBound(chain, slopes, norm)).toBeLessThanOrEqual(upper * (1 + 1e-6) + 1e-8);
        expect(recurJacBound(chain, slopes, norm)).toBeGreaterThanOrEqual(upper * (1 - 1e-6) - 1e-8);
      }),
      { numRuns: 150, seed: 4 },
    );
  });

  it("hold every corner of the slopes, of both signs", () => {
    const r = random(9);
    let gain = 0;
    for (let k = 0; k < 40; k++) {
      const chain = randomChain(r, [3, 4, 4, 2], ["abs"]);
      const slopes = [4, 4].map((n) => {
        const low = Float64Array.from({ length: n }, () => r.normal());
        return { low, high: low.map((a) => (r.uniform() < 0.3 ? a : a + r.uniform())) };
      });
      const norm = norms[k % 3];
      const [recur, interval] = [recurJacBound(chain, slopes, norm), intervalBound(chain, slopes, norm)];
      gain = Math.max(gain, interval / recur);
      let most = 0;
      for (let corner = 0; corner < 256; corner++) {
        let J = chain.affine[0].weight;
        slopes.forEach(({ low, high }, i) => {
          const data = J.data.map((v, at) => {
            const j = Math.floor(at / J.cols);
            return v * ((corner >> (4 * i + j)) & 1 ? high[j] : low[j]);
          });
          J = multiply(chain.affine[i + 1].weight, { ...J, data });
        });
        most = Math.max(most, inducedNorm(J, norm).lower);
      }
      expect(most).toBeLessThanOrEqual(recur * (1 + 1e-12));
      expect(recur).toBeLessThanOrEqual(interval * (1 + 1e-9));
    }
    expect(gain).toBeGreaterThan(1.02);
  });

  it.each(activationNames.filter((name) => name !== "identity"))(
    "fall below a steep point as soon as a slope of %s is stated too small",
    (name: ActivationName) => {
      const one = { weight: matrix(1, 1, [1]), bias: Float64Array.of(0) };
      const honest = chainOf([one, one], [[name]]);
      const [layer] = honest.activations;
      const shrunk = (a: number, b: number) => [0.99 * a, 0.99 * b] as const;
      const planted: Chain = {
        affine: honest.affine,
        activations: [{ ...layer, slopeOn: (j, from, to) => shrunk(...layer.slopeOn(j, from, to)) }],
      };
      const low = slopesOn(planted, ranges(planted, { kind: "global" }) ?? []);
      const high = slopesOn(honest, ranges(honest, { kind: "global" }) ?? []);
      let steepest = 0;
      for (let x = -20; x < 20; x += 0.0371) {
        const J = jacobianAt(honest, Float64Array.of(x));
        if (J) steepest = Math.max(steepest, Math.abs(J.data[0]));
      }
      expect(steepest).toBeGreaterThan(intervalBound(planted, low, 2));
      expect(steepest).toBeLessThanOrEqual(intervalBound(honest, high, 2));
    },
  );

  it("stops within a row when time is up, between the interval and the whole", () => {
    const chain = randomChain(random(5), [600, 60, 200, 2], ["relu"]);
    const slopes = slopesIn(chain, { kind: "global" }, false);
    const [whole, interval] = [recurJacBound, intervalBound].map((of) => of(chain, slopes, "inf"));
    let looks = 0;
    const counting = {
      get expired() {
        looks++;
        return false;
      },
      spend() {},
    };
    expect(recurJacBound(chain, slopes, "inf", counting)).toBe(whole);
    // Two rows, and the layer: more looks than these are within rows.
    expect(looks).toBeGreaterThan(4);
    const cut = (after: number) => {
      let left = after;
      return {
        get expired() {
          return --left < 0;
        },
        spend() {},
      };
    };
    const bounds = Array.from({ length: looks + 1 }, (_, k) => recurJacBound(chain, slopes, "inf", cut(k)));
    expect(bounds[0]).toBeCloseTo(interval, 9);
    expect(bounds[looks]).toBe(whole);
    bounds.forEach((b, k) => {
      if (k > 0) expect(b).toBeLessThanOrEqual(bounds[k - 1] * (1 + 1e-12));
    });
    expect(bounds.some((b) => b < interval * 0.999 && b > whole * 1.001)).toBe(true);
  });

  it("notices the lower slope of SiLU that a known tool states as -0.0734", () => {
    const one = { weight: matrix(1, 1, [1]), bias: Float64Array.of(0) };
    const chain = chainOf([one, one], [["silu"]]);
    const box: Domain = { kind: "box", low: [-2.6], high: [-2.2] };
    const bound = recurJacBound(chain, slopesIn(chain, box), 2);
    expect(bound).toBeGreaterThanOrEqual(0.09983932);
    expect(bound).toBeLessThan(0.0999);
    const J = jacobianAt(chain, Float64Array.of(-2.39935728));
    expect(Math.abs(J ? J.data[0] : 0)).toBeGreaterThan(0.0734);
  });
});

describe.skipIf(!hasShared("exact"))("the networks with known constants", () => {
  it.each([
    ["exlipbab_iris_relu_4-6-6-3", 11.6343551341],
    ["exlipbab_wine_relu_11-12-12-1", 1.74336999671],
    ["exlipbab_wine_maxmin_11-12-12-1", 2.78830616147],
  ])("%s: both bounds are above", (name, exact) => {
    const chain = savedChain(name);
    const slopes = slopesIn(chain, { kind: "global" });
    const recur = recurJacBound(chain, slopes, 2);
    expect(recur).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
    expect(recur).toBeLessThan(0.95 * intervalBound(chain, slopes, 2));
  });
});
