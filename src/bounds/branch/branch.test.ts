import { describe, expect, it } from "vitest";
import { randomChain, savedChain } from "../../../test/chains.ts";
import { hasShared } from "../../../test/shared.ts";
import { inducedNorm } from "../../linalg/norm.ts";
import { random } from "../../tensor/random.ts";
import type { Norm } from "../bound.ts";
import type { Chain } from "../chain.ts";
import { type Domain, holds, inside } from "../domain.ts";
import { pairsAlong } from "../lowerBounds/along.ts";
import { riseOfChain } from "../lowerBounds/enclosure.ts";
import { shownQuotient } from "../lowerBounds/shown.ts";
import { branchAndBound } from "./branch.ts";
import { jacobianAt } from "./steepness.ts";

const everywhere: Domain = { kind: "global" };
const unitBox: Domain = { kind: "box", low: [0, 0, 0, 0], high: [1, 1, 1, 1] };

describe.skipIf(!hasShared("exact"))("the networks with known constants", () => {
  it.each<readonly [string, Norm, number, Domain]>([
    ["lipbab_iris_4-5-5-3", 2, 6.771454513402937, unitBox],
    ["lipbab_iris_4-5-5-3", 1, 5.958048912394726, unitBox],
    ["lipbab_iris_4-5-5-3", "inf", 12.605085581416922, unitBox],
    ["exlipbab_iris_relu_4-6-6-3", 2, 11.634355134114875, everywhere],
    ["exlipbab_wine_relu_11-12-12-1", 2, 1.7433699967107172, everywhere],
    ["exlipbab_wine_maxmin_11-12-12-1", 2, 2.788306161469607, everywhere],
  ])("%s, norm %s: closed to a thousandth, from both sides", async (name, norm, exact, domain) => {
    const { upper, lower } = await branchAndBound(savedChain(name), domain, norm, { gap: 1e-3 });
    expect(upper.status).toBe("done");
    expect(upper.value).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
    expect(lower.value).toBeLessThanOrEqual(exact * (1 + 1e-9));
    expect(upper.value).toBeLessThanOrEqual(lower.value * (1 + 1e-3));
  });

  it("says so where it runs out of pieces, and is still on its side", async () => {
    const { upper, lower, pieces } = await branchAndBound(savedChain("exlipbab_wine_relu_11-12-12-1"), everywhere, 2, {
      pieces: 30,
    });
    expect(pieces).toBe(30);
    expect(upper).toMatchObject({ status: "stopped", why: "stopped after 30 pieces" });
    expect(upper.value).toBeGreaterThan(1.743);
    expect(lower.value).toBeLessThan(1.744);
  });
});

/** The largest Jacobian norm on a grid. */
function steepestOnGrid(chain: Chain, low: number, high: number, norm: Norm): number {
  let best = 0;
  for (let i = 0; i <= 60; i++) {
    for (let j = 0; j <= 60; j++) {
      const J = jacobianAt(chain, Float64Array.of(low + ((high - low) * i) / 60, low + ((high - low) * j) / 60));
      if (J) best = Math.max(best, inducedNorm(J, norm).lower);
    }
  }
  return best;
}

describe("pairsAlong()", () => {
  it("keeps both ends in the domain, and has a pair in the direction where both ways lead out of it", () => {
    const corners: readonly (readonly [Domain, number[], number[]])[] = [
      [{ kind: "box", low: [0.3, -1], high: [1, -0.5] }, [1, -0.5], [1, -1]],
      [{ kind: "ball", center: [0, 0], radius: 0.4, norm: "inf" }, [-0.4, 0.4], [1, 1]],
      [{ kind: "ball", center: [0, 0], radius: 2, norm: 2 }, [0, 2], [1, 0]],
      [everywhere, [0, 2], [1, 0]],
    ];
    for (const [domain, point, direction] of corners) {
      const pairs = pairsAlong(domain, Float64Array.from(point), Float64Array.from(direction), [2 ** -10, 2 ** -20]);
      for (const { x, y } of pairs) for (const end of [x, y]) expect(holds(domain, inside(domain, end))).toBe(true);
      const along = pairs.filter(({ x, y }) => {
        const v = y.map((c, k) => c - x[k]);
        return Math.abs(v[0] * direction[1] - v[1] * direction[0]) < 1e-9 * Math.hypot(...v);
      });
      expect(along.length).toBeGreaterThan(0);
      for (const { x } of along) expect(Math.hypot(...x.map((c, k) => c - point[k]))).toBeLessThan(1e-2);
    }
  });
});

