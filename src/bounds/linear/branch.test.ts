import { describe, expect, it } from "vitest";
import { affine, functionOf } from "../../../test/functions.ts";
import { nodeEngine } from "../../engine/node.ts";
import type { Network } from "../../graph/network.ts";
import { relu, tanh } from "../../ops/pointwise.ts";
import { type Random, random } from "../../tensor/random.ts";
import { budget } from "../budget.ts";
import { asFunction } from "../fixed.ts";
import { subjectOf } from "../subject.ts";
import type { SetKind } from "./ball.ts";
import { type BranchQuestion, type Decided, decide, type Goal } from "./branch.ts";
import { constantsOf } from "./constants.ts";
import { planOf } from "./plan.ts";

const engine = nodeEngine({ threads: 1 });

async function decided(
  network: Network,
  kind: SetKind,
  goals: readonly Omit<Goal, "group">[],
  more: Partial<BranchQuestion> = {},
): Promise<readonly Decided[]> {
  const plan = planOf(subjectOf(network));
  return decide({
    engine,
    plan,
    kind,
    constantOf: await constantsOf(plan, kind === "box" ? "inf" : kind),
    goals: goals.map((goal, group) => ({ group, ...goal })),
    steps: { whole: 20, part: 20 },
    parts: 400,
    work: 1e12,
    clock: budget(),
    ...more,
  });
}

type Layer = { readonly W: readonly (readonly number[])[]; readonly b: readonly number[] };

const layer = (r: Random, out: number, inner: number): Layer => ({
  W: Array.from({ length: out }, () => Array.from({ length: inner }, () => r.normal())),
  b: Array.from({ length: out }, () => 0.5 * r.normal()),
});

const networkOf = (layers: readonly Layer[], nonlinearity = relu): Network =>
  functionOf([2], (x) => layers.reduce((y, { W, b }, k) => affine(k === 0 ? y : nonlinearity(y), W, [...b]), x));

type Point = readonly [number, number];
/** f = p . x + q on a polygon. */
type Linear = { readonly p: Point; readonly q: number };

/** The part of a polygon where f >= 0. */
function above(polygon: readonly Point[], { p, q }: Linear): Point[] {
  const value = ([x, y]: Point) => p[0] * x + p[1] * y + q;
  return polygon.flatMap((a, i) => {
    const b = polygon[(i + 1) % polygon.length];
    const [va, vb] = [value(a), value(b)];
    const t = va / (va - vb);
    const between: Point[] = va * vb < 0 ? [[a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])]] : [];
    return va >= 0 ? [a, ...between] : between;
  });
}

/** The least value of output 0 on a polygon, by all activation patterns that occur on it. */
function least(layers: readonly Layer[], polygon: readonly Point[], inputs: readonly Linear[]): number {
  const [{ W, b }, ...rest] = layers;
  const out = W.map((row, i): Linear => {
    const sum = (of: (f: Linear) => number) => row.reduce((s, w, j) => s + w * of(inputs[j]), 0);
    return { p: [sum((f) => f.p[0]), sum((f) => f.p[1])], q: sum((f) => f.q) + b[i] };
  });
  if (rest.length === 0) return Math.min(...polygon.map(([x, y]) => out[0].p[0] * x + out[0].p[1] * y + out[0].q));
  const split = (own: readonly Point[], done: readonly Linear[]): number => {
    if (own.length === 0) return Number.POSITIVE_INFINITY;
    if (done.length === out.length) return least(rest, own, done);
    const f = out[done.length];
    const minus: Linear = { p: [-f.p[0], -f.p[1]], q: -f.q };
    return Math.min(split(above(own, f), [...done, f]), split(above(own, minus), [...done, { p: [0, 0], q: 0 }]));
  };
  return split(polygon, []);
}

