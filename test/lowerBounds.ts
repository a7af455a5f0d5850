/** @file Lower bounds of the linear walk on random networks, held against the points of their sets. */

import { asFunction } from "../src/bounds/fixed.ts";
import type { SetKind } from "../src/bounds/linear/ball.ts";
import { constantsOf } from "../src/bounds/linear/constants.ts";
import { type Plan, planOf } from "../src/bounds/linear/plan.ts";
import { type Walker, walkerOf } from "../src/bounds/linear/walker.ts";
import { subjectOf } from "../src/bounds/subject.ts";
import type { Network } from "../src/graph/network.ts";
import { type Random, random } from "../src/tensor/random.ts";
import { type NetworkKind, randomNetwork } from "./functions.ts";
import { plainEngine } from "./plainEngine.ts";

export const kinds: readonly SetKind[] = [1, 2, "inf", "box"];

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

/** The nearest point of the set to one that may be outside. */
function backInto(kind: SetKind, x: Float64Array, reach: Float64Array, z: Float64Array): Float64Array {
  const d = z.map((v, i) => v - x[i]);
  if (kind === "box" || kind === "inf") {
    const near = (i: number) => reach[kind === "box" ? i : 0] * (1 - 1e-12);
    return d.map((v, i) => x[i] + Math.min(near(i), Math.max(-near(i), v)));
  }
  const length = kind === 2 ? Math.hypot(...d) : d.reduce((s, v) => s + Math.abs(v), 0);
  const part = Math.min(1, (reach[0] * (1 - 1e-12)) / length);
  return length > 0 ? d.map((v, i) => x[i] + part * v) : x;
}

/** The least value of a form that is seen: by drawing, and then by moving from the best. */
function leastSeen(r: Random, kind: SetKind, x: Float64Array, reach: Float64Array, form: (z: Float64Array) => number) {
  let best = form(x);
  let at = x;
  const consider = (z: Float64Array) => {
    const value = form(z);
    if (value < best) [best, at] = [value, z];
  };
  for (let k = 0; k < 100; k++) consider(pointAround(r, kind, x, reach));
  const size = reach.reduce((top, v) => Math.max(top, v), 0);
  for (let k = 0; k < 60; k++) {
    const step = size * 0.5 ** (k / 8);
    consider(
      backInto(
        kind,
        x,
        reach,
        at.map((v) => v + step * r.normal()),
      ),
    );
  }
  return best;
}

export async function walkerFor(
  network: Network,
  kind: SetKind,
  samples: number,
  change: (plan: Plan) => Plan = (p) => p,
): Promise<Walker> {
  const plan = change(planOf(subjectOf(network)));
  const constantOf = await constantsOf(plan, kind === "box" ? "inf" : kind);
  return walkerOf({ engine: plainEngine, plan, kind, samples, constantOf });
}

export interface Looked {
  readonly breaches: number;
  readonly finite: number;
  readonly gaps: readonly number[];
  readonly gained: number;
}

/** Hold lower bounds of a random network, usual and tuned, against points of the sets. */
export async function look(
  seed: number,
  type: NetworkKind,
  kind: SetKind,
  change?: (plan: Plan) => Plan,
): Promise<Looked> {
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
