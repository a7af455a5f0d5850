import { describe, expect, it } from "vitest";
import { affine, functionOf, randomNetwork } from "../../../test/functions.ts";
import { kinds, look, walkerFor } from "../../../test/lowerBounds.ts";
import { plainEngine } from "../../../test/plainEngine.ts";
import { nodeEngine } from "../../engine/node.ts";
import { add, mul } from "../../ops/arith.ts";
import { relu } from "../../ops/pointwise.ts";
import { UsageError } from "../../tensor/errors.ts";
import { random } from "../../tensor/random.ts";
import { subjectOf } from "../subject.ts";
import { constantsOf } from "./constants.ts";
import { type Plan, planOf } from "./plan.ts";
import { walkerOf } from "./walker.ts";

describe("walkerOf()", () => {
  for (const type of ["dense", "chain", "image", "steep"] as const) {
    it(`bounds random networks from below in every norm: ${type}`, async () => {
      let seen = 0;
      let breaches = 0;
      let finite = 0;
      let gained = 0;
      let total = 0;
      const gaps: number[] = [];
      for (let seed = 0; seed < (type === "image" ? 8 : 16); seed++) {
        const kind = kinds[seed % 4];
        const found = await look(seed, type, kind).catch((error: unknown) => {
          // The root of a sum of squares is one function of several numbers, which has no lines.
          if (error instanceof UsageError && /no lines for Length/.test(error.message)) return null;
          throw error;
        });
        if (!found) continue;
        seen++;
        breaches += found.breaches;
        finite += found.finite;
        gained += found.gained;
        total += 6;
        gaps.push(...found.gaps);
      }
      expect(seen).toBeGreaterThan(type === "image" ? 7 : 9);
      expect(breaches).toBe(0);
      expect(finite).toBeGreaterThan(0.9 * total);
      expect(gained).toBeGreaterThan(0);
      // What is seen to be lost is a good part of what the bound allows for.
      const sorted = gaps.sort((a, b) => a - b);
      expect(sorted[Math.floor(sorted.length / 2)]).toBeGreaterThan(0.3);
    });
  }

  it("is exact on an affine network", async () => {
    const rows = [
      [1, -2, 0.5],
      [0.25, 3, -1],
    ];
    const network = functionOf([3], (x) => affine(x, rows, [0.5, -0.25]));
    const x = Float64Array.of(0.3, -0.7, 2);
    const g = rows[0].map((v, i) => v - rows[1][i]);
    const middle = g.reduce((s, v, i) => s + v * x[i], 0.75);
    const widths = Float64Array.of(0.1, 0.2, 0.3);
    const lost = {
      1: 0.5 * Math.max(...g.map(Math.abs)),
      2: 0.5 * Math.hypot(...g),
      inf: 0.5 * g.reduce((s, v) => s + Math.abs(v), 0),
      box: g.reduce((s, v, i) => s + Math.abs(v) * widths[i], 0),
    };
    for (const kind of kinds) {
      const walker = await walkerFor(network, kind, 1);
      const on = await walker.onSets(
        await walker.centers(x),
        kind === "box" ? widths : Float64Array.of(0.5),
        [true],
        true,
      );
      const { lower } = await walker.lower(on, [{ who: 0, plus: 0, minus: 1 }]);
      expect(lower[0]).toBeLessThanOrEqual(middle - lost[kind]);
      expect(lower[0]).toBeGreaterThan(middle - lost[kind] - 1e-9);
    }
  });

  it("keeps a shortcut and what goes around together", async () => {
    // relu(x) - relu(x) + x is x, whatever is lost by bounds that treat the branches apart.
    const network = functionOf([2], (x) =>
      affine(add(relu(x), add(x, mul(relu(x), -1))), [
        [1, 0],
        [0, 1],
      ]),
    );
    const walker = await walkerFor(network, "inf", 1);
    const on = await walker.onSets(await walker.centers(Float64Array.of(0, 0)), Float64Array.of(1), [true], true);
    const { lower } = await walker.lower(on, [{ who: 0, plus: 0, minus: -1 }]);
    expect(lower[0]).toBeLessThanOrEqual(-1);
    expect(lower[0]).toBeGreaterThan(-2.1);
  });

  it("notices slopes that are said to be too close together", async () => {
    const smaller = (plan: Plan): Plan => ({
      ...plan,
      nonlinearities: plan.nonlinearities.map((nonlinearity) =>
        nonlinearity.kind === "pointwise"
          ? {
              ...nonlinearity,
              slopeOn(low, high) {
                const [a, b] = nonlinearity.slopeOn(low, high);
                const [mid, half] = [(a + b) / 2, 0.6 * ((b - a) / 2)];
                return [mid - half, mid + half];
              },
            }
          : nonlinearity,
      ),
    });
    let breaches = 0;
    for (let seed = 0; seed < 60 && breaches === 0; seed++)
      breaches += (await look(seed, "chain", kinds[seed % 4], smaller)).breaches;
    expect(breaches).toBeGreaterThan(0);
  });

  it("says on the runtime what it says by the reference rules", async () => {
    const network = randomNetwork(random(3), "image", 4);
    const plan = planOf(subjectOf(network));
    const constantOf = await constantsOf(plan, 2);
    const x = Float64Array.from({ length: 3 * plan.subject.size }, (_, i) => Math.sin(i));
    const found: number[][] = [];
    for (const engine of [plainEngine, nodeEngine()]) {
      const walker = await walkerOf({ engine, plan, kind: 2, samples: 3, constantOf });
      const centers = await walker.centers(x);
      const on = await walker.onSets(centers, Float64Array.of(0.1, 0.2, 0.3), [true, true, true], true);
      const forms = [0, 1, 2].map((who) => ({ who, plus: 1, minus: 0 }));
      found.push([...(await walker.lower(on, forms)).lower, ...(await walker.tuned(on, centers, forms, 5)).lower]);
      await walker.dispose();
    }
    for (const [k, v] of found[0].entries()) expect(found[1][k]).toBeCloseTo(v, 6);
  });
});
