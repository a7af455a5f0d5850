import { describe, expect, it } from "vitest";
import type { Domain } from "../domain.ts";
import type { Rise } from "./enclosure.ts";
import { shown } from "./witness.ts";

/** f(x) = 3 x, each difference known to 1: what a run of a deep network in float64 knows of it. */
const coarse: Rise = async (x, y) => ({
  low: Float64Array.of(3 * (y[0] - x[0]) - 1),
  high: Float64Array.of(3 * (y[0] - x[0]) + 1),
});
const near = { x: Float64Array.of(0), y: Float64Array.of(2 ** -7), value: 3, size: 2 ** -7 };

describe("shown()", () => {
  it("takes longer steps where a run errs by more than the difference", async () => {
    const { value, witness } = await shown(coarse, { norm: 2, domain: { kind: "global" } }, [near]);
    expect(value).toBeGreaterThan(0.9 * 3);
    expect(value).toBeLessThanOrEqual(3);
    // The number is that of the two points that are handed out.
    const [x, y] = [witness?.x[0] ?? 0, witness?.y[0] ?? 0];
    expect(value).toBeLessThanOrEqual((3 * (y - x) - 1) / (y - x));
  });

  it("shows nothing where no step that the domain has room for does", async () => {
    const ball: Domain = { kind: "ball", center: [0], radius: 0.25, norm: 2 };
    expect(await shown(coarse, { norm: 2, domain: ball }, [near])).toEqual({ value: 0, witness: null });
  });
});