describe("decide()", () => {
  it("agrees with all activation patterns of small networks", async () => {
    const r = random(5);
    const counts = { holds: 0, refuted: 0 };
    for (let k = 0; k < 5; k++) {
      const layers = [layer(r, 6, 2), layer(r, 5, 6), layer(r, 1, 5)];
      const center: Point = [r.normal(), r.normal()];
      const w = 0.6;
      const box: Point[] = [
        [center[0] - w, center[1] - w],
        [center[0] + w, center[1] - w],
        [center[0] + w, center[1] + w],
        [center[0] - w, center[1] + w],
      ];
      const lowest = least(layers, box, [
        { p: [1, 0], q: 0 },
        { p: [0, 1], q: 0 },
      ]);
      // Once just above the truth, once just below.
      for (const by of [0.01, -0.01]) {
        const moved = layers.map((l, i) => (i === 2 ? { ...l, b: [l.b[0] - lowest + by] } : l));
        const goal = { center: Float64Array.from(center), radii: Float64Array.of(w), plus: 0, minus: -1 };
        const [found] = await decided(networkOf(moved), "inf", [goal]);
        expect(found.status, `network ${k}, least value ${by}, ${found.parts} parts`).toBe(
          by > 0 ? "holds" : "refuted",
        );
        counts[by > 0 ? "holds" : "refuted"] += found.parts;
        if (found.status !== "refuted") continue;
        expect(
          least(
            moved,
            [[found.point[0], found.point[1]]],
            [
              { p: [1, 0], q: 0 },
              { p: [0, 1], q: 0 },
            ],
          ),
        ).toBeLessThanOrEqual(1e-9);
        for (const i of [0, 1]) expect(Math.abs(found.point[i] - center[i])).toBeLessThanOrEqual(w + 1e-9);
      }
    }
    // Some took branching.
    expect(counts.holds).toBeGreaterThan(10);
  });

  it.each([1, 2, "inf", "box"] as const)(
    "proves nothing that a point refutes, smooth networks too: %s",
    async (kind) => {
      const r = random(7);
      const seen = new Map<string, number>();
      for (let k = 0; k < 8; k++) {
        const network = networkOf([layer(r, 6, 2), layer(r, 5, 6), layer(r, 2, 5)], k % 2 === 0 ? tanh : relu);
        const subject = subjectOf(network);
        const { x, y } = subject.at(1, "float64");
        const f = asFunction(y, x);
        const center = Float64Array.of(r.normal(), r.normal());
        const radii = kind === "box" ? Float64Array.of(0.2, 0.4) : Float64Array.of(0.3);
        const own = f(center);
        const [plus, minus] = own[0] > own[1] ? [0, 1] : [1, 0];
        const [found] = await decided(network, kind, [{ center, radii, plus, minus }], { parts: 60 });
        seen.set(found.status, (seen.get(found.status) ?? 0) + 1);
        let lowest = Number.POSITIVE_INFINITY;
        for (let m = 0; m < 2000; m++) {
          const v = [2 * r.uniform() - 1, 2 * r.uniform() - 1];
          const length = kind === 1 ? Math.abs(v[0]) + Math.abs(v[1]) : kind === 2 ? Math.hypot(v[0], v[1]) : 1;
          const z = f(center.map((c, i) => c + (v[i] / Math.max(1, length)) * (radii[i] ?? radii[0])));
          lowest = Math.min(lowest, z[plus] - z[minus]);
        }
        if (found.status === "holds") expect(lowest).toBeGreaterThan(0);
        if (found.status === "refuted") {
          const z = f(found.point);
          expect(z[plus] - z[minus]).toBeLessThanOrEqual(1e-9);
        }
      }
      expect(seen.get("holds") ?? 0).toBeGreaterThan(1);
      expect(seen.get("refuted") ?? 0).toBeGreaterThan(0);
    },
  );

  it("ends with the parts, the work and the group", async () => {
    const r = random(11);
    const network = networkOf([layer(r, 12, 2), layer(r, 12, 12), layer(r, 2, 12)]);
    const goal = { center: Float64Array.of(0.1, 0.2), radii: Float64Array.of(3), plus: 0, minus: 1 };
    const other = { ...goal, plus: 1, minus: 0 };
    const together = await decided(
      network,
      "inf",
      [goal, other].map((g) => ({ ...g, group: 0 })),
    );
    expect(together.map((d) => d.status).sort()).toEqual(["open", "refuted"]);
    const [none] = await decided(network, "inf", [goal], { work: -1 });
    expect(none).toEqual({ status: "open", parts: 0 });
  });
});
