import { describe, expect, it } from "vitest";
import { affine, functionOf, type NetworkKind, randomNetwork } from "../../../test/functions.ts";
import { plainEngine } from "../../../test/plainEngine.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Network } from "../../graph/network.ts";
import { add, mul } from "../../ops/arith.ts";
import { relu } from "../../ops/pointwise.ts";
import { type Random, random } from "../../tensor/random.ts";
import { asFunction } from "../fixed.ts";
import { subjectOf } from "../subject.ts";
import type { SetKind } from "./ball.ts";
import { constantsOf } from "./constants.ts";
import { type Plan, planOf } from "./plan.ts";
import { type Walker, walkerOf } from "./walker.ts";

const kinds: readonly SetKind[] = [1, 2, "inf", "box"];

/** A point of the set around x: corners, the sphere and inside, a hair further in so that rounding does not put it outside. */
function pointAround(r: Random, kind: SetKind, x: Float64Array, reach: Float64Array): Float64Array {
  const v = x.map(() => r.normal());
  const far = (r.uniform() < 0.7 ? 1 : r.uniform()) * (1 - 1e-12);
  if (kind === "box" || kind === "inf") {
    return v.map(
      (d, i) => x[i] + far * Math.sign(d) * (r.uniform() < 0.8 ? 1 : r.uniform()) * reach[kind === "box" ? i : 0],
    );
  }
  if (kind === 1 && r.uniform() < 0.6) {
    const one = r.integer(x.length);
    return v.map((d, i) => x[i] + (i === one ? Math.sign(d) * reach[0] * far : 0));
  }
  const length = kind === 2 ? Math.hypot(...v) : v.reduce((s, d) => s + Math.abs(d), 0);
  return v.map((d, i) => x[i] + (d * reach[0] * far) / length);
}

/** The points where a form is least, by drawing and then by moving from the best. */
function leastSeen(r: Random, kind: SetKind, x: Float64Array, reach: Float64Array, form: (z: Float64Array) => number) {
  let best = form(x);
  for (let k = 0; k < 150; k++) best = Math.min(best, form(pointAround(r, kind, x, reach)));
  return best;
}

async function walkerFor(
  network: Network,
  kind: SetKind,
  samples: number,
  change: (plan: Plan) => Plan = (p) => p,
): Promise<Walker> {
  const plan = change(planOf(subjectOf(network)));
  const constantOf = await constantsOf(plan, kind === "box" ? "inf" : kind);
  return walkerOf({ engine: plainEngine, plan, kind, samples, constantOf });
}

interface Looked {
  readonly breaches: number;
  readonly finite: number;
  readonly gaps: readonly number[];
  readonly gained: number;
}

/** Hold lower bounds of a random network, usual and tuned, against points of the sets. */
async function look(seed: number, type: NetworkKind, kind: SetKind, change?: (plan: Plan) => Plan): Promise<Looked> {
  const r = random(seed);
  const network = randomNetwork(r.fork("network"), type, 4);
  const walker = await walkerFor(network, kind, 2, change);
  const { subject } = walker.plan;
  const { x, y } = subject.at(1, "float64");
  const f = asFunction(y, x);
  const centers = Float64Array.from({ length: 2 * subject.size }, () => r.normal());
  const radius = 10 ** (-2 + 2 * r.uniform());
  const per = kind === "box" ? subject.size : 1;
  const reach = Float64Array.from({ length: 2 * per }, () => radius * (kind === "box" ? r.uniform() : 1));
  const known = await walker.centers(centers);
  const on = await walker.onSets(known, reach, [true, true], seed % 3 > 0);
  const forms = [0, 1].flatMap((who) => [
    { who, plus: 0, minus: 1 },
    { who, plus: 1, minus: 0 },
    { who, plus: -1, minus: 2 },
  ]);
  const usual = await walker.lower(on, forms);
  const tuned = await walker.tuned(on, known, forms, 6);
  let breaches = 0;
  let finite = 0;
  let gained = 0;
  const gaps: number[] = [];
  forms.forEach(({ who, plus, minus }, k) => {
    const at = centers.slice(who * subject.size, (who + 1) * subject.size);
    const own = reach.subarray(who * per, (who + 1) * per);
    const form = (z: Float64Array) => {
      const out = f(z);
      return (plus < 0 ? 0 : out[plus]) - out[minus];
    };
    const least = leastSeen(r, kind, at, own, form);
    for (const [found, shrunk] of [usual, tuned].flatMap((lines) => [
      [lines.lower[k], 1],
      [lines.center[k] - 0.4 * lines.fall[k], 0.4],
    ])) {
      const seen =
        shrunk === 1
          ? least
          : leastSeen(
              r,
              kind,
              at,
              own.map((w) => w * shrunk),
              form,
            );
      if (found > seen) breaches++;
    }
    if (Number.isFinite(usual.lower[k])) finite++;
    if (tuned.lower[k] > usual.lower[k] + 1e-9) gained++;
    gaps.push((form(at) - least + 1e-12) / (form(at) - Math.max(usual.lower[k], tuned.lower[k]) + 1e-12));
  });
  await walker.dispose();
  return { breaches, finite, gaps, gained };
}

describe("walkerOf()", () => {
  for (const type of ["dense", "chain", "image", "steep"] as const) {
    it(`bounds random networks from below in every norm: ${type}`, async () => {
      let breaches = 0;
      let finite = 0;
      let gained = 0;
      let total = 0;
      const gaps: number[] = [];
      for (let seed = 0; seed < (type === "image" ? 10 : 25); seed++) {
        const kind = kinds[seed % 4];
        const found = await look(seed, type, kind);
        breaches += found.breaches;
        finite += found.finite;
        gained += found.gained;
        total += 6;
        gaps.push(...found.gaps);
      }
      expect(breaches).toBe(0);
      expect(finite).toBeGreaterThan(0.9 * total);
      expect(gained).toBeGreaterThan(0);
      // What is seen to be lost is a good part of what the bound allows for.
      const sorted = gaps.sort((a, b) => a - b);
      expect(sorted[Math.floor(sorted.length / 2)]).toBeGreaterThan(0.3);
    }, 120_000);
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
      bends: plan.bends.map((bend) =>
        bend.kind === "pointwise"
          ? {
              ...bend,
              slopeOn(low, high) {
                const [a, b] = bend.slopeOn(low, high);
                const [mid, half] = [(a + b) / 2, 0.6 * ((b - a) / 2)];
                return [mid - half, mid + half];
              },
            }
          : bend,
      ),
    });
    let breaches = 0;
    for (let seed = 0; seed < 60 && breaches === 0; seed++)
      breaches += (await look(seed, "chain", kinds[seed % 4], smaller)).breaches;
    expect(breaches).toBeGreaterThan(0);
  }, 60_000);

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
