/** @file LipSDP in l1 and l-inf: above every pattern of slopes, below what knows less, and caught where a slope is wrong. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hasShared } from "../../../test/shared.ts";
import { chainOf, exactNet, matrixOf, normalMatrix, patternNorm, randomChain } from "../../../test/slopeChains.ts";
import { nodeEngine } from "../../engine/node.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { random } from "../../tensor/random.ts";
import { workClock } from "../budget.ts";
import type { Chain } from "../chain.ts";
import { recurJacBound } from "../local/recurJac.ts";
import { type QuadraticOptions, quadraticBound } from "./lipsdp.ts";
import { programOfChain } from "./ofChain.ts";
import { transposed } from "./transposed.ts";
import { workOf } from "./work.ts";

const engine = nodeEngine({ threads: 1 });
const norms = [1, "inf"] as const;

function boxed(chain: Chain, norm: 1 | "inf", options: Omit<QuadraticOptions, "engine"> = {}) {
  const own = programOfChain(chain);
  const program = norm === 1 ? transposed(own) : own;
  if (!program) throw new Error("no transpose");
  return quadraticBound(program, { engine, norm: "inf", work: workOf(program), ...options });
}

describe("quadraticBound() of a box", () => {
  it("lies above every activation pattern, and below what one multiplies from l2", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 2 ** 31 }), async (seed) => {
        const chain = randomChain(seed);
        const two = await quadraticBound(programOfChain(chain), { engine });
        const { affine } = chain;
        for (const norm of norms) {
          // A search may use all of its steps.
          const { value } = await boxed(chain, norm);
          expect(patternNorm(chain, random(seed), 30, norm) * (1 - 1e-12)).toBeLessThanOrEqual(value);
          const n = norm === "inf" ? affine[0].weight.cols : affine[affine.length - 1].weight.rows;
          expect(value).toBeLessThanOrEqual(Math.sqrt(n) * two.value * (1 + 1e-4));
        }
      }),
      { numRuns: 4, seed: 1 },
    );
  });

  it("is caught by the activation patterns where a slope is wrong", async () => {
    const caught = { 1: 0, inf: 0 };
    for (let seed = 0; seed < 10; seed++) {
      const r = random(seed);
      const weights = [normalMatrix(r, 6, 4), normalMatrix(r, 5, 6), normalMatrix(r, 3, 5)];
      const honest = chainOf(weights, [-0.0998394, 1.0998394]);
      for (const norm of norms) {
        const planted = (await boxed(chainOf(weights, [-0.05, 0.7]), norm)).value;
        if (patternNorm(honest, r, 200, norm) > planted) caught[norm]++;
      }
    }
    expect(caught[1]).toBeGreaterThan(4);
    expect(caught.inf).toBeGreaterThan(4);
  });

  it("is exact for |x| of a sum, and above the norm for one layer", async () => {
    const W = normalMatrix(random(1), 3, 4);
    // |x + 2y - 3z|: 6 in l-inf, 3 in l1.
    const row = chainOf([matrixOf([[1, 2, -3]]), matrixOf([[1]])], [-1, 1]);
    for (const norm of norms) {
      // Of several outputs the ellipsoid is that of the longest row; what is exact is known from elsewhere.
      expect((await boxed(chainOf([W]), norm)).value).toBeGreaterThanOrEqual(inducedNorm(W, norm).upper * (1 - 1e-12));
      const { value } = await boxed(row, norm);
      const exact = norm === 1 ? 3 : 6;
      expect(value).toBeGreaterThanOrEqual(exact);
      expect(value).toBeLessThan(exact * (1 + 1e-4));
    }
  });

  it("gives one output what it gives it among others, or less", async () => {
    // A single output is where a descent gets stuck: signals that it does not see grow without end.
    const r = random(12);
    const weights = [normalMatrix(r, 16, 3), normalMatrix(r, 16, 16), normalMatrix(r, 16, 16), normalMatrix(r, 3, 16)];
    const all = (await boxed(chainOf(weights), "inf")).value;
    for (let row = 0; row < 3; row++) {
      const last = { rows: 1, cols: 16, data: weights[3].data.slice(16 * row, 16 * row + 16) };
      expect((await boxed(chainOf([...weights.slice(0, 3), last]), "inf")).value).toBeLessThan(all * 1.01);
    }
  });

  it("is 0 for a constant network, and does not mind inputs that nothing reads", async () => {
    const [A, B] = [matrixOf([[1, 0, 2]]), matrixOf([[3]])];
    expect((await boxed(chainOf([A, matrixOf([[0]])]), "inf")).value).toBeLessThan(1e-100);
    expect((await boxed(chainOf([A, B]), "inf")).value).toBeCloseTo(9, 3);
    expect((await boxed(chainOf([A, B]), 1)).value).toBeCloseTo(6, 3);
  });

  it("stops in time with a proved bound, tells of smaller ones, and stops when told", async () => {
    const r = random(3);
    const chain = chainOf([normalMatrix(r, 60, 80), normalMatrix(r, 60, 60), normalMatrix(r, 10, 60)]);
    const told: number[] = [];
    const clock = { clock: workClock() };
    const stopped = await boxed(chain, "inf", { ...clock, seconds: 0.02 });
    expect(stopped.ending).toBe("time");
    const { value } = await boxed(chain, "inf", { clock: workClock(), seconds: 4, onImprove: (v) => told.push(v) });
    expect(value).toBeLessThanOrEqual(stopped.value);
    expect(told.length).toBeGreaterThan(1);
    expect(told).toEqual(told.toSorted((a, b) => b - a));
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(boxed(chain, "inf", { signal })).rejects.toThrow("enough");
  });

  it.skipIf(!hasShared("exact"))(
    "knows more than RecurJac, and comes near to patterns, on networks of others",
    async () => {
      for (const name of ["exlipbab_iris_relu_4-6-6-3", "exlipbab_wine_relu_11-12-12-1", "lipbab_iris_4-5-5-3"]) {
        const { chain } = exactNet(name);
        for (const norm of norms) {
          const { value } = await boxed(chain, norm);
          const seen = patternNorm(chain, random(1), 3000, norm);
          expect(value, `${name}, l${norm}`).toBeGreaterThanOrEqual(seen * (1 - 1e-12));
          expect(value).toBeLessThan(1.5 * seen);
          expect(value).toBeLessThan(recurJacBound(chain, chain.activations, norm));
        }
      }
    },
  );
});