describe("branchAndBound()", () => {
  it.each(["tanh", "silu", "clip", "hardSwish", "leaky"] as const)("closes boxes of %s", async (name) => {
    for (const norm of [1, 2, "inf"] as const) {
      const chain = randomChain(random(11).fork(name), [2, 3, 3, 2], [name]);
      const domain: Domain = { kind: "box", low: [-1, -1], high: [1, 1] };
      const { upper, lower } = await branchAndBound(chain, domain, norm, { gap: 0.1, pieces: 20_000 });
      const steepest = steepestOnGrid(chain, -1, 1, norm);
      expect(upper.value).toBeGreaterThanOrEqual(steepest);
      expect(lower.value).toBeLessThanOrEqual(upper.value);
      expect(upper.status).toBe("done");
    }
  });

  it("is right on balls: between those of the boxes inside and around", async () => {
    const chain = randomChain(random(12), [2, 5, 4, 2], ["relu", "abs"]);
    const side = Math.SQRT1_2;
    const on = async (domain: Domain) => await branchAndBound(chain, domain, 2, { gap: 1e-6 });
    const ball = await on({ kind: "ball", center: [0.2, 0.1], radius: 1, norm: 2 });
    const inner = await on({ kind: "ball", center: [0.2, 0.1], radius: side, norm: "inf" });
    const outer = await on({ kind: "box", low: [-0.8, -0.9], high: [1.2, 1.1] });
    expect(inner.lower.value).toBeLessThanOrEqual(ball.upper.value);
    expect(ball.lower.value).toBeLessThanOrEqual(outer.upper.value);
    const { witness } = ball.lower;
    expect(Math.hypot((witness?.x[0] ?? 9) - 0.2, (witness?.x[1] ?? 9) - 0.1)).toBeLessThanOrEqual(1);
  });

  it("holds on random networks and finds the same again", async () => {
    for (let seed = 0; seed < 12; seed++) {
      const chain = randomChain(random(seed), [2, 5, 4, 2], seed % 2 === 0 ? ["relu"] : ["abs", "leaky", "identity"]);
      const norm = ([1, 2, "inf"] as const)[seed % 3];
      const run = () => branchAndBound(chain, everywhere, norm, { gap: 1e-4, pieces: 3000 });
      const [first, second] = [await run(), await run()];
      expect(first.upper.value).toBeGreaterThanOrEqual(steepestOnGrid(chain, -3, 3, norm));
      expect(first.upper.value).toBeGreaterThanOrEqual(first.lower.value);
      expect([second.upper.value, second.lower.value, second.pieces]).toEqual([
        first.upper.value,
        first.lower.value,
        first.pieces,
      ]);
    }
  });

  it("holds where pre-activations are parallel, equal or 0: whole weights", async () => {
    for (let seed = 0; seed < 25; seed++) {
      const r = random(seed).fork("whole");
      const drawn = randomChain(r, [2, 4, 3, 1], ["relu", "abs"]);
      const whole = (v: Float64Array) => v.map(() => r.integer(5) - 2);
      const affine = drawn.affine.map(({ weight, bias }) => ({
        weight: { ...weight, data: whole(weight.data) },
        bias: whole(bias),
      }));
      const { upper, lower } = await branchAndBound({ ...drawn, affine }, everywhere, 1, { pieces: 500 });
      expect(upper.value).toBeGreaterThanOrEqual(steepestOnGrid({ ...drawn, affine }, -3.1, 2.9, 1));
      expect(upper.value).toBeGreaterThanOrEqual(lower.value);
    }
  });

  it("has two points for its lower bound, which show as much as the Jacobian there", async () => {
    const chain = randomChain(random(13), [3, 6, 6, 2], ["relu"]);
    for (const norm of [1, 2, "inf"] as const) {
      const { lower } = await branchAndBound(chain, everywhere, norm);
      const [x, y] = [Float64Array.from(lower.witness?.x ?? []), Float64Array.from(lower.witness?.y ?? [])];
      expect(await shownQuotient(riseOfChain(chain), x, y, norm, everywhere)).toBe(lower.value);
      const J = jacobianAt(chain, x) ?? jacobianAt(chain, y);
      if (!J) throw new Error("both ends are at kinks");
      expect(lower.value).toBeGreaterThan(inducedNorm(J, norm).lower * (1 - 1e-6));
      expect(lower.value).toBeLessThanOrEqual(inducedNorm(J, norm).upper);
    }
  });

  it("tightens while it runs, and stops when told to", async () => {
    const chain = randomChain(random(14), [4, 12, 12, 3], ["relu"]);
    const seen: (readonly [number, number])[] = [];
    const onProgress = (lower: number, upper: number) => seen.push([lower, upper]);
    await branchAndBound(chain, everywhere, 2, { pieces: 300, onProgress });
    for (let k = 1; k < seen.length; k++) {
      expect(seen[k][0]).toBeGreaterThanOrEqual(seen[k - 1][0]);
      expect(seen[k][1]).toBeLessThanOrEqual(seen[k - 1][1]);
    }
    expect(seen.length).toBeGreaterThan(3);
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(branchAndBound(chain, everywhere, 2, { signal })).rejects.toThrow("enough");
    const { upper } = await branchAndBound(chain, everywhere, 2, { seconds: 0 });
    expect(upper.why).toMatch("out of time");
  });

  it("uses a further bound where it is smaller", async () => {
    const chain = randomChain(random(15), [3, 6, 6, 2], ["relu"]);
    const { upper } = await branchAndBound(chain, everywhere, 2, { pieces: 0, bound: () => 0.5 });
    expect(upper.value).toBe(0.5);
  });

  it("says where nothing is left to cut", async () => {
    const chain = randomChain(random(16), [2, 3, 3, 1], ["sigmoid"]);
    const { upper } = await branchAndBound(chain, everywhere, 2, { gap: 0 });
    expect(upper).toMatchObject({ status: "stopped", proved: true });
    expect(upper.why).toMatch("smooth neuron");
  });
});
