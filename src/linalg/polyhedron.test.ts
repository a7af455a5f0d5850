import { describe, expect, it } from "vitest";
import { random } from "../tensor/random.ts";
import type { HalfSpace } from "./farkas.ts";
import { feasible } from "./polyhedron.ts";

const space = (normal: readonly number[], offset: number, error = 0): HalfSpace => ({
  normal: Float64Array.from(normal),
  offset,
  normalError: new Float64Array(normal.length).fill(error),
  offsetError: error,
});

const everywhere = (n: number) =>
  [new Float64Array(n).fill(Number.NEGATIVE_INFINITY), new Float64Array(n).fill(Number.POSITIVE_INFINITY)] as const;

const value = ({ normal, offset }: HalfSpace, x: Float64Array) => normal.reduce((s, g, k) => s + g * x[k], offset);

describe("feasible()", () => {
  it("never calls half-spaces empty that share a point, and finds one of its own", () => {
    const r = random(1);
    let found = 0;
    for (let k = 0; k < 600; k++) {
      const n = 1 + r.integer(6);
      const x = Float64Array.from({ length: n }, () => r.normal());
      // Some touch the point, and some are opposite to others there.
      const rows = Array.from({ length: 1 + r.integer(14) }, (_, i) => {
        const normal = Array.from({ length: n }, () => (i % 3 === 0 ? Math.round(2 * r.normal()) : r.normal()));
        const through = -normal.reduce((s, g, c) => s + g * x[c], 0);
        return space(normal, through + (k % 3 === 0 ? 1e-12 : r.uniform()));
      });
      const bounded = k % 2 === 0;
      const [low, high] = bounded ? [x.map((v) => v - r.uniform()), x.map((v) => v + r.uniform())] : everywhere(n);
      const state = feasible(rows, low, high);
      expect(state.kind).not.toBe("empty");
      if (state.kind !== "inside") continue;
      found++;
      for (const row of rows) expect(value(row, state.x)).toBeGreaterThan(-1e-9 * (1 + Math.hypot(...state.x)));
      state.x.forEach((v, i) => {
        expect(v).toBeGreaterThanOrEqual(low[i] - 1e-9);
        expect(v).toBeLessThanOrEqual(high[i] + 1e-9);
      });
    }
    expect(found).toBeGreaterThan(250);
  });

  it("proves emptiness that a positive combination shows, on the whole space", () => {
    const r = random(2);
    let proved = 0;
    for (let k = 0; k < 200; k++) {
      const n = 1 + r.integer(5);
      const rows = Array.from({ length: n }, () =>
        space(
          Array.from({ length: n }, () => r.normal()),
          r.normal(),
        ),
      );
      const weights = rows.map(() => 0.1 + r.uniform());
      const last = Array.from(
        { length: n },
        (_, c) => -rows.reduce((s, { normal }, i) => s + weights[i] * normal[c], 0),
      );
      const sum = rows.reduce((s, { offset }, i) => s + weights[i] * offset, 0);
      if (feasible([...rows, space(last, -sum - 0.1)], ...everywhere(n)).kind === "empty") proved++;
    }
    expect(proved).toBeGreaterThan(190);
  });

  it("proves emptiness in a box, without exact dependence", () => {
    const corner = [Float64Array.of(0, 0), Float64Array.of(1, 1)] as const;
    expect(feasible([space([1, 1], -2.0001)], ...corner).kind).toBe("empty");
    expect(feasible([space([1, 1], -1.9999)], ...corner).kind).toBe("inside");
    expect(feasible([space([1, 0.3], -0.9), space([-1, 0.2], 0.3)], ...corner).kind).toBe("empty");
  });

  it("leaves out directions along which nothing happens", () => {
    expect(feasible([space([1, 0, 0], -1), space([-1, 0, 0], 0.5)], ...everywhere(3)).kind).toBe("empty");
    expect(feasible([space([0, 0, 0], -1)], ...everywhere(3)).kind).toBe("empty");
    expect(feasible([space([0, 0, 0], 1)], ...everywhere(3)).kind).toBe("inside");
  });

  it("does not prove what the errors of the half-spaces leave open", () => {
    const gap = [space([1], -1), space([-1], 1 - 1e-6)];
    expect(feasible(gap, ...everywhere(1)).kind).toBe("empty");
    const vague = [space([1], -1, 1e-5), space([-1], 1 - 1e-6, 1e-5)];
    expect(feasible(vague, ...everywhere(1)).kind).not.toBe("empty");
    expect(feasible(vague, Float64Array.of(0), Float64Array.of(2)).kind).not.toBe("empty");
    // Parallel on the whole plane: the least turn of one makes them meet far out.
    const turned = [space([1, 1e-3], -1, 1e-9), space([-1, -1e-3], 0.5, 1e-9)];
    expect(feasible(turned, ...everywhere(2)).kind).not.toBe("empty");
  });
});
